/*
 * The hot loop: accesses of 4K pages, one after another, without a call. First the hint of the page, then the first level, the second
 * level, a walk (quick-walk.ts). It does exactly what tlb.ts does for them, and changes nothing before it is sure; it stops before an
 * access that is not one of the common ones: a fault, an assist, a larger or a global page, a mark of the oracle on any entry.
 *
 * Two loops take turns: hits() believes hints, and has few variables, so that all are in registers; misses() does the rest, and keeps its
 * place, time and tick in variables, because each access would wait for the last one's stores otherwise. It is compiled three times, with
 * the ways of the commonest arrays as constants.
 */
import { AHEAD, readAhead } from "./ahead";
import { keyOf, ofRoot, rootOf, tagOf, TICK, victimOf, wayOf } from "./assoc";
import { KIND_FETCH, KIND_MODIFY } from "./isa";
import { KINDS, ROLE_CODE, ROLE_DATA, ROLE_SECOND, SHAPE, SHAPE_4, SHAPE_WIDE } from "./fixed";
import { clk, hw } from "./addresses";
import { ckTags, hwEntries } from "./layout";
import {
  CK_HINTS, CK_RECORD, CK_RUN, CK_STAMPS, CK_TICK, ENTRY_PAYLOAD, ENTRY_BYTES, HINT_BYTES, HW_MARKS, HW_PCID, HW_ROOT,
} from "./offsets";
import { price, PRICE_ACCESS, PRICE_STLB_HIT } from "./prices";
import {
  firstIn, LEFT, ONE_READ, ONE_SECOND, ONE_WALK, put, quickWalk, RUN_COUNTS, RUN_ROOT, RUN_WALKED, WALK_CYCLES, WALK_PAYLOAD, WALK_READS,
} from "./quick-walk";
import { tally, TLB_L1_HITS, TLB_STLB_HITS, TLB_WALK_CYCLES, TLB_WALK_READS, TLB_WALKS } from "./stats";
import { GLOBAL_FILLED, HUGE_FILLED } from "./tlb";

// Offsets of what run() works on, within a clk block.
/** Address of the next record, and where to stop. */
const RECORD: usize = CK_RUN;
const END: usize = CK_RUN + 4;
/** Addresses of the CPU's entries and tags; up to which record readAhead() has been. */
const ENTRIES: usize = CK_RUN + 16;
const TAGS: usize = CK_RUN + 20;
const SEEN: usize = CK_RUN + 24;
/** The key of page 0. */
const PAGE0: usize = CK_RUN + 32;
/** Hits in a row after which hints are asked again. */
const STREAK: u32 = 4;
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
}

/** Does up to `n` accesses, RUN_MAX at most, from the record at `ring` on, until `time` is over. Returns how many. */
export function run(cpu: u32, ring: usize, n: usize, time: u64): usize {
  const c = hw(cpu);
  const k = clk(cpu);
  store<u32>(k, <u32>ring, RECORD);
  store<u32>(k, <u32>(ring + (n << 3)), END);
  store<u64>(k, time, LEFT);
  store<u64>(k, keyOf(0, load<u32>(c, HW_PCID), 0), PAGE0);
  store<u64>(k, ofRoot(load<u32>(c, HW_ROOT)), RUN_ROOT);
  store<u64>(k, 0, RUN_COUNTS);
  store<u64>(k, 0, RUN_WALKED);
  store<u32>(k, 0, SEEN);
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
  // Instructions have another first level.
  while (alternate(k) && ((load<u32>(load<u32>(k, RECORD)) & 15) == KIND_FETCH ? missesWide(cpu, k) : misses4(cpu, k))) {}
}

function runWide(cpu: u32, k: usize): void {
  while (alternate(k) && missesWide(cpu, k)) {}
}

function runAny(cpu: u32, k: usize): void {
  while (alternate(k) && missesAny(cpu, k)) {}
}

/** Does what hints can do. Returns whether there is more to do. */
// @ts-ignore: decorator
@inline
function alternate(k: usize): bool {
  hits(k);
  return load<u32>(k, RECORD) < load<u32>(k, END) && load<i64>(k, LEFT) > 0;
}

