/*
 * One set-associative array with true LRU; TLBs of every level and page size and the paging-structure caches are ten of them.
 *
 * A slot's KEY is 0 when empty, else
 *
 *   63      62       61..51  50..15        14..3  2..1  0
 *   | watch | global | 0     | page number | pcid | size | 1 |
 *
 * `watch` is set while the oracle has a mark on the entry, so that a marked entry never matches on the fast path. Size is 0 4K, 1 2M,
 * 2 1G, 3 a paging-structure entry. PAYLOAD: the page-table entry's own bits, so that a fill is one mask: 1 may write, 6 dirty, 12..43
 * frame (or table), but 63 may execute; and in 44..62 the root that it was filled from, which hardware does not look at.
 *
 * A STAMP is {tick of the last use: 24 bits, way: 8 bits}, tick 0 when empty: the least one of a set names its victim at once.
 */
import { clk, entryAt, hw } from "./addresses";
import { ANY_SETS, ckTags, slots, STRUCTURES } from "./layout";
import { CK_STAMPS, CK_TICK, ENTRY_PAYLOAD } from "./offsets";
import { CFG_SEARCHED, config, TLB_STRUCTURES } from "./config";
import { unmark } from "./marks";
import { panic, TRAP_TLB_FULL } from "./trap";

export const KEY_WATCH: u64 = 1 << 63;
export const KEY_GLOBAL: u64 = 1 << 62;
export const PAY_WRITE: u64 = 1 << 1;
export const PAY_DIRTY: u64 = 1 << 6;
export const PAY_EXEC: u64 = 1 << 63;
export const PAY_SHIFT: u64 = 12;
/** What of a page-table entry becomes a payload, once bit 63 is turned round. */
export const PAY_MASK: u64 = (0xffffffff << 12) | PAY_EXEC | PAY_DIRTY | PAY_WRITE;
const ROOT_SHIFT: u64 = 44;
/** Page tables are numbered below this: what a payload has room for. */
export const TABLES_MAX: u32 = 1 << 19;
export const NO_SLOT: u32 = 0xffffffff;
/** What a tick adds to stamps. */
export const TICK: u32 = 256;
const WAY_MASK: u32 = 255;

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

/** Frame, or table, of a payload. */
// @ts-ignore: decorator
@inline
export function frameOf(payload: u64): u32 {
  return <u32>(payload >> PAY_SHIFT);
}

/** Never 0. The topmost bit of the product is left out, so that a key and the same key watched have one tag. */
// @ts-ignore: decorator
@inline
export function tagOf(key: u64): u32 {
  return (<u32>((key * 0x9e3779b97f4a7c15) >> 47) & 0xffff) | 1;
}

/** The root that a translation was filled from; 0 for a paging-structure entry. */
// @ts-ignore: decorator
@inline
export function rootOf(payload: u64): u32 {
  return <u32>(payload >> ROOT_SHIFT) & (TABLES_MAX - 1);
}

/** What a payload has of its root. */
// @ts-ignore: decorator
@inline
export function ofRoot(root: u32): u64 {
  return <u64>root << ROOT_SHIFT;
}

// @ts-ignore: decorator
@inline
export function structureAt(structure: u32): usize {
  return STRUCTURES + (<usize>structure << 4);
}

/** First slot of the set that `page` belongs to, given the structure's descriptor. */
// @ts-ignore: decorator
@inline
export function firstOf(d: usize, page: u64): u32 {
  const mask = load<u32>(d, 12);
  const set = mask != ANY_SETS ? <u32>page & mask : <u32>(page % <u64>load<u32>(d, 4));
  return load<u32>(d) + set * load<u32>(d, 8);
}

/** First slot of the set that `page` belongs to. */
// @ts-ignore: decorator
@inline
export function setOf(structure: u32, page: u64): u32 {
  return firstOf(structureAt(structure), page);
}

// @ts-ignore: decorator
@inline
export function waysOf(structure: u32): u32 {
  return load<u32>(structureAt(structure), 8);
}

