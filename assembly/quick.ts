/*
 * The hot loop: accesses of 4K pages, one after another, without a call. First the hint of the page, then the first level, the second
 * level, a walk (quick-walk.ts). It does exactly what tlb.ts does for them, and changes nothing before it is sure; it stops before an
 * access that is not one of the common ones: a fault, an assist, a larger or a global page, a mark of the oracle on any entry.
 *
 * Two things keep it fast. What the loop works on lies in the CPU's block, not in variables: a variable that lives across both parts
 * would be kept on the stack in the hit part, too (2.6 against 4.0 ns a first-level hit). And it is compiled three times, with the
 * ways of the commonest arrays as constants.
 */
import { keyOf, tagOf, TICK, victimOf, wayOf } from "./assoc";
import { KIND_FETCH, KIND_MODIFY } from "./isa";
import { KINDS, ROLE_CODE, ROLE_DATA, ROLE_SECOND, SHAPE, SHAPE_4, SHAPE_WIDE } from "./fixed";
import {
  CK_HINTS, CK_RECORD, CK_RUN, CK_STAMPS, CK_TICK, ckTags, clk, ENTRY_GHOST, ENTRY_PAYLOAD, ENTRY_BYTES, HINT_BYTES,
  HW_MARKS, HW_PCID, HW_ROOT, hw, hwEntries,
} from "./layout";
import { price, PRICE_ACCESS, PRICE_STLB_HIT } from "./prices";
import { firstIn, LEFT, ODD, put, quickWalk, RUN_COUNTS, RUN_ROOT, RUN_WALKED, ONE_READ, ONE_SECOND, ONE_WALK } from "./quick-walk";
import { tally, TLB_L1_HITS, TLB_STLB_HITS, TLB_WALK_CYCLES, TLB_WALK_READS, TLB_WALKS } from "./stats";
import { GLOBAL_FILLED, HUGE_FILLED } from "./tlb";

// Offsets of what run() works on, within a clk block.
/** Address of the next record, and where to stop. */
const RECORD: usize = CK_RUN;
const END: usize = CK_RUN + 4;
/** Addresses of the CPU's entries and tags, and of this block itself. */
const ENTRIES: usize = CK_RUN + 16;
const TAGS: usize = CK_RUN + 20;
const SELF: usize = CK_RUN + 24;
/** The key of page 0. */
const PAGE0: usize = CK_RUN + 32;
/** Accesses of one run(), at most: what RUN_COUNTS can count. */
export const RUN_MAX: u32 = 1 << 19;

/** Time left when run() stopped, and the cycles of its walks. */
export let runLeft: u64 = 0;
export let runWalked: u64 = 0;

/** Says to the loop where the CPU's arrays are; before the first step. */
export function beginQuick(cpu: u32): void {
  const k = clk(cpu);
  store<u32>(k, <u32>(hw(cpu) + hwEntries), ENTRIES);
  store<u32>(k, <u32>(k + ckTags), TAGS);
  store<u32>(k, <u32>k, SELF);
}

/** Does up to `n` accesses, RUN_MAX at most, from the record at `ring` on, until `time` is over. Returns how many. */
export function run(cpu: u32, ring: usize, n: usize, time: u64): usize {
  const c = hw(cpu);
  const k = clk(cpu);
  store<u32>(k, <u32>ring, RECORD);
  store<u32>(k, <u32>(ring + (n << 3)), END);
  store<u64>(k, time, LEFT);
  store<u64>(k, keyOf(0, load<u32>(c, HW_PCID), 0), PAGE0);
  store<u64>(k, <u64>load<u32>(c, HW_ROOT) << 32, RUN_ROOT);
  store<u64>(k, 0, RUN_COUNTS);
  store<u64>(k, 0, RUN_WALKED);
  const shape = load<u32>(SHAPE);
  if ((load<u32>(c, HW_MARKS) | load<u32>(HUGE_FILLED) | load<u32>(GLOBAL_FILLED)) != 0) hits(k);
  else if (shape == SHAPE_4) run4(cpu, k);
  else if (shape == SHAPE_WIDE) runWide(cpu, k);
  else runAny(cpu, k);
  const done = (<usize>load<u32>(k, RECORD) - ring) >> 3;
  runLeft = load<u64>(k, LEFT);
  runWalked = load<u64>(k, RUN_WALKED);
  const counts = load<u64>(k, RUN_COUNTS);
  if (counts != 0) tallyRun(cpu, counts);
  tally(cpu, TLB_L1_HITS, <u64>done - (counts & (ONE_WALK - 1)) - ((counts & (ONE_READ - 1)) / ONE_WALK));
  return done;
}