/** Bits in which any of the four records behind `p` differs from `last`. */
// @ts-ignore: decorator
@inline
function changes(p: usize, last: u64): u64 {
  return (load<u64>(p, 8) ^ last) | (load<u64>(p, 16) ^ last) | (load<u64>(p, 24) ^ last) | (load<u64>(p, 32) ^ last);
}

/** Accesses whose hints name their slots; which page a slot holds is proved by its key, so a wrong hint only ends the loop. */
function hits(k: usize): void {
  const entries = <usize>load<u32>(k, ENTRIES);
  const page0 = load<u64>(k, PAGE0);
  const cost = <i64>price(PRICE_ACCESS);
  const from = <usize>load<u32>(k, RECORD);
  let end = <usize>load<u32>(k, END);
  const left = load<i64>(k, LEFT);
  // As many as there is time for, so that the loop need not look.
  if (left < <i64>((end - from) >> 3) * cost) end = left > 0 ? from + (<usize>((left + cost - 1) / cost) << 3) : from;
  let tick = load<u32>(k, CK_TICK);
  let p = from;
  // The same page again needs no look: it is the most recently used already, and what it grants was seen.
  let last = ~load<u64>(p);
  let same = u64.MAX_VALUE;
  for (; p < end; p += 8) {
    const record = load<u64>(p);
    if (((record ^ last) & same) == 0) {
      // The loop looks at the next one itself: p stays on the last that is done.
      while (p + 40 <= end && (changes(p, last) & same) == 0) p += 32;
      continue;
    }
    const vpn = record >> 12;
    const about = (<usize>record & 15) << 4;
    const hint = load<u32>(k + <usize>load<u32>(about, KINDS + 8) + ((<usize>vpn & 255) << 2), CK_HINTS);
    const at = entries + (<usize>hint & 0xffff) * ENTRY_BYTES;
    // One branch for both questions: is it this page, and may a store go ahead? Stores are not predictable.
    if (((load<u64>(at) ^ (vpn << 15) ^ page0) | (load<u64>(about, KINDS) & ~load<u64>(at, ENTRY_PAYLOAD))) != 0) break;
    tick += TICK;
    store<u32>(k + ((<usize>hint & 0xffff) << 2), tick | (hint >> 16), CK_STAMPS);
    last = record;
    // The page and the kind; behind a store, a load or a store.
    same = ~(<u64>0xff0) ^ (record & 1);
  }
  store<u32>(k, tick, CK_TICK);
  store<i64>(k, left - <i64>((p - from) >> 3) * cost, LEFT);
  store<u32>(k, <u32>p, RECORD);
}

function misses4(cpu: u32, k: usize): bool {
  return misses(cpu, k, 4, 12, 8, 4, 9);
}

function missesWide(cpu: u32, k: usize): bool {
  return misses(cpu, k, 0, 12, 8, 4, 9);
}

