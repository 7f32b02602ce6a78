/*
 * The page walker: a radix walk over page tables in linear memory, starting as deep as the paging-structure caches allow.
 *
 * A and D bits set here are put into ignored bits of the entry (PTE_PEND_*) and logged; mergeLog() turns them into the real bits. In a
 * bound phase the log waits for the weave, so that what a CPU pays does not depend on the order in which CPUs ran.
 */
import { find, frameOf, insert, keyOf, NO_SLOT, PAY_EXEC, PAY_MASK, PAY_SHIFT, touch, KEY_WATCH } from "./assoc";
import { CFG_ASSIST, CFG_SEARCHED, CFG_TABLES, config, PWC_PDE } from "./config";
import {
  FAULT_FETCH, FAULT_PRESENT, FAULT_WRITE, KIND_FETCH, PFN_MASK, PFN_SHIFT, PTE_A, PTE_D, PTE_NX, PTE_P, PTE_PEND, PTE_PEND_A, PTE_PEND_D,
  PTE_PS, PTE_U, PTE_W, KIND_STORE,
} from "./isa";
import { clk, entryAt, hw, pteAddress } from "./addresses";
import { ckLog, cpus, radixBits, radixMask } from "./layout";
import { CK_LOG_COUNT, ENTRY_PAYLOAD, HW_PCID, HW_ROOT, LOG_MAX } from "./offsets";
import { walkCost } from "./lines";
import { pteDirtied } from "./oracle";
import { price, PRICE_ASSIST } from "./prices";
import { LOST, LOST_WORDS, mergeLost } from "./copies";
import { wayTaken } from "./holders";
import { noteWrote } from "./wrote";
import { tally, TLB_ASSISTS, TLB_WALK_CYCLES, TLB_WALK_READS, TLB_WALKS } from "./stats";
import { dirtyUnseen } from "./dirt";
import { cachedDead, isLiveTable, walkBegins, walkEnds, walkReads } from "./tables";

// What the last walk found; valid until the next one.
export let walkPte: u64 = 0;
export let walkLevel: u32 = 0;
export let walkAddress: usize = 0;
export let walkCycles: u32 = 0;
/** 0, or the error code of the fault that the walk ended in. */
export let walkFault: u32 = 0;

// @ts-ignore: decorator
@inline
export function tableOf(pte: u64): u32 {
  return <u32>((pte >> PFN_SHIFT) & PFN_MASK);
}

/** An upper entry that names no table counts as not present. */
// @ts-ignore: decorator
@inline
export function exists(table: u32): bool {
  return table != 0 && table < config(CFG_TABLES);
}

/** The table to start from: level in walkLevel. */
function start(cpu: u32, vpn: u64): u32 {
  const c = hw(cpu);
  const k = clk(cpu);
  const pcid = load<u32>(c, HW_PCID);
  for (let level: u32 = 1; level < 4; level++) {
    const structure = PWC_PDE + level - 1;
    const slot = find(cpu, structure, keyOf(vpn >> <u64>(radixBits * level), pcid, 3));
    if (slot != NO_SLOT) {
      touch(k, slot);
      walkLevel = level - 1;
      const cached = frameOf(load<u64>(entryAt(c, slot), ENTRY_PAYLOAD));
      if ((load<u64>(entryAt(c, slot)) & KEY_WATCH) != 0) walkReads(cached, true);
      return cached;
    }
  }
  walkLevel = 3;
  walkReads(load<u32>(c, HW_ROOT), false);
  return load<u32>(c, HW_ROOT);
}

/** Remembers that a bit of the entry at `address` is to be set. */
export function pend(cpu: u32, address: usize, bits: u64): void {
  const k = clk(cpu);
  const n = load<u32>(k, CK_LOG_COUNT);
  store<u32>(k + ckLog + (<usize>n << 2), <u32>address);
  store<u32>(k, n + 1, CK_LOG_COUNT);
  if ((load<u64>(address) & bits) != bits) atomic.or<u64>(address, bits);
}

/** Whether the next access might find the log full; the CPU's bound turn ends then. */
// @ts-ignore: decorator
@inline
export function logIsFull(k: usize): bool {
  return load<u32>(k, CK_LOG_COUNT) >= LOG_MAX - 2 * LOST_WORDS;
}

/** Sets the A and D bits that this CPU's accesses logged, and remembers the stores that a copy will lack. */
export function mergeLog(cpu: u32): void {
  const k = clk(cpu);
  const n = load<u32>(k, CK_LOG_COUNT);
  for (let i: u32 = 0; i < n; i++) {
    const entry = k + ckLog + (<usize>i << 2);
    const at = <usize>load<u32>(entry);
    if ((at & LOST) != 0) {
      mergeLost(cpu, entry);
      i += LOST_WORDS - 1;
      continue;
    }
    const pte = load<u64>(at);
    if ((pte & PTE_PEND) == 0) continue;
    const set = ((pte & PTE_PEND_A) != 0 ? PTE_A : 0) | ((pte & PTE_PEND_D) != 0 ? PTE_D : 0);
    store<u64>(at, (pte & ~PTE_PEND) | set);
    if (config(CFG_SEARCHED) != 0) noteWrote(at);
    if ((set & ~pte & PTE_D) != 0 && (pte & PTE_P) != 0) {
      dirtyUnseen(at);
      pteDirtied(at, pte | set);
    }
  }
  store<u32>(k, 0, CK_LOG_COUNT);
}

