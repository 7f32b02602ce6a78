/*
 * One set-associative array with true LRU; TLBs of every level and page size and the paging-structure caches are ten of them.
 *
 * A slot's KEY is 0 when empty, else
 *
 *   63      62       61..51  50..15        14..3  2..1  0
 *   | watch | global | 0     | page number | pcid | size | 1 |
 *
 * `watch` is set while the oracle has a mark on the entry, so that a marked entry never matches on the fast path. Size is 0 4K, 1 2M,
 * 2 1G, 3 a paging-structure entry. PAYLOAD: bits 0..31 frame (or table), 32 may write, 33 dirty, 34 may execute.
 * GHOST: low half the frame's generation when filled, high half the root it was filled from.
 */
import { CK_TICK, ckStamps, clk, hw, HW_MARKS, hwGhosts, hwKeys, hwMarks, hwPayloads, slots, STRUCTURES } from "./layout";

export const KEY_WATCH: u64 = 1 << 63;
export const KEY_GLOBAL: u64 = 1 << 62;
export const PAY_WRITE: u64 = 1 << 32;
export const PAY_DIRTY: u64 = 1 << 33;
export const PAY_EXEC: u64 = 1 << 34;
export const NO_SLOT: u32 = 0xffffffff;

// @ts-ignore: decorator
@inline
export function keyOf(page: u64, pcid: u32, size: u32): u64 {
  return (page << 15) | (<u64>pcid << 3) | (<u64>size << 1) | 1;
}

// @ts-ignore: decorator
@inline
export function pageOf(key: u64): u64 {
  return (key >> 15) & 0xfffffffff;
}

// @ts-ignore: decorator
@inline
export function pcidOf(key: u64): u32 {
  return <u32>(key >> 3) & 4095;
}

/** First slot of the set that `page` belongs to, given the structure's descriptor. */
// @ts-ignore: decorator
@inline
function firstOf(d: usize, page: u64): u32 {
  const sets = load<u32>(d, 4);
  const set = (sets & (sets - 1)) == 0 ? <u32>page & (sets - 1) : <u32>page % sets;
  return load<u32>(d) + set * load<u32>(d, 8);
}

/** First slot of the set that `page` belongs to. */
// @ts-ignore: decorator
@inline
export function setOf(structure: u32, page: u64): u32 {
  return firstOf(STRUCTURES + (<usize>structure << 4), page);
}

// @ts-ignore: decorator
@inline
export function waysOf(structure: u32): u32 {
  return load<u32>(STRUCTURES + (<usize>structure << 4), 8);
}

/**
 * Slot that holds exactly `key`, or NO_SLOT. Two keys a comparison; sets of up to 32 ways are compared whole and branched on once,
 * because which way hits is not predictable.
 */
// @ts-ignore: decorator
@inline
export function find(c: usize, structure: u32, key: u64): u32 {
  const d = STRUCTURES + (<usize>structure << 4);
  const ways = load<u32>(d, 8);
  const first = firstOf(d, pageOf(key));
  const at = c + hwKeys + (<usize>first << 3);
  return ways <= 32 ? findNarrow(at, first, ways, key) : findWide(at, first, ways, key);
}

function findNarrow(at: usize, first: u32, ways: u32, key: u64): u32 {
  const k = i64x2.splat(<i64>key);
  let mask: u32 = 0;
  let way: u32 = 0;
  for (; way + 1 < ways; way += 2) mask |= <u32>i64x2.bitmask(i64x2.eq(v128.load(at + (<usize>way << 3)), k)) << way;
  if (way < ways && load<u64>(at + (<usize>way << 3)) == key) mask |= 1 << way;
  return mask != 0 ? first + <u32>ctz(mask) : NO_SLOT;
}