/**
 * The way, of up to 16, that may hold a key with this tag, 32 when none does. One number for all ways, to be branched on once: which
 * way hits is not predictable. `tags` is where the set's are.
 */
// @ts-ignore: decorator
@inline
export function wayOf(tags: usize, ways: u32, tag: u32): u32 {
  const t = i16x8.splat(<i16>tag);
  // Not more than the set where it is small: a load over a neighbour's tag that was just stored would wait for it.
  if (ways <= 4) return <u32>ctz(i16x8.bitmask(i16x8.eq(v128.load64_zero(tags), t)) & ((1 << ways) - 1));
  if (ways <= 8) return <u32>ctz(i16x8.bitmask(i16x8.eq(v128.load(tags), t)) & ((1 << ways) - 1));
  const both = i8x16.narrow_i16x8_s(i16x8.eq(v128.load(tags), t), i16x8.eq(v128.load(tags, 16), t));
  return <u32>ctz(i8x16.bitmask(both) & ((1 << ways) - 1));
}

/** Slot that holds `key`, watched or not, or NO_SLOT. */
export function find(cpu: u32, structure: u32, key: u64): u32 {
  const d = structureAt(structure);
  const ways = load<u32>(d, 8);
  const first = firstOf(d, pageOf(key));
  if (config(CFG_SEARCHED) != 0) return findByKey(hw(cpu), first, ways, key);
  const tags = clk(cpu) + ckTags + (<usize>first << 1);
  const t = i16x8.splat(<i16>tagOf(key));
  for (let way: u32 = 0; way < ways; way += 8) {
    let m: u32 = i16x8.bitmask(i16x8.eq(v128.load(tags + (<usize>way << 1)), t));
    if (ways - way < 8) m &= (1 << (ways - way)) - 1;
    for (; m != 0; m &= m - 1) {
      const slot = first + way + <u32>ctz(m);
      if ((load<u64>(entryAt(hw(cpu), slot)) & ~KEY_WATCH) == key) return slot;
    }
  }
  return NO_SLOT;
}

function findByKey(c: usize, first: u32, ways: u32, key: u64): u32 {
  for (let slot = first; slot < first + ways; slot++) if ((load<u64>(entryAt(c, slot)) & ~KEY_WATCH) == key) return slot;
  return NO_SLOT;
}

/** One bit for each of the eight slots from `slot` on that holds anything. */
// @ts-ignore: decorator
@inline
export function occupied(cpu: u32, slot: u32): u32 {
  if (config(CFG_SEARCHED) != 0) return occupiedByKey(hw(cpu), slot);
  return i16x8.bitmask(i16x8.ne(v128.load(clk(cpu) + ckTags + (<usize>slot << 1)), i16x8.splat(0)));
}

function occupiedByKey(c: usize, from: u32): u32 {
  let m: u32 = 0;
  for (let slot = from; slot < min(from + 8, slots); slot++) if (load<u64>(entryAt(c, slot)) != 0) m |= 1 << (slot - from);
  return m;
}

/** Makes a slot the most recently used of its set. */
// @ts-ignore: decorator
@inline
export function touch(k: usize, slot: u32): void {
  const tick = load<u32>(k, CK_TICK) + TICK;
  const at = k + CK_STAMPS + (<usize>slot << 2);
  store<u32>(k, tick, CK_TICK);
  store<u32>(at, tick | (load<u32>(at) & WAY_MASK));
}

/** The stamps of empty slots; before the first step. */
export function clearStamps(cpu: u32): void {
  for (let s: u32 = 0; s < TLB_STRUCTURES; s++) {
    const d = structureAt(s);
    const ways = load<u32>(d, 8);
    const n = load<u32>(d, 4) * ways;
    for (let i: u32 = 0; i < n; i++) store<u32>(clk(cpu) + CK_STAMPS + (<usize>(load<u32>(d) + i) << 2), i % ways);
  }
}