export function mergeAllLogs(): void {
  for (let cpu: u32 = 0; cpu < cpus; cpu++) if (load<u32>(clk(cpu), CK_LOG_COUNT) != 0) mergeLog(cpu);
}

function forbidden(pte: u64, kind: u32): bool {
  if ((pte & PTE_U) == 0) return true;
  if (kind == KIND_FETCH) return (pte & PTE_NX) != 0;
  return (kind & 1) != 0 && (pte & PTE_W) == 0;
}

/** The error code bits of an access kind. */
// @ts-ignore: decorator
@inline
export function faultBits(kind: u32): u32 {
  return kind == KIND_FETCH ? FAULT_FETCH : (kind & 1) != 0 ? FAULT_WRITE : 0;
}

/**
 * Walks for `vpn`; the result is in walkPte, walkLevel, walkFault, walkCycles. Sets A. `kind` as in isa.ts; a speculative walk
 * passes KIND_LOAD and drops the result when it faults.
 */
export function walk(cpu: u32, vpn: u64, kind: u32): void {
  const pcid = load<u32>(hw(cpu), HW_PCID);
  walkBegins();
  let table = start(cpu, vpn);
  let level = walkLevel;
  let cycles: u32 = 0;
  let reads: u32 = 0;
  let pte: u64 = 0;
  let at: usize = 0;
  walkFault = 0;
  for (;;) {
    at = pteAddress(table, <u32>((vpn >> <u64>(radixBits * level)) & radixMask));
    cycles += walkCost(cpu, clk(cpu), at);
    reads++;
    pte = load<u64>(at);
    const isLeaf = level == 0 || (pte & PTE_PS) != 0;
    if ((pte & PTE_P) == 0 || (!isLeaf && !exists(tableOf(pte)))) {
      walkFault = faultBits(kind) | 0x80000000;
      break;
    }
    if (isLeaf) {
      if (forbidden(pte, kind)) walkFault = faultBits(kind) | FAULT_PRESENT | 0x80000000;
      break;
    }
    table = tableOf(pte);
    const slot = insert(cpu, PWC_PDE + level - 1, keyOf(vpn >> <u64>(radixBits * level), pcid, 3), <u64>table << PAY_SHIFT);
    wayTaken(cpu, load<u32>(hw(cpu), HW_ROOT), level, vpn >> <u64>(radixBits * level));
    walkReads(table, false);
    if (slot != NO_SLOT && !isLiveTable(table)) cachedDead(cpu, slot);
    level--;
  }
  walkEnds(cpu, vpn, kind);
  if (walkFault == 0 && (pte & PTE_A) == 0) {
    pend(cpu, at, PTE_PEND_A);
    cycles += price(PRICE_ASSIST);
    tally(cpu, TLB_ASSISTS, 1);
  }
  walkPte = pte;
  walkLevel = level;
  walkAddress = at;
  walkCycles = cycles;
  tally(cpu, TLB_WALKS, 1);
  tally(cpu, TLB_WALK_CYCLES, cycles);
  tally(cpu, TLB_WALK_READS, reads);
}

/** TLB payload of a leaf entry; a store that follows at once sets D. */
// @ts-ignore: decorator
@inline
export function payloadOf(pte: u64): u64 {
  return (pte & PAY_MASK) ^ PAY_EXEC;
}

/**
 * The dirty assist: a store met a translation with W and without D, and the CPU walks again from the root to set D atomically.
 * Returns 0 when the store may go on, else the fault's error code with bit 31 set. Modes: strict needs P, W and the same frame; legacy needs only P; knl is strict, but leaves a
 * stray D in an entry that is not present.
 */
export function assistDirty(cpu: u32, vpn: u64, pfn: u32): u32 {
  tally(cpu, TLB_ASSISTS, 1);
  walkBegins();
  const refused = setDirtyBit(cpu, vpn, pfn);
  walkEnds(cpu, vpn, KIND_STORE);
  return refused;
}

function setDirtyBit(cpu: u32, vpn: u64, pfn: u32): u32 {
  const mode = config(CFG_ASSIST);
  let table = load<u32>(hw(cpu), HW_ROOT);
  for (let level: i32 = 3; level >= 0; level--) {
    walkReads(table, false);
    const at = pteAddress(table, <u32>((vpn >> <u64>(radixBits * level)) & radixMask));
    const pte = load<u64>(at);
    if ((pte & PTE_P) == 0) {
      if (mode == 2 && level == 0) pend(cpu, at, PTE_PEND_D);
      return FAULT_WRITE | 0x80000000;
    }
    if (level != 0 && (pte & PTE_PS) == 0) {
      table = tableOf(pte);
      if (!exists(table)) return FAULT_WRITE | 0x80000000;
      continue;
    }
    if (mode != 1 && ((pte & PTE_W) == 0 || tableOf(pte) != pfn)) return FAULT_WRITE | FAULT_PRESENT | 0x80000000;
    if ((pte & (PTE_A | PTE_D)) != (PTE_A | PTE_D)) pend(cpu, at, PTE_PEND_A | PTE_PEND_D);
    return 0;
  }
  return FAULT_WRITE | 0x80000000;
}
