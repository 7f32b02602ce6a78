/*
 * What the oracle remembers about a translation. MARKS of a slot:
 *
 *   10       9       8        7..4                       3..0
 *   | judged | freed | copied | promised gone: d x w r | stale: d x w r |
 *
 * A right is stale while the entry grants it and its page-table entry does not; d is the right to store without setting D. It is promised
 * gone once a call has said so. `freed`: the frame was freed without its page-table entry having changed. `copied`: the frame is the
 * source of an open copy. `judged`: it was taken for clean, and the entry may be written through.
 */
import { frameOf, KEY_WATCH } from "./assoc";
import { CFG_CANONICAL, config } from "./config";
import { entryAt, frameWordAt, hw } from "./addresses";
import { hwExcuses, hwGenerations, hwMarks, pools } from "./layout";
import { ENTRY_PAYLOAD, HW_MARKS } from "./offsets";
import { FW_GENERATION_SHIFT, POOL_CLEANED } from "./meta";

export const READ: u32 = 1;
export const WRITE: u32 = 2;
export const EXEC: u32 = 4;
export const DIRTY: u32 = 8;
export const ALL: u32 = 15;
export const GONE_SHIFT: u32 = 4;
export const COPIED: u32 = 256;
export const FREED: u32 = 512;
export const JUDGED: u32 = 1024;

// @ts-ignore: decorator
@inline
export function markOf(cpu: u32, slot: u32): u32 {
  return load<u16>(hw(cpu) + hwMarks + (<usize>slot << 1));
}

/**
 * A marked entry is watched: it never matches on the fast path. When the first mark is set, the entry's frame is the one that it was filled
 * with: to be freed it had to be unmapped, which is a mark, or it was freed while it was mapped, which marks as well.
 */
export function setMark(cpu: u32, slot: u32, mark: u32): void {
  const c = hw(cpu);
  const at = entryAt(c, slot);
  const key = load<u64>(at);
  const had = (key & KEY_WATCH) != 0;
  countCleaned(markOf(cpu, slot), mark);
  store<u16>(c + hwMarks + (<usize>slot << 1), <u16>mark);
  if (mark != 0 && !had) {
    store<u64>(at, key | KEY_WATCH);
    if ((<u32>(key >> 1) & 3) != 3) rememberGeneration(c, slot);
    store<u32>(c, load<u32>(c, HW_MARKS) + 1, HW_MARKS);
  } else if (mark == 0 && had) {
    store<u64>(at, key & ~KEY_WATCH);
    setGeneration(c, slot, 0);
    store<u32>(c, load<u32>(c, HW_MARKS) - 1, HW_MARKS);
  }
}

// @ts-ignore: decorator
@inline
function countCleaned(old: u32, mark: u32): void {
  // Turns of the bound phase evict marked entries too, on any thread.
  if (((old ^ mark) & DIRTY) != 0) atomic.add<u32>(pools + POOL_CLEANED, (mark & DIRTY) != 0 ? 1 : -1);
}

// @ts-ignore: decorator
@inline
export function generationOf(c: usize, slot: u32): u32 {
  return load<u32>(c + hwGenerations + (<usize>slot << 2));
}

// @ts-ignore: decorator
@inline
export function setGeneration(c: usize, slot: u32, generation: u32): void {
  store<u32>(c + hwGenerations + (<usize>slot << 2), generation);
}

/** The entry is as good as filled now, whoever had its frame before. */
export function rememberGeneration(c: usize, slot: u32): void {
  const frame = frameOf(load<u64>(entryAt(c, slot), ENTRY_PAYLOAD));
  setGeneration(c, slot, load<u32>(frameWordAt(frame)) >> FW_GENERATION_SHIFT);
}

/** The entry goes, and what was remembered about it. */
export function unmark(c: usize, slot: u32): void {
  countCleaned(load<u16>(c + hwMarks + (<usize>slot << 1)), 0);
  store<u32>(c, load<u32>(c, HW_MARKS) - 1, HW_MARKS);
  store<u16>(c + hwMarks + (<usize>slot << 1), 0);
  setGeneration(c, slot, 0);
  if (config(CFG_CANONICAL) != 0) store<u64>(c + hwExcuses + (<usize>slot << 3), 0);
}
