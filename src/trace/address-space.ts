import { isAccessible, type VmaWord, withRights } from "../workload/vma-word.js";

/** Pages start to end - 1: what is there, and which call made it so. */
export interface PageRange {
  readonly start: number;
  readonly end: number;
  /** 0 where a call has unmapped. */
  readonly word: VmaWord;
  /** A wait for this rank waits for the last call that changed these pages. */
  readonly rank: number;
  /** The thread that made the call. */
  readonly caller: number;
}

/** What calls have done to an address space so far: sorted ranges without overlap. */
export class AddressSpace {
  #ranges: PageRange[] = [];

  /** The range that holds `page`. */
  find(page: number): PageRange | undefined {
    const range = this.#ranges[this.#firstEndingAfter(page)];
    return range !== undefined && range.start <= page ? range : undefined;
  }

  /** Ranges that overlap start to end, whole. */
  overlapping(start: number, end: number): PageRange[] {
    const first = this.#firstEndingAfter(start);
    let last = first;
    while (last < this.#ranges.length && this.#ranges[last]!.start < end) last++;
    return this.#ranges.slice(first, last);
  }

  /** Parts of start to end that no call has mapped, or that the last one has unmapped. */
  holes(start: number, end: number): { start: number; end: number }[] {
    const holes: { start: number; end: number }[] = [];
    let from = start;
    for (const range of this.overlapping(start, end)) {
      if (range.word === 0n) continue;
      if (range.start > from) holes.push({ start: from, end: range.start });
      from = Math.max(from, range.end);
    }
    if (from < end) holes.push({ start: from, end });
    return holes;
  }

  set(start: number, end: number, word: VmaWord, rank: number, caller: number): void {
    this.#replace(start, end, [{ start, end, word, rank, caller }]);
  }

  /** Change the rights of what is mapped in start to end. */
  protect(start: number, end: number, prot: number, rank: number, caller: number): void {
    this.#change(start, end, rank, caller, (word) => (word === 0n ? word : withRights(word, prot)));
  }

  /** The pages stay what they are, but later accesses come after this call. */
  touch(start: number, end: number, rank: number, caller: number): void {
    this.#change(start, end, rank, caller, (word) => word);
  }

  /** The first `count` accessible pages of start to end, as ranges. */
  accessible(start: number, end: number, count: number): PageRange[] {
    const found: PageRange[] = [];
    for (const range of this.overlapping(start, end)) {
      if (count <= 0) break;
      if (!isAccessible(range.word)) continue;
      const from = Math.max(range.start, start);
      const to = Math.min(range.end, end, from + count);
      found.push({ ...range, start: from, end: to });
      count -= to - from;
    }
    return found;
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  clear(): void {
    this.#ranges = [];
  }

  /** The same mappings, with nothing to wait for: what a new process begins with. */
  fork(): AddressSpace {
    const child = new AddressSpace();
    child.#ranges = this.#ranges
      .filter(({ word }) => word !== 0n)
      .map((range) => ({ ...range, rank: 0, caller: -1 }));
    return child;
  }

  #change(start: number, end: number, rank: number, caller: number, word: (old: VmaWord) => VmaWord): void {
    const changed = this.overlapping(start, end).map((range) => ({
      ...{ start: Math.max(range.start, start), end: Math.min(range.end, end) },
      ...{ word: word(range.word), rank, caller },
    }));
    const [first, last] = [changed[0], changed.at(-1)];
    if (first !== undefined && last !== undefined) this.#replace(first.start, last.end, changed);
  }

  /** Put `middle` where start to end was; neighbours and middle keep their order, equal ones that touch are merged. */
  #replace(start: number, end: number, middle: readonly PageRange[]): void {
    const first = this.#firstEndingAfter(start - 1);
    let last = first;
    const parts: PageRange[] = [];
    const after: PageRange[] = [];
    for (
      let range = this.#ranges[last];
      range !== undefined && range.start <= end;
      range = this.#ranges[++last]
    ) {
      if (range.start < start) parts.push({ ...range, end: Math.min(range.end, start) });
      if (range.end > end) after.push({ ...range, start: Math.max(range.start, end) });
    }
    this.#ranges.splice(first, last - first, ...merged([...parts, ...middle, ...after]));
  }

  #firstEndingAfter(page: number): number {
    let [low, high] = [0, this.#ranges.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ranges[middle]!.end > page) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function merged(ranges: readonly PageRange[]): PageRange[] {
  const result: PageRange[] = [];
  for (const range of ranges) {
    const last = result.at(-1);
    const joins =
      last !== undefined &&
      last.end === range.start &&
      last.word === range.word &&
      last.rank === range.rank &&
      last.caller === range.caller;
    if (joins) result[result.length - 1] = { ...last, end: range.end };
    else result.push(range);
  }
  return result;
}
