/*
 * The common ways of a translation that is not where its hint says, without a call: a first-level hit, a second-level hit, or a walk of
 * one read, of a 4K page of the current PCID, with every right and no assist needed, while no entry carries a mark and no larger or
 * global page was ever filled. It does exactly what tlb.ts does for them, and changes nothing before it is sure; everything else is
 * left to tlb.ts. Worth, on uniform second-level hits: 45 against 12 ns an access.
 */
import { PAY_DIRTY, PAY_EXEC, PAY_WRITE } from "./assoc";
import { CFG_STRUCTURE_OF, config, PWC_PDE } from "./config";
import { KIND_FETCH, PFN_MASK, PFN_SHIFT, PTE_A, PTE_D, PTE_G, PTE_P, PTE_U, PTE_W } from "./isa";
import {
  CK_HINTS, CK_TICK, ckStamps, frameWordAt, FW_COPIED, FW_GENERATION_SHIFT, FW_LIVE, HINT_BYTES, HW_PCID, HW_ROOT, hwGhosts, hwKeys, hwPayloads,
  pageBytesShift, radixBits, radixMask, STRUCTURES, tablePages,
} from "./layout";
import { walkCost } from "./lines";
import { price, PRICE_STLB_HIT } from "./prices";
import { TLB_L1_HITS, TLB_STLB_HITS, TLB_WALK_CYCLES, TLB_WALK_READS, TLB_WALKS } from "./stats";

/** Not one of the common ways; nothing was changed. */
export const NOT_QUICK: u32 = 0xffffffff;

/** Whether the last quick() that succeeded walked. */
export let quickWasWalk: bool = false;

// @ts-ignore: decorator
@inline
function descriptor(structure: u32): usize {
  return STRUCTURES + (<usize>structure << 4);
}

// @ts-ignore: decorator
@inline
function firstSlot(d: usize, page: u32): u32 {
  const sets = load<u32>(d, 4);
  const set = (sets & (sets - 1)) == 0 ? page & (sets - 1) : page % sets;
  return load<u32>(d) + set * load<u32>(d, 8);
}

/** Bit per way whose key matches, of up to 32 ways. */
// @ts-ignore: decorator
@inline
function matches(at: usize, ways: u32, key: u64): u32 {
  const k = i64x2.splat(<i64>key);
  let mask: u32 = 0;
  for (let way: u32 = 0; way < ways; way += 4) {
    const lo = i64x2.eq(v128.load(at + (<usize>way << 3)), k);
    const hi = i64x2.eq(v128.load(at + (<usize>way << 3), 16), k);
    mask |= (<u32>i64x2.bitmask(lo) | (<u32>i64x2.bitmask(hi) << 2)) << way;
  }
  return mask;
}

/** Way with the smallest stamp, the first of equals. */
// @ts-ignore: decorator
@inline
function oldest(stamps: usize, ways: u32): u32 {
  let least: u64 = u64.MAX_VALUE;
  for (let way: u32 = 0; way < ways; way++) least = min(least, (<u64>load<u32>(stamps + (<usize>way << 2)) << 32) | <u64>way);
  return <u32>least;
}

// @ts-ignore: decorator
@inline
function put(c: usize, slot: u32, key: u64, payload: u64, ghost: u64): void {
  const at = c + (<usize>slot << 3);
  store<u64>(at + hwKeys, key);
  store<u64>(at + hwPayloads, payload);
  store<u64>(at + hwGhosts, ghost);
}

// @ts-ignore: decorator
@inline
function bump(s: usize, counter: u32, by: u64): void {
  const at = s + (<usize>counter << 3);
  store<u64>(at, load<u64>(at) + by);
}

