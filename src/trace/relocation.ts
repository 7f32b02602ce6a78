import { pageBytes } from "../workload/feed.js";
import { InputError } from "./errors.js";

/** Copies of a recording keep to regions of 128 GiB: no range of a program is torn unless it is larger. */
const regionPages = 2 ** 37 / pageBytes;
/** Regions in the upper half of an address. */
const regionBits = 5;
const regions = 2 ** 47 / pageBytes / regionPages;
/** Where Linux puts programs, heaps, libraries and stacks: copies go elsewhere, so that the original keeps its place. */
const isUsual = (region: number): boolean =>
  region < 64 || (region >= 0x2a0 && region < 0x2c0) || region >= 0x3e0;

/**
 * Addresses for several copies of one recording in one address space. Copy 0 stays where it was recorded, if it can.
 *
 * A region gets its place when it is first seen, the same in every run.
 */
export class Relocation {
  readonly copies: number;
  readonly #file: string;
  /** Regions by which each copy's region is moved, NaN where it has no place yet. */
  readonly #moves: Float64Array;
  readonly #taken = new Uint8Array(regions);
  #words = new Uint32Array();

  constructor(copies: number, file: string) {
    this.copies = copies;
    this.#file = file;
    this.#moves = new Float64Array(copies * regions).fill(Number.NaN);
  }

  /** Pages by which `copy` has moved the page; the page has been covered before. */
  shift(copy: number, page: number): number {
    return this.#moves[copy * regions + Math.floor(page / regionPages)]! * regionPages;
  }

  /** As shift(), for `count` addresses of two words each; valid until the next call. */
  moved(copy: number, words: Uint32Array, count: number): Uint32Array {
    if (this.#words.length < words.length) this.#words = new Uint32Array(words.length);
    const to = this.#words;
    const base = copy * regions;
    for (let word = 0; word < 2 * count; word += 2) {
      const high = words[word + 1]!;
      to[word] = words[word]!;
      to[word + 1] = high + (this.#moves[base + (high >>> regionBits)]! << regionBits);
    }
    return to;
  }

  /**
   * Give every copy a place for the pages start to end - 1, each in one piece.
   * Throws: InputError when there is none.
   */
  cover(start: number, end: number): void {
    const first = Math.floor(start / regionPages);
    const last = Math.floor((end - 1) / regionPages);
    for (let copy = 0; copy < this.copies; copy++) {
      const base = copy * regions;
      const move = this.#moves[base + first]!;
      let isPlaced = !Number.isNaN(move);
      for (let region = first + 1; region <= last; region++) isPlaced &&= this.#moves[base + region] === move;
      if (!isPlaced) this.#place(copy, first, last);
    }
  }

  #place(copy: number, first: number, last: number): void {
    const base = copy * regions;
    const known = new Set<number>();
    for (let region = first; region <= last; region++) {
      const move = this.#moves[base + region]!;
      if (!Number.isNaN(move)) known.add(move);
    }
    // Next to its neighbour, for ranges that cross the border later.
    const beside = first > 0 ? this.#moves[base + first - 1]! : Number.NaN;
    const [only] = known;
    const candidates = only === undefined ? [...(copy === 0 ? [0] : []), beside] : [only];
    const fitting = candidates.find((move) => known.size < 2 && this.#fits(base, first, last, move));
    const move = fitting ?? (known.size === 0 ? this.#search(base, first, last) : undefined);
    if (move === undefined) throw this.#noPlace(copy);
    for (let region = first; region <= last; region++) {
      this.#moves[base + region] = move;
      this.#taken[region + move] = 1;
    }
  }

  #search(base: number, first: number, last: number): number | undefined {
    for (const mayBeUsual of [false, true]) {
      for (let target = 1; target + last - first < regions - 1; target++) {
        if (!mayBeUsual && (isUsual(target) || isUsual(target + last - first))) continue;
        if (this.#fits(base, first, last, target - first)) return target - first;
      }
    }
    return undefined;
  }

  /** Whether the regions can move so; those that have moved so already do not count. */
  #fits(base: number, first: number, last: number, move: number): boolean {
    if (Number.isNaN(move)) return false;
    for (let region = first; region <= last; region++) {
      if (this.#moves[base + region] !== move && this.#taken[region + move] !== 0) return false;
    }
    return true;
  }

  #noPlace(copy: number): InputError {
    const expected = `room for ${this.copies} copies in one address space (in regions of 128 GiB)`;
    return new InputError({ file: this.#file }, expected, `none for copy ${copy + 1}; use fewer copies`);
  }
}
