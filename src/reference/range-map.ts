/** A range of page numbers with one value; pages start..end-1. */
export interface Range {
  readonly start: bigint;
  readonly end: bigint;
  readonly value: bigint;
}

/** The address space of one mm: ranges that neither overlap nor touch an equal neighbour, in order. */
export class RangeMap {
  ranges: Range[] = [];

  /** The first range that ends after `vpn`, as the kernel's find_vma: it may start after `vpn`. */
  find(vpn: bigint): Range | undefined {
    return this.ranges.find((range) => range.end > vpn);
  }

  /** Replaces what was there; value 0 erases. An empty range changes nothing. */
  set(start: bigint, end: bigint, value: bigint): void {
    if (start >= end) return;
    const pieces: Range[] = [];
    for (const range of this.ranges) {
      if (range.start < start) pieces.push({ ...range, end: range.end < start ? range.end : start });
      if (range.end > end) pieces.push({ ...range, start: range.start > end ? range.start : end });
    }
    if (value !== 0n) pieces.push({ start, end, value });
    pieces.sort((left, right) => (left.start < right.start ? -1 : 1));
    this.ranges = mergeEqualNeighbours(pieces);
  }
}

function mergeEqualNeighbours(pieces: readonly Range[]): Range[] {
  const merged: Range[] = [];
  for (const piece of pieces) {
    const last = merged.at(-1);
    if (last !== undefined && last.end === piece.start && last.value === piece.value) {
      merged[merged.length - 1] = { ...last, end: piece.end };
    } else {
      merged.push(piece);
    }
  }
  return merged;
}
