/** Synthetic access streams: what a user program could do, without the program. Pages are 4 KiB, addresses below 2^47. */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

export interface StreamKind {
  readonly name: string;
  readonly about: string;
  /** Pages that the stream touches. */
  readonly pages: number;
}

/** In the order of tables: from what hits always to what never does. */
export const streamKinds: readonly StreamKind[] = [
  { name: "seq64", about: "64 lines of a page, then the next page", pages: 64 },
  { name: "l1hit", about: "uniform, as many pages as the first level holds", pages: 64 },
  { name: "l2hit", about: "uniform, pages that the second level holds", pages: 1024 },
  { name: "zipf", about: "zipf 0.99", pages: 65_536 },
  { name: "pwc", about: "uniform, walks that start at the last level", pages: 8192 },
  { name: "sparse", about: "uniform, pages far apart: walks of four reads", pages: 16_384 },
];

export interface Stream {
  readonly name: string;
  /** Page numbers, in the order in which they are mapped: the first one to frame 1, and so on. */
  readonly pages: readonly number[];
  /** Records of a feed's ring, two 32-bit halves each: address with the kind in the low four bits. */
  readonly records: Uint32Array;
}

/** Share of the accesses that are stores; the others are loads. */
const STORES = 0.3;
const ZIPF_EXPONENT = 0.99;
const LINES = 64;
const LINE_BYTES = 64;
/** First page number of the streams whose pages lie side by side. */
const FIRST_PAGE = 0x10000;
/** Bits of the page numbers of `sparse`, so that nearly every page has a last-level table of its own. */
const SPARSE_BITS = 35;

const numbers = (seed: number) => xoroshiro128plus(seed);
type Numbers = ReturnType<typeof numbers>;

/** A stream of `length` accesses, the same on every machine. A power of two fits a ring. */
export function makeStream(kind: StreamKind, length: number): Stream {
  const rng = numbers(streamKinds.indexOf(kind) + 1);
  const pages = kind.name === "sparse" ? farPages(rng, kind.pages) : nearPages(kind.pages);
  const choose = chooser(kind, rng);
  const records = new Uint32Array(length * 2);
  for (let i = 0; i < length; i++) {
    const page = pages[choose(i)]!;
    const line = kind.name === "seq64" ? i % LINES : uniformInt(rng, 0, LINES - 1);
    const isStore = uniformFloat64(rng) < STORES;
    // A page number has up to 36 bits: 20 of them are in the low half, beside the offset.
    records[2 * i] = page * 4096 + line * LINE_BYTES + (isStore ? 1 : 0);
    records[2 * i + 1] = Math.floor(page / 2 ** 20);
  }
  return { name: kind.name, pages, records };
}

/** Which page the i-th access goes to. */
function chooser(kind: StreamKind, rng: Numbers): (i: number) => number {
  if (kind.name === "seq64") return (i) => Math.floor(i / LINES) % kind.pages;
  if (kind.name !== "zipf") return () => uniformInt(rng, 0, kind.pages - 1);
  const cumulated = new Float64Array(kind.pages);
  let total = 0;
  for (let rank = 0; rank < kind.pages; rank++) cumulated[rank] = total += (rank + 1) ** -ZIPF_EXPONENT;
  const places = shuffled(rng, kind.pages);
  return () => places[rankOf(cumulated, uniformFloat64(rng) * total)]!;
}

/** Index of the first sum that is greater than `value`. */
function rankOf(cumulated: Float64Array, value: number): number {
  let low = 0;
  let high = cumulated.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (cumulated[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function nearPages(count: number): number[] {
  return Array.from({ length: count }, (_, i) => FIRST_PAGE + i);
}

function farPages(rng: Numbers, count: number): number[] {
  const pages = new Set<number>();
  while (pages.size < count) pages.add(Math.floor(uniformFloat64(rng) * 2 ** SPARSE_BITS));
  return [...pages];
}

function shuffled(rng: Numbers, count: number): number[] {
  const places = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const other = uniformInt(rng, 0, i);
    [places[i], places[other]] = [places[other]!, places[i]!];
  }
  return places;
}