function tallyRun(cpu: u32, counts: u64): void {
  tally(cpu, TLB_STLB_HITS, counts & (ONE_WALK - 1));
  tally(cpu, TLB_WALKS, (counts & (ONE_READ - 1)) / ONE_WALK);
  tally(cpu, TLB_WALK_READS, counts / ONE_READ);
  tally(cpu, TLB_WALK_CYCLES, runWalked);
}

function run4(cpu: u32, k: usize): void {
  runShaped(cpu, k, 4, 12, 8, 4);
}

function runWide(cpu: u32, k: usize): void {
  runShaped(cpu, k, 0, 12, 8, 4);
}

function runAny(cpu: u32, k: usize): void {
  runShaped(cpu, k, 0, 0, 0, 0);
}

// @ts-ignore: decorator
@inline
function runShaped(cpu: u32, k: usize, w1: u32, w2: u32, w3: u32, w4: u32): void {
  for (;;) {
    hits(k);
    const p = <usize>load<u32>(k, RECORD);
    if (p >= <usize>load<u32>(k, END) || load<i64>(k, LEFT) <= 0) return;
    const record = load<u64>(p);
    const kind = <u32>record & 15;
    if (kind > KIND_MODIFY) return;
    if (!(kind == KIND_FETCH ? fetch(cpu, k, record) : beyond(cpu, k, record, ROLE_DATA, 0, w1, w2, w3, w4))) return;
    store<i64>(k, load<i64>(k, LEFT) - <i64>price(PRICE_ACCESS), LEFT);
    store<u32>(k, <u32>p + 8, RECORD);
  }
}

function fetch(cpu: u32, k: usize, record: u64): bool {
  return beyond(cpu, k, record, ROLE_CODE, HINT_BYTES, 0, 0, 0, 0);
}

/** Accesses whose hints name their slots; which page a slot holds is proved by its key, so a wrong hint only ends the loop. */
// @ts-ignore: decorator
@inline
function hits(block: usize): void {
  const k = <usize>load<u32>(block, SELF);
  const entries = <usize>load<u32>(k, ENTRIES);
  const end = <usize>load<u32>(k, END);
  const page0 = load<u64>(k, PAGE0);
  let tick = load<u32>(k, CK_TICK);
  let left = load<i64>(k, LEFT);
  let p = <usize>load<u32>(k, RECORD);
  while (p < end && left > 0) {
    const record = load<u64>(p);
    const vpn = record >> 12;
    const about = (<usize>record & 15) << 4;
    const hint = load<u32>(k + <usize>load<u32>(about, KINDS + 8) + ((<usize>vpn & 255) << 2), CK_HINTS);
    const at = entries + (<usize>hint & 0xffff) * ENTRY_BYTES;
    // One branch for both questions: is it this page, and may a store go ahead? Stores are not predictable.
    if (((load<u64>(at) ^ (vpn << 15) ^ page0) | (load<u64>(about, KINDS) & ~load<u64>(at, ENTRY_PAYLOAD))) != 0) break;
    tick += TICK;
    store<u32>(k + ((<usize>hint & 0xffff) << 2), tick | (hint >> 16), CK_STAMPS);
    left -= <i64>price(PRICE_ACCESS);
    p += 8;
  }
  store<u32>(k, tick, CK_TICK);
  store<i64>(k, left, LEFT);
  store<u32>(k, <u32>p, RECORD);
}

