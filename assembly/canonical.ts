/*
 * One form for what is the same: which way of a set an entry sits in is chance, so a search keeps every set sorted, empty ways last.
 *
 * What only reports look at (MADE and BROKEN of a slot) stays where it was: reports come from a replay, which sorts nothing.
 */
import { KEY_WATCH } from "./assoc";
import { TLB_STRUCTURES } from "./config";
import { entryAt, hw } from "./addresses";
import { hwExcuses, hwGenerations, hwMarks, STRUCTURES } from "./layout";
import { ENTRY_PAYLOAD } from "./offsets";

/** Whether any array has more than one way; else there is nothing to sort. */
let hasWays: bool = false;

export function openCanonical(): void {
  hasWays = false;
  for (let s: u32 = 0; s < TLB_STRUCTURES; s++) if (load<u32>(STRUCTURES + (<usize>s << 4), 8) > 1) hasWays = true;
}

// @ts-ignore: decorator
@inline
export function sortEntries(cpu: u32): void {
  if (hasWays) sortAll(cpu);
}

function sortAll(cpu: u32): void {
  const c = hw(cpu);
  for (let s: u32 = 0; s < TLB_STRUCTURES; s++) {
    const d = STRUCTURES + (<usize>s << 4);
    const ways = load<u32>(d, 8);
    if (ways < 2) continue;
    const end = load<u32>(d) + load<u32>(d, 4) * ways;
    for (let first = load<u32>(d); first < end; first += ways) sortSet(c, first, ways);
  }
}

/** Sorted by key, as if empty were the largest. */
// @ts-ignore: decorator
@inline
function rank(c: usize, slot: u32): u64 {
  return (load<u64>(entryAt(c, slot)) & ~KEY_WATCH) - 1;
}

function sortSet(c: usize, first: u32, ways: u32): void {
  for (let i: u32 = 1; i < ways; i++) {
    for (let slot = first + i; slot > first && rank(c, slot) < rank(c, slot - 1); slot--) swap(c, slot, slot - 1);
  }
}

function swap(c: usize, a: u32, b: u32): void {
  const x = entryAt(c, a);
  const y = entryAt(c, b);
  swap64(x, y);
  swap64(x + ENTRY_PAYLOAD, y + ENTRY_PAYLOAD);
  swap64(c + hwExcuses + (<usize>a << 3), c + hwExcuses + (<usize>b << 3));
  const generation = load<u32>(c + hwGenerations + (<usize>a << 2));
  store<u32>(c + hwGenerations + (<usize>a << 2), load<u32>(c + hwGenerations + (<usize>b << 2)));
  store<u32>(c + hwGenerations + (<usize>b << 2), generation);
  const mark = load<u16>(c + hwMarks + (<usize>a << 1));
  store<u16>(c + hwMarks + (<usize>a << 1), load<u16>(c + hwMarks + (<usize>b << 1)));
  store<u16>(c + hwMarks + (<usize>b << 1), mark);
}

// @ts-ignore: decorator
@inline
function swap64(a: usize, b: usize): void {
  const value = load<u64>(a);
  store<u64>(a, load<u64>(b));
  store<u64>(b, value);
}