function findWide(at: usize, first: u32, ways: u32, key: u64): u32 {
  const k = i64x2.splat(<i64>key);
  let way: u32 = 0;
  for (; way + 1 < ways; way += 2) {
    const m = i64x2.bitmask(i64x2.eq(v128.load(at + (<usize>way << 3)), k));
    if (m) return first + way + (m >> 1);
  }
  if (way < ways && load<u64>(at + (<usize>way << 3)) == key) return first + way;
  return NO_SLOT;
}

/** Makes a slot the most recently used of its set. */
// @ts-ignore: decorator
@inline
export function touch(k: usize, slot: u32): void {
  const tick = load<u32>(k, CK_TICK) + 1;
  store<u32>(k, tick, CK_TICK);
  store<u32>(k + ckStamps + (<usize>slot << 2), tick);
}

/** Keeps stamps ordered when the tick is about to wrap: what was not touched for 2^31 ticks counts as equally old. */
export function renumber(k: usize): void {
  for (let slot: u32 = 0; slot < slots; slot++) {
    const at = k + ckStamps + (<usize>slot << 2);
    const stamp = load<u32>(at);
    store<u32>(at, stamp > 0x80000000 ? stamp - 0x80000000 : <u32>(stamp != 0 ? 1 : 0));
  }
  store<u32>(k, load<u32>(k, CK_TICK) - 0x80000000, CK_TICK);
}

/** Empties a slot. A stamp of 0 makes it the first to be filled again. */
export function drop(cpu: u32, slot: u32): void {
  const c = hw(cpu);
  const at = <usize>slot << 3;
  if ((load<u64>(c + hwKeys + at) & KEY_WATCH) != 0) {
    store<u32>(c, load<u32>(c, HW_MARKS) - 1, HW_MARKS);
    store<u8>(c + hwMarks + slot, 0);
  }
  store<u64>(c + hwKeys + at, 0);
  store<u64>(c + hwPayloads + at, 0);
  store<u64>(c + hwGhosts + at, 0);
  store<u32>(clk(cpu) + ckStamps + (<usize>slot << 2), 0);
}

/** Way with the smallest stamp, the first of equals: an empty one, else the least recently used. */
function victimOf(stamps: usize, ways: u32): u32 {
  if ((ways & 3) != 0) {
    let victim: u32 = 0;
    let oldest = load<u32>(stamps);
    for (let way: u32 = 1; way < ways; way++) {
      const stamp = load<u32>(stamps + (<usize>way << 2));
      victim = select<u32>(way, victim, stamp < oldest);
      oldest = min(stamp, oldest);
    }
    return victim;
  }
  let least = v128.load(stamps);
  for (let way: u32 = 4; way < ways; way += 4) least = i32x4.min_u(least, v128.load(stamps + (<usize>way << 2)));
  least = i32x4.min_u(least, i8x16.shuffle(least, least, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  least = i32x4.min_u(least, i8x16.shuffle(least, least, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  let way: u32 = 0;
  let m: u32 = i32x4.bitmask(i32x4.eq(v128.load(stamps), least));
  while (m == 0) {
    way += 4;
    m = i32x4.bitmask(i32x4.eq(v128.load(stamps + (<usize>way << 2)), least));
  }
  return way + <u32>ctz(m);
}

/** Puts an entry into its set, over an empty way or the least recently used one. Returns the slot. */
export function insert(cpu: u32, structure: u32, key: u64, payload: u64, ghost: u64): u32 {
  const c = hw(cpu);
  const k = clk(cpu);
  const d = STRUCTURES + (<usize>structure << 4);
  const first = firstOf(d, pageOf(key));
  const victim = first + victimOf(k + ckStamps + (<usize>first << 2), load<u32>(d, 8));
  const at = <usize>victim << 3;
  if ((load<u64>(c + hwKeys + at) & KEY_WATCH) != 0) drop(cpu, victim);
  store<u64>(c + hwKeys + at, key);
  store<u64>(c + hwPayloads + at, payload);
  store<u64>(c + hwGhosts + at, ghost);
  touch(k, victim);
  return victim;
}
