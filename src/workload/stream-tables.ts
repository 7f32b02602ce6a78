import { between, randomFor, thresholdOf } from "./random.js";

/** Elements of the largest table: 16 M, for 192 MiB. */
export const tableElementsMax = 2 ** 24;

/** Columns of a discrete distribution: column c is c with probability keep[c] / 2^32, and else alias[c]. */
export interface AliasTable {
  readonly keep: Uint32Array;
  readonly alias: Uint32Array;
}

/** Tables that streams draw by. Threads share them: a thousand CPUs over one region have one table. */
export class StreamTables {
  readonly #seed: number;
  readonly #zipf = new Map<string, AliasTable>();
  readonly #circles = new Map<number, Uint32Array>();

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** The element of rank 0, 1, ... in proportion to 1/(rank + 1)^s; neighbours in rank lie far apart. */
  zipf(elements: number, s: number): AliasTable {
    const key = `${elements} ${s}`;
    let table = this.#zipf.get(key);
    if (table === undefined) {
      const weights = new Float64Array(elements);
      const apart = coprimeFrom(Math.round(elements * goldenRatio), elements);
      for (let rank = 0; rank < elements; rank++) weights[(rank * apart) % elements] = (rank + 1) ** -s;
      table = aliasTable(weights);
      this.#zipf.set(key, table);
    }
    return table;
  }

  /** The successor of each element, in one random circle through all of them (Sattolo 1986). */
  circle(elements: number): Uint32Array {
    let next = this.#circles.get(elements);
    if (next === undefined) {
      const random = randomFor(this.#seed, elements);
      next = Uint32Array.from({ length: elements }, (_, element) => element);
      for (let index = elements - 1; index > 0; index--) {
        const other = between(random, 0, index - 1);
        [next[index], next[other]] = [next[other]!, next[index]!];
      }
      this.#circles.set(elements, next);
    }
    return next;
  }
}

/** Multiples of it are spread most evenly over a circle. */
const goldenRatio = (Math.sqrt(5) - 1) / 2;

/** The smallest number from `from` on, and at least 1, that has no common divisor with `elements`. */
function coprimeFrom(from: number, elements: number): number {
  let number = Math.max(1, from);
  while (greatestCommonDivisor(number, elements) !== 1) number++;
  return number;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** M. D. Vose, A linear algorithm for generating random numbers with a given distribution, IEEE TSE 17(9), 1991. */
function aliasTable(weights: Float64Array): AliasTable {
  const elements = weights.length;
  const mean = weights.reduce((sum, weight) => sum + weight, 0) / elements;
  const scaled = weights.map((weight) => weight / mean);
  // A column that is never looked at below is all its own.
  const alias = Uint32Array.from({ length: elements }, (_, element) => element);
  const keep = new Uint32Array(elements);
  // Both kinds in one array: those below the mean from its left end, those above from its right.
  const waiting = new Uint32Array(elements);
  let [small, large] = [0, elements];
  for (let element = 0; element < elements; element++) {
    if (scaled[element]! < 1) waiting[small++] = element;
    else waiting[--large] = element;
  }
  while (small > 0 && large < elements) {
    const [poor, rich] = [waiting[--small]!, waiting[large]!];
    keep[poor] = Math.min(thresholdOf(scaled[poor]!), 2 ** 32 - 1);
    alias[poor] = rich;
    scaled[rich]! -= 1 - scaled[poor]!;
    if (scaled[rich]! >= 1) continue;
    large++;
    waiting[small++] = rich;
  }
  return { keep, alias };
}
