import { between, isChosen, type Random, thresholdOf } from "./random.js";
import { type AliasTable, type StreamTables, tableElementsMax } from "./stream-tables.js";

/**
 * Where a thread goes in its memory, which is cut into elements of one size (a page, or less).
 *
 *   sequential  from the first element to the last, and again
 *   strided     every `stride`-th element from the first on, and again
 *   uniform     any element, each as likely as the others
 *   zipf        the k-th most popular element with a probability in proportion to 1/k^s; popular ones lie apart
 *   chase       each element names the next one, in one random circle through all of them
 *   hot-cold    with probability `often` one of the first `hot` elements (a share), else one of the others
 *   phases      `within` a window of so many elements, which moves to a random place after each `every` accesses
 */
export type StreamSpec =
  | { readonly kind: "sequential" }
  | { readonly kind: "strided"; readonly stride: number }
  | { readonly kind: "uniform" }
  | { readonly kind: "zipf"; readonly s: number }
  | { readonly kind: "chase" }
  | { readonly kind: "hot-cold"; readonly hot: number; readonly often: number }
  | { readonly kind: "phases"; readonly every: number; readonly window: number; readonly within: StreamSpec };

export type StreamKind = StreamSpec["kind"];

/** A stream that has begun: it goes on where the last filling stopped. */
export interface Stream {
  /** The next `count` elements, by number, from 0 up. */
  fill(into: Float64Array, count: number): void;
}

/** Most elements that a stream can go over; undefined where there is no limit. */
export function elementsMax(spec: StreamSpec): number | undefined {
  if (spec.kind === "phases") return undefined;
  return spec.kind === "zipf" || spec.kind === "chase" ? tableElementsMax : undefined;
}

/** A stream over `elements` elements, at least 1. It draws from `random` alone. */
export function openStream(spec: StreamSpec, elements: number, random: Random, tables: StreamTables): Stream {
  switch (spec.kind) {
    case "sequential":
      return new Strided(elements, 1);
    case "strided":
      return new Strided(elements, spec.stride);
    case "uniform":
      return new Uniform(elements, random);
    case "zipf":
      return new Zipf(elements, spec.s, random, tables);
    case "chase":
      return new Chase(elements, random, tables);
    case "hot-cold":
      return new HotCold(elements, spec.hot, spec.often, random);
    case "phases":
      return new Phases(elements, spec, random, tables);
  }
}

class Strided implements Stream {
  readonly #elements: number;
  readonly #stride: number;
  #next = 0;

  constructor(elements: number, stride: number) {
    this.#elements = elements;
    this.#stride = stride;
  }

  fill(into: Float64Array, count: number): void {
    const [elements, stride] = [this.#elements, this.#stride];
    let next = this.#next;
    for (let index = 0; index < count; index++) {
      into[index] = next;
      next += stride;
      if (next >= elements) next = 0;
    }
    this.#next = next;
  }
}

class Uniform implements Stream {
  readonly #last: number;
  readonly #random: Random;

  constructor(elements: number, random: Random) {
    this.#last = elements - 1;
    this.#random = random;
  }

  fill(into: Float64Array, count: number): void {
    for (let index = 0; index < count; index++) into[index] = between(this.#random, 0, this.#last);
  }
}

/** One draw for the column of the alias table, one for its upper or lower part (Walker 1977; Vose 1991). */
class Zipf implements Stream {
  readonly #last: number;
  readonly #random: Random;
  readonly #table: AliasTable;

  constructor(elements: number, s: number, random: Random, tables: StreamTables) {
    this.#last = elements - 1;
    this.#random = random;
    this.#table = tables.zipf(elements, s);
  }

  fill(into: Float64Array, count: number): void {
    const [last, random, { keep, alias }] = [this.#last, this.#random, this.#table];
    for (let index = 0; index < count; index++) {
      const column = between(random, 0, last);
      into[index] = isChosen(random, keep[column]!) ? column : alias[column]!;
    }
  }
}

class Chase implements Stream {
  readonly #next: Uint32Array;
  #at: number;

  constructor(elements: number, random: Random, tables: StreamTables) {
    this.#next = tables.circle(elements);
    this.#at = between(random, 0, elements - 1);
  }

  fill(into: Float64Array, count: number): void {
    const next = this.#next;
    let at = this.#at;
    for (let index = 0; index < count; index++) {
      into[index] = at;
      at = next[at]!;
    }
    this.#at = at;
  }
}

class HotCold implements Stream {
  readonly #elements: number;
  readonly #hot: number;
  readonly #often: number;
  readonly #random: Random;

  constructor(elements: number, hot: number, often: number, random: Random) {
    this.#elements = elements;
    // Both parts have an element, unless there is only one.
    this.#hot = Math.max(1, Math.min(elements - 1, Math.round(elements * hot)));
    this.#often = this.#hot === elements ? thresholdOf(1) : thresholdOf(often);
    this.#random = random;
  }

  fill(into: Float64Array, count: number): void {
    const [random, hot, last, often] = [this.#random, this.#hot, this.#elements - 1, this.#often];
    for (let index = 0; index < count; index++) {
      into[index] = isChosen(random, often) ? between(random, 0, hot - 1) : between(random, hot, last);
    }
  }
}

class Phases implements Stream {
  readonly #within: Stream;
  readonly #random: Random;
  readonly #every: number;
  /** The last place where the window can begin. */
  readonly #lastPlace: number;
  #place = 0;
  #left = 0;

  constructor(
    elements: number,
    { every, window, within }: Extract<StreamSpec, { kind: "phases" }>,
    random: Random,
    tables: StreamTables,
  ) {
    const size = Math.min(window, elements);
    this.#within = openStream(within, size, random, tables);
    this.#random = random;
    this.#every = every;
    this.#lastPlace = elements - size;
  }

  fill(into: Float64Array, count: number): void {
    for (let done = 0; done < count; ) {
      if (this.#left === 0) {
        this.#place = between(this.#random, 0, this.#lastPlace);
        this.#left = this.#every;
      }
      const part = into.subarray(done, done + Math.min(this.#left, count - done));
      this.#within.fill(part, part.length);
      for (let index = 0; index < part.length; index++) part[index]! += this.#place;
      this.#left -= part.length;
      done += part.length;
    }
  }
}