function missesAny(cpu: u32, k: usize): bool {
  return misses(cpu, k, 0, 0, 0, 0, 0);
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

/**
 * What the first level lacks: the address of its entry in the second level, whether it was there or is filled by a walk; its cycles are in
 * WALK_CYCLES. 0 when the access is none of the common ones.
 */
// @ts-ignore: decorator
@inline
function beyond(
  cpu: u32, k: usize, p: usize, end: usize, vpn: u64, key: u64, tag: u32, need: u64, tick: u32, w2: u32, w3: u32, w4: u32, w0: u32,
): usize {
  const entries = <usize>load<u32>(k, ENTRIES);
  const tags = <usize>load<u32>(k, TAGS);
  const ways = w2 != 0 ? w2 : load<u32>(ROLE_SECOND, 8);
  // More than one vector of tags, or no second level at all.
  if (w2 == 0 && ways - 1 > 15) return 0;
  const first = firstIn(ROLE_SECOND, vpn, w2);
  let way = wayOf(tags + (<usize>first << 1), ways, tag);
  const at = entries + <usize>(first + way) * ENTRY_BYTES;
  if (way < ways) {
    if (((load<u64>(at) ^ key) | (need & ~load<u64>(at, ENTRY_PAYLOAD))) != 0) return 0;
    store<u32>(k + (<usize>(first + way) << 2), tick | way, CK_STAMPS);
    store<u32>(k, price(PRICE_STLB_HIT), WALK_CYCLES);
    store<u64>(k, load<u64>(k, RUN_COUNTS) + ONE_SECOND, RUN_COUNTS);
    return at;
  }
  if (!quickWalk(cpu, k, entries, tags, vpn, key, need, tick, w3, w4, w0)) return 0;
  if (load<u32>(k, WALK_READS) > 2 && p >= <usize>load<u32>(k, SEEN)) {
    const to = min(p + (AHEAD << 3), end);
    readAhead(k, rootOf(load<u64>(k, RUN_ROOT)), p + 8, to);
    store<u32>(k, <u32>to, SEEN);
  }
  way = victimOf(k + CK_STAMPS + (<usize>first << 2), ways);
  put(k, entries, tags, first + way, way, tick, key, tag, load<u64>(k, WALK_PAYLOAD));
  return entries + <usize>(first + way) * ENTRY_BYTES;
}

/**
 * Accesses that hints do not help, until some in a row were hits of the first level. Returns whether it ended for that reason, or for lack
 * of time or records; else the next access is none of the common ones. A number of ways is 0 when the compiler does not know it.
 */
// @ts-ignore: decorator
@inline
function misses(cpu: u32, k: usize, w1: u32, w2: u32, w3: u32, w4: u32, w0: u32): bool {
  const entries = <usize>load<u32>(k, ENTRIES);
  const tags = <usize>load<u32>(k, TAGS);
  const end = <usize>load<u32>(k, END);
  const page0 = load<u64>(k, PAGE0);
  let p = <usize>load<u32>(k, RECORD);
  let left = load<i64>(k, LEFT);
  let tick = load<u32>(k, CK_TICK);
  let streak: u32 = 0;
  let common = true;
  while (p < end && left > 0 && streak < STREAK) {
    const record = load<u64>(p);
    const kind = <u32>record & 15;
    const vpn = record >> 12;
    const key = (vpn << 15) | page0;
    const need = load<u64>((<usize>record & 15) << 4, KINDS);
    const tag = tagOf(key);
    const isFetch = w1 == 0 && kind == KIND_FETCH;
    if (kind > KIND_MODIFY || (w1 != 0 && kind == KIND_FETCH)) {
      common = kind == KIND_FETCH;
      break;
    }
    const d1 = isFetch ? ROLE_CODE : ROLE_DATA;
    const hints = isFetch ? HINT_BYTES : 0;
    const ways1 = w1 != 0 ? w1 : load<u32>(d1, 8);
    const first1 = firstIn(d1, vpn, w1);
    const now = tick + TICK;
    let way = wayOfAny(tags + (<usize>first1 << 1), ways1, tag);
    if (way < ways1) {
      const at = entries + <usize>(first1 + way) * ENTRY_BYTES;
      if (((load<u64>(at) ^ key) | (need & ~load<u64>(at, ENTRY_PAYLOAD))) != 0) {
        common = false;
        break;
      }
      store<u32>(k + (<usize>(first1 + way) << 2), now | way, CK_STAMPS);
      streak++;
    } else {
      streak = 0;
      const at = beyond(cpu, k, p, end, vpn, key, tag, need, now, w2, w3, w4, w0);
      if (at == 0) {
        common = false;
        break;
      }
      left -= <i64>load<u32>(k, WALK_CYCLES);
      way = victimOf(k + CK_STAMPS + (<usize>first1 << 2), ways1);
      put(k, entries, tags, first1 + way, way, now, key, tag, load<u64>(at, ENTRY_PAYLOAD));
    }
    store<u32>(k + hints + ((<usize>vpn & 255) << 2), (first1 + way) | (way << 16), CK_HINTS);
    left -= <i64>price(PRICE_ACCESS);
    p += 8;
    tick = now;
  }
  store<u32>(k, tick, CK_TICK);
  store<i64>(k, left, LEFT);
  store<u32>(k, <u32>p, RECORD);
  return common;
}

/** One access outside of the clock, if it is one of the common ones. Returns whether it was done. */
export function quickAccess(cpu: u32, vpn: u64, kind: u32): bool {
  const at = clk(cpu) + CK_RECORD;
  store<u64>(at, (vpn << 12) | <u64>kind);
  return run(cpu, at, 1, 1) == 1;
}
