import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";

/** The source of randomness of one thread: `next()` gives 32 random bits as a signed number. */
export type Random = ReturnType<typeof xoroshiro128plusFromState>;

/**
 * Generators far apart in the one sequence of a seed: the first call gives the first thread's, and so on. What a thread
 * draws depends neither on the other threads nor on the order in which they are asked for work.
 */
export function randomsOf(seed: number): () => Random {
  const [high, low] = halves(seed);
  const random = xoroshiro128plusFromState([-1, ~low, low, high]);
  return () => {
    random.jump();
    return random.clone();
  };
}

/** A generator for a table that all threads share: it depends on the seed and on what the table is about. */
export function randomFor(seed: number, key: number): Random {
  const [high, low] = halves(seed);
  return xoroshiro128plusFromState([~key, key, low, ~high]);
}

/** A whole number from `low` to `high`, each as likely as the others. */
export function between(random: Random, low: number, high: number): number {
  return uniformInt(random, low, high);
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