/** Numbers the stamps of every set anew, in their order, from tick 1 on: ticks are about to run out. */
export function renumber(k: usize): void {
  for (let s: u32 = 0; s < TLB_STRUCTURES; s++) {
    const ways = waysOf(s);
    const sets = load<u32>(structureAt(s), 4);
    for (let set: u32 = 0; set < sets; set++) renumberSet(k + CK_STAMPS + (<usize>(load<u32>(structureAt(s)) + set * ways) << 2), ways);
  }
  store<u32>(k, (WAY_MASK + 2) * TICK, CK_TICK);
}

/** Takes the least stamp that is left, again and again; a stamp that is done is above all others meanwhile. */
function renumberSet(stamps: usize, ways: u32): void {
  const DONE: u32 = 0xfe000000;
  for (let rank: u32 = 1; rank <= ways; rank++) {
    const way = victimOf(stamps, ways);
    const at = stamps + (<usize>way << 2);
    store<u32>(at, DONE | (load<u32>(at) < TICK ? way : rank * TICK + way));
  }
  for (let way: u32 = 0; way < ways; way++) store<u32>(stamps + (<usize>way << 2), load<u32>(stamps + (<usize>way << 2)) & ~DONE);
}

/** Empties a slot; it is the first to be filled again. */
export function drop(cpu: u32, slot: u32): void {
  const c = hw(cpu);
  const at = entryAt(c, slot);
  const k = clk(cpu);
  const stamp = k + CK_STAMPS + (<usize>slot << 2);
  if ((load<u64>(at) & KEY_WATCH) != 0) unmark(c, slot);
  store<u64>(at, 0);
  store<u64>(at, 0, ENTRY_PAYLOAD);
  store<u16>(k + ckTags + (<usize>slot << 1), 0);
  store<u32>(stamp, load<u32>(stamp) & WAY_MASK);
}

/** Way with the least stamp: an empty one, else the least recently used. */
// @ts-ignore: decorator
@inline
export function victimOf(stamps: usize, ways: u32): u32 {
  if (ways < 4) {
    let least = load<u32>(stamps);
    if (ways > 1) least = min(least, load<u32>(stamps, 4));
    if (ways > 2) least = min(least, load<u32>(stamps, 8));
    return least & WAY_MASK;
  }
  let least = v128.load(stamps);
  // The last vector may overlap the one before.
  if (ways > 4) {
    if (ways == 12) {
      least = i32x4.min_u(least, v128.load(stamps, 16));
    } else if (ways > 8) {
      for (let way: u32 = 4; way + 4 < ways; way += 4) least = i32x4.min_u(least, v128.load(stamps + (<usize>way << 2)));
    }
    least = i32x4.min_u(least, v128.load(stamps + (<usize>(ways - 4) << 2)));
  }
  least = i32x4.min_u(least, i8x16.shuffle(least, least, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  least = i32x4.min_u(least, i8x16.shuffle(least, least, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  return i32x4.extract_lane(least, 0) & WAY_MASK;
}

/** Way for a new entry: an empty one, else the least recently used. */
function wayFor(cpu: u32, k: usize, first: u32, ways: u32): u32 {
  if (config(CFG_SEARCHED) == 0) return victimOf(k + CK_STAMPS + (<usize>first << 2), ways);
  for (let way: u32 = 0; way < ways; way++) if (load<u64>(entryAt(hw(cpu), first + way)) == 0) return way;
  panic(TRAP_TLB_FULL, ways);
  return 0;
}

/** Puts an entry into its set, over an empty way or the least recently used one. Returns the slot; NO_SLOT for an array without ways. */
export function insert(cpu: u32, structure: u32, key: u64, payload: u64): u32 {
  const c = hw(cpu);
  const k = clk(cpu);
  const d = structureAt(structure);
  const ways = load<u32>(d, 8);
  if (ways == 0) return NO_SLOT;
  const first = firstOf(d, pageOf(key));
  const victim = first + wayFor(cpu, k, first, ways);
  const at = entryAt(c, victim);
  if ((load<u64>(at) & KEY_WATCH) != 0) drop(cpu, victim);
  store<u64>(at, key);
  store<u64>(at, payload, ENTRY_PAYLOAD);
  store<u16>(k + ckTags + (<usize>victim << 1), <u16>tagOf(key));
  touch(k, victim);
  return victim;
}