/** Extra cycles of the access, or NOT_QUICK. `c`, `k`, `s` are hw, clk and statistics of the CPU; ways must be multiples of 4. */
export function quick(cpu: u32, c: usize, k: usize, s: usize, vpn: u64, kind: u32): u32 {
  const isFetch = kind == KIND_FETCH;
  const need = isFetch ? PAY_EXEC : (0 - <u64>(kind & 1)) & (PAY_WRITE | PAY_DIRTY);
  const key = (vpn << 15) | (<u64>load<u32>(c, HW_PCID) << 3) | 1;
  const hint = k + CK_HINTS + (isFetch ? HINT_BYTES : 0) + ((<usize>vpn & 255) << 1);
  const d = descriptor(config(CFG_STRUCTURE_OF + (isFetch ? 3 : 0)));
  const ways = load<u32>(d, 8);
  const first = firstSlot(d, <u32>vpn);
  const d2 = descriptor(config(CFG_STRUCTURE_OF + 6));
  const ways2 = load<u32>(d2, 8);
  const tick = load<u32>(k, CK_TICK);
  quickWasWalk = false;
  if (((ways | ways2 | load<u32>(descriptor(PWC_PDE), 8)) & 3) != 0 || (ways | ways2) > 32) return NOT_QUICK;
  let mask = matches(c + hwKeys + (<usize>first << 3), ways, key);
  if (mask != 0) {
    const slot = first + <u32>ctz(mask);
    if ((need & ~load<u64>(c + hwPayloads + (<usize>slot << 3))) != 0) return NOT_QUICK;
    store<u32>(k + ckStamps + (<usize>slot << 2), tick + 1);
    store<u32>(k, tick + 1, CK_TICK);
    store<u16>(hint, <u16>slot);
    bump(s, TLB_L1_HITS, 1);
    return 0;
  }
  const first2 = firstSlot(d2, <u32>vpn);
  mask = matches(c + hwKeys + (<usize>first2 << 3), ways2, key);
  const victim = first + oldest(k + ckStamps + (<usize>first << 2), ways);
  if (mask != 0) {
    const slot = first2 + <u32>ctz(mask);
    const payload = load<u64>(c + hwPayloads + (<usize>slot << 3));
    if ((need & ~payload) != 0) return NOT_QUICK;
    put(c, victim, key, payload, load<u64>(c + hwGhosts + (<usize>slot << 3)));
    store<u32>(k + ckStamps + (<usize>slot << 2), tick + 1);
    store<u32>(k + ckStamps + (<usize>victim << 2), tick + 2);
    store<u32>(k, tick + 2, CK_TICK);
    store<u16>(hint, <u16>victim);
    bump(s, TLB_STLB_HITS, 1);
    return price(PRICE_STLB_HIT);
  }
  return quickWalk(cpu, c, k, s, vpn, kind, key, need, first2, ways2, victim, tick, hint);
}

/** A walk whose page table is known to the paging-structure cache: one read. */
function quickWalk(
  cpu: u32, c: usize, k: usize, s: usize, vpn: u64, kind: u32, key: u64, need: u64, first2: u32, ways2: u32, victim: u32, tick: u32, hint: usize,
): u32 {
  const d = descriptor(PWC_PDE);
  const page = vpn >> <u64>radixBits;
  const first = firstSlot(d, <u32>page);
  const mask = matches(c + hwKeys + (<usize>first << 3), load<u32>(d, 8), (page << 15) | (key & 0x7ff8) | 7);
  if (mask == 0) return NOT_QUICK;
  const slot = first + <u32>ctz(mask);
  const table = <u32>load<u64>(c + hwPayloads + (<usize>slot << 3));
  const at = tablePages + (<usize>table << pageBytesShift) + (<usize>(vpn & radixMask) << 3);
  const pte = load<u64>(at);
  if ((pte & (PTE_P | PTE_U | PTE_A)) != (PTE_P | PTE_U | PTE_A) || (pte & PTE_G) != 0) return NOT_QUICK;
  const payload =
    ((pte >> PFN_SHIFT) & PFN_MASK & 0xffffffff) |
    ((pte & PTE_W) << 31) | ((pte & PTE_D) << 27) | (((pte >> 63) ^ 1) << 34);
  if ((need & ~payload) != 0) return NOT_QUICK;
  const word = load<u32>(frameWordAt(<u32>payload));
  if ((word & (FW_LIVE | FW_COPIED)) != FW_LIVE) return NOT_QUICK;
  const ghost = (<u64>load<u32>(c, HW_ROOT) << 32) | <u64>(word >> FW_GENERATION_SHIFT);
  const second = first2 + oldest(k + ckStamps + (<usize>first2 << 2), ways2);
  put(c, second, key, payload, ghost);
  put(c, victim, key, payload, ghost);
  store<u32>(k + ckStamps + (<usize>slot << 2), tick + 1);
  store<u32>(k + ckStamps + (<usize>second << 2), tick + 2);
  store<u32>(k + ckStamps + (<usize>victim << 2), tick + 3);
  store<u32>(k, tick + 3, CK_TICK);
  store<u16>(hint, <u16>victim);
  const cycles = walkCost(cpu, at);
  bump(s, TLB_WALKS, 1);
  bump(s, TLB_WALK_CYCLES, cycles);
  bump(s, TLB_WALK_READS, 1);
  quickWasWalk = true;
  return cycles;
}