/** As wayOf(), for any number of ways; at least `ways` when there is none. */
// @ts-ignore: decorator
@inline
function wayOfAny(tags: usize, ways: u32, tag: u32): u32 {
  if (ways <= 16) return wayOf(tags, ways, tag);
  for (let way: u32 = 0; way < ways; way += 16) {
    const found = wayOf(tags + (<usize>way << 1), min(ways - way, 16), tag);
    if (found < 32) return way + found;
  }
  return ways;
}

/** An access that its hint did not help. Returns whether it was done. A number of ways is 0 when the compiler does not know it. */
// @ts-ignore: decorator
@inline
function beyond(cpu: u32, k: usize, record: u64, d1: usize, hints: usize, w1: u32, w2: u32, w3: u32, w4: u32): bool {
  const vpn = record >> 12;
  const key = (vpn << 15) | load<u64>(k, PAGE0);
  const need = load<u64>((<usize>record & 3) << 4, KINDS);
  const entries = <usize>load<u32>(k, ENTRIES);
  const tags = <usize>load<u32>(k, TAGS);
  const tick = load<u32>(k, CK_TICK) + TICK;
  const tag = tagOf(key);
  const ways1 = w1 != 0 ? w1 : load<u32>(d1, 8);
  const first1 = firstIn(d1, vpn, w1);
  let way = wayOfAny(tags + (<usize>first1 << 1), ways1, tag);
  if (way < ways1) {
    const at = entries + <usize>(first1 + way) * ENTRY_BYTES;
    if (((load<u64>(at) ^ key) | (need & ~load<u64>(at, ENTRY_PAYLOAD))) != 0) return false;
    store<u32>(k + (<usize>(first1 + way) << 2), tick | way, CK_STAMPS);
  } else {
    const ways2 = w2 != 0 ? w2 : load<u32>(ROLE_SECOND, 8);
    if (ways2 > 16) return false;
    const first2 = firstIn(ROLE_SECOND, vpn, w2);
    way = wayOf(tags + (<usize>first2 << 1), ways2, tag);
    if (way < ways2) {
      const at = entries + <usize>(first2 + way) * ENTRY_BYTES;
      if (((load<u64>(at) ^ key) | (need & ~load<u64>(at, ENTRY_PAYLOAD))) != 0) return false;
      store<u32>(k + (<usize>(first2 + way) << 2), tick | way, CK_STAMPS);
      store<i64>(k, load<i64>(k, LEFT) - <i64>price(PRICE_STLB_HIT), LEFT);
      store<u64>(k, load<u64>(k, RUN_COUNTS) + ONE_SECOND, RUN_COUNTS);
    } else {
      way = quickWalk(cpu, k, entries, tags, vpn, key, tag, need, tick, first2, ways2, w3, w4);
      if (way == ODD) return false;
    }
    const at = entries + <usize>(first2 + way) * ENTRY_BYTES;
    way = victimOf(k + CK_STAMPS + (<usize>first1 << 2), ways1);
    put(k, entries, tags, first1 + way, way, tick, key, tag, load<u64>(at, ENTRY_PAYLOAD), load<u64>(at, ENTRY_GHOST));
  }
  store<u32>(k + hints + ((<usize>vpn & 255) << 2), (first1 + way) | (way << 16), CK_HINTS);
  store<u32>(k, tick, CK_TICK);
  return true;
}

/** One access outside of the clock, if it is one of the common ones. Returns whether it was done. */
export function quickAccess(cpu: u32, vpn: u64, kind: u32): bool {
  const at = clk(cpu) + CK_RECORD;
  store<u64>(at, (vpn << 12) | <u64>kind);
  return run(cpu, at, 1, 1) == 1;
}
