/** From as many bits as there are cells to the 64 that a word has: what nobody shares needs none, and what is alike shares one. */

import type { Footprint } from "./footprint.js";

/** Who touches what: the footprint of everything that one sequential part of a case can execute. */
export type Part = Footprint;

export interface Folding {
  fold(bits: bigint): bigint;
  /** Bits in use. */
  readonly count: number;
}

/**
 * The first `fixed` bits stay as they are. Of the `cells` behind them, those go that one part alone touches, or nobody changes. Throws
 * RangeError when the fixed ones alone are too many.
 */
export function foldCells(fixed: number, cells: number, parts: readonly Part[], room = 64): Folding {
  const shared = Array.from({ length: cells }, (_, cell) => fixed + cell).filter((bit) =>
    isShared(1n << BigInt(bit), parts),
  );
  const left = room - fixed;
  if (left < 1) throw new RangeError(`${fixed} things do not fit into ${room} bits`);
  const alike = groups(shared, (bit) => parts.map((part) => touches(part, 1n << BigInt(bit))).join(" "));
  let classes: readonly (readonly number[])[] = shared.map((bit) => [bit]);
  if (classes.length > left) classes = alike;
  if (classes.length > left) classes = groups(shared, (bit) => `${bit % left}`);
  const place = new Map(
    classes.flatMap((bits, at) => bits.map((bit) => [bit, 1n << BigInt(fixed + at)] as const)),
  );
  const low = (1n << BigInt(fixed)) - 1n;
  const known = new Map<bigint, bigint>();
  return {
    count: fixed + classes.length,
    fold: (bits) => {
      let folded = known.get(bits);
      if (folded !== undefined) return folded;
      folded = bits & low;
      for (const [bit, to] of place) if (((bits >> BigInt(bit)) & 1n) !== 0n) folded |= to;
      known.set(bits, folded);
      return folded;
    },
  };
}

function isShared(bit: bigint, parts: readonly Part[]): boolean {
  const touching = parts.filter((part) => ((part.uses | part.changes) & bit) !== 0n);
  return touching.length > 1 && touching.some((part) => (part.changes & bit) !== 0n);
}

function touches(part: Part, bit: bigint): string {
  return `${(part.uses & bit) !== 0n ? "u" : ""}${(part.changes & bit) !== 0n ? "c" : ""}-`;
}

function groups(bits: readonly number[], keyOf: (bit: number) => string): number[][] {
  const byKey = new Map<string, number[]>();
  for (const bit of bits) {
    const key = keyOf(bit);
    byKey.set(key, [...(byKey.get(key) ?? []), bit]);
  }
  return [...byKey.values()];
}
