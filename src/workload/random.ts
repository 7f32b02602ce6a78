import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";

/**
 * The source of randomness of one thread: xoroshiro128+ (D. Blackman, S. Vigna, 2018), number for number as pure-rand has it.
 *
 * Streams draw for every access, and here the draw and its reduction to a range are compiled into their loops.
 */
export class Random {
  #s00: number;
  #s01: number;
  #s10: number;
  #s11: number;

  /** Four words in the order of pure-rand's getState(). */
  constructor([s01, s00, s11, s10]: readonly number[]) {
    this.#s00 = s00! | 0;
    this.#s01 = s01! | 0;
    this.#s10 = s10! | 0;
    this.#s11 = s11! | 0;
  }

  /** 32 random bits, as a signed number. */
  next(): number {
    const [s00, s01, s10, s11] = [this.#s00, this.#s01, this.#s10, this.#s11];
    const a0 = s10 ^ s00;
    const a1 = s11 ^ s01;
    this.#s00 = (s00 << 24) ^ (s01 >>> 8) ^ a0 ^ (a0 << 16);
    this.#s01 = (s01 << 24) ^ (s00 >>> 8) ^ a1 ^ ((a1 << 16) | (a0 >>> 16));
    this.#s10 = (a1 << 5) ^ (a0 >>> 27);
    this.#s11 = (a0 << 5) ^ (a1 >>> 27);
    return (s00 + s10) | 0;
  }

  /** 0 to end - 1, each as likely as the others. Draws above the last multiple of `end` are drawn again. */
  below(end: number): number {
    if (end >= 2 ** 32) return uniformInt(this, 0, end - 1);
    // Said to be unsigned, so that the remainder is one of whole numbers.
    const size = end >>> 0;
    const limit = size > 2 ? Math.floor(2 ** 32 / size) * size : 2 ** 32;
    for (;;) {
      const drawn = (this.next() ^ 0x8000_0000) >>> 0;
      if (drawn < limit) return (drawn % size) >>> 0;
    }
  }

  clone(): Random {
    return new Random(this.getState());
  }

  getState(): number[] {
    return [this.#s01, this.#s00, this.#s11, this.#s10];
  }
}

/**
 * Generators far apart in the one sequence of a seed: the first call gives the first thread's, and so on. What a thread
 * draws depends neither on the other threads nor on the order in which they are asked for work.
 */
export function randomsOf(seed: number): () => Random {
  const [high, low] = halves(seed);
  const random = xoroshiro128plusFromState([-1, ~low, low, high]);
  return () => {
    random.jump();
    return new Random(random.getState());
  };
}

/** A generator for a table that all threads share: it depends on the seed and on what the table is about. */
export function randomFor(seed: number, key: number): Random {
  const [high, low] = halves(seed);
  return new Random([~key, key, low, ~high]);
}

/** A whole number from `low` to `high`, each as likely as the others. */
export function between(random: Random, low: number, high: number): number {
  return low + random.below(high - low + 1);
}

/** What happens with probability `share`, 0 to 1, in units of 2^-32, for `isChosen`. */
export function thresholdOf(share: number): number {
  return Math.round(share * 2 ** 32);
}

export function isChosen(random: Random, threshold: number): boolean {
  return random.next() >>> 0 < threshold;
}

function halves(seed: number): [high: number, low: number] {
  return [Math.floor(seed / 2 ** 32) | 0, seed | 0];
}
