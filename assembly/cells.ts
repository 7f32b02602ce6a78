/*
 * Shared memory as programs see it: every load and store of a record word or a page-table entry passes here, so that the store buffer,
 * waiters and the oracle cannot be forgotten.
 *
 * Store buffer of a CPU: entries {u32 address, u32 flags, u64 value}, oldest first. Bit 0 of flags: a write barrier stands before
 * this entry. The site (program counter) that stored is in STATS.
 */
import { CFG_MODEL, CFG_SEARCHED, CFG_STORE_BUFFER, config } from "./config";
import { hw, st } from "./addresses";
import { hwStores, stateBase, tableMeta, tablePages, stStores } from "./layout";
import { HW_SB_COUNT } from "./offsets";
import { pteChanged } from "./oracle";
import { noteWritten } from "./waiters";
import { entryOverwritten } from "./dirt";
import { KIND_STORE } from "./isa";
import { isLiveTable, tableAt, touchedDead } from "./tables";
import { noteWrote } from "./wrote";

export const MODEL_SC: u32 = 0;
export const MODEL_TSO: u32 = 1;
export const MODEL_WEAK: u32 = 2;

/** Set by a write barrier: the next buffered store may not pass those before it. */
const BARRIER: u32 = 1;
/** High bit of HW_SB_COUNT: a write barrier was the last thing seen. */
const BARRIER_NEXT: u32 = 0x80000000;

/** Page-table pages end where table meta begins. */
// @ts-ignore: decorator
@inline
function isEntry(address: usize): bool {
  return address >= tablePages && address < tableMeta;
}

/** Makes a value visible to everyone. */
export function commit(cpu: u32, address: usize, value: u64, site: u32): void {
  assert((address & 7) == 0 && address >= stateBase && address < tableMeta); // words of records and page tables, nothing else
  if (isEntry(address)) {
    const old = load<u64>(address);
    store<u64>(address, value);
    pteChanged(cpu, address, old, value, site);
  } else {
    store<u64>(address, value);
  }
  noteWritten(address);
  if (config(CFG_SEARCHED) != 0) noteWrote(address);
}

// @ts-ignore: decorator
@inline
function entryAt(c: usize, index: u32): usize {
  return c + hwStores + (<usize>index << 4);
}

// @ts-ignore: decorator
@inline
function siteAt(cpu: u32, index: u32): usize {
  return st(cpu) + stStores + (<usize>index << 2);
}

export function buffered(cpu: u32): u32 {
  return load<u32>(hw(cpu), HW_SB_COUNT) & ~BARRIER_NEXT;
}

function remove(cpu: u32, index: u32): void {
  const c = hw(cpu);
  const count = load<u32>(c, HW_SB_COUNT) & ~BARRIER_NEXT;
  const at = entryAt(c, index);
  if (count == 1) {
    // A barrier with nothing before it holds nothing back, and must not make equal states differ.
    v128.store(at, i64x2.splat(0));
    store<u32>(c, 0, HW_SB_COUNT);
    return;
  }
  const last = entryAt(c, count - 1);
  memory.copy(at, at + 16, last - at);
  memory.fill(last, 0, 16);
  memory.copy(siteAt(cpu, index), siteAt(cpu, index + 1), <usize>(count - 1 - index) << 2);
  const oldest = entryAt(c, 0);
  store<u32>(oldest, load<u32>(oldest, 4) & ~BARRIER, 4);
  store<u32>(c, (load<u32>(c, HW_SB_COUNT) & BARRIER_NEXT) | (count - 1), HW_SB_COUNT);
}

/** Whether the i-th oldest store may become visible next under the memory model. */
export function canDrain(cpu: u32, index: u32): bool {
  const c = hw(cpu);
  if (index >= buffered(cpu)) return false;
  if (index == 0) return true;
  if (config(CFG_MODEL) != MODEL_WEAK) return false;
  const address = load<u32>(entryAt(c, index));
  for (let i: u32 = 0; i <= index; i++) {
    if (i > 0 && (load<u32>(entryAt(c, i), 4) & BARRIER) != 0) return false;
    if (i < index && load<u32>(entryAt(c, i)) == address) return false;
  }
  return true;
}

/** Makes the i-th oldest store of a CPU visible. */
export function drain(cpu: u32, index: u32): void {
  assert(index < buffered(cpu));
  const c = hw(cpu);
  const at = entryAt(c, index);
  const address = <usize>load<u32>(at);
  const site = load<u32>(siteAt(cpu, index));
  const value = load<u64>(at, 8);
  remove(cpu, index);
  if (isEntry(address)) {
    if (!isLiveTable(tableAt(address))) touchedDead(cpu, tableAt(address), KIND_STORE, site);
    entryOverwritten(cpu, address, value, site);
  }
  commit(cpu, address, value, site);
}

/** What a fence does: every store of this CPU becomes visible, oldest first. */
// @ts-ignore: decorator
@inline
export function drainAll(cpu: u32): void {
  if (load<u32>(hw(cpu), HW_SB_COUNT) != 0) drainHeld(cpu);
}

function drainHeld(cpu: u32): void {
  const c = hw(cpu);
  while ((load<u32>(c, HW_SB_COUNT) & ~BARRIER_NEXT) != 0) drain(cpu, 0);
  store<u32>(c, 0, HW_SB_COUNT);
}

/**
 * What an atomic that orders nothing does in `weak`: what a write barrier put before it must be out first, and this cell's own older
 * stores.
 */
export function drainCell(cpu: u32, address: usize): void {
  if ((load<u32>(hw(cpu), HW_SB_COUNT) & BARRIER_NEXT) != 0) {
    drainAll(cpu);
    return;
  }
  let held = buffered(cpu);
  while (held > 0 && (load<u32>(entryAt(hw(cpu), held - 1), 4) & BARRIER) == 0) held--;
  for (let n: u32 = 1; n < held; n++) drain(cpu, 0);
  let i: u32 = 0;
  while (i < buffered(cpu)) {
    if (load<u32>(entryAt(hw(cpu), i)) == <u32>address) drain(cpu, i);
    else i++;
  }
}

export function writeBarrier(cpu: u32): void {
  const c = hw(cpu);
  if (config(CFG_MODEL) == MODEL_WEAK && buffered(cpu) != 0) store<u32>(c, load<u32>(c, HW_SB_COUNT) | BARRIER_NEXT, HW_SB_COUNT);
}

/** Whether a store of this CPU to the cell is still in its buffer. */
export function hasStore(cpu: u32, address: usize): bool {
  for (let i: u32 = 0; i < buffered(cpu); i++) if (load<u32>(entryAt(hw(cpu), i)) == <u32>address) return true;
  return false;
}

/** A plain load: the CPU's own youngest store to the cell, else memory. */
export function loadCell(cpu: u32, address: usize): u64 {
  const c = hw(cpu);
  let i = load<u32>(c, HW_SB_COUNT) & ~BARRIER_NEXT;
  while (i > 0) {
    i--;
    const at = entryAt(c, i);
    if (load<u32>(at) == <u32>address) return load<u64>(at, 8);
  }
  return load<u64>(address);
}

/** A plain store. */
export function storeCell(cpu: u32, address: usize, value: u64, site: u32): void {
  if (config(CFG_MODEL) == MODEL_SC) {
    if (isEntry(address)) entryOverwritten(cpu, address, value, site);
    commit(cpu, address, value, site);
    return;
  }
  const c = hw(cpu);
  if (buffered(cpu) == config(CFG_STORE_BUFFER)) drain(cpu, 0);
  const word = load<u32>(c, HW_SB_COUNT);
  const count = word & ~BARRIER_NEXT;
  const at = entryAt(c, count);
  store<u32>(at, <u32>address);
  store<u32>(at, word & BARRIER_NEXT ? BARRIER : 0, 4);
  store<u32>(siteAt(cpu, count), site);
  store<u64>(at, value, 8);
  store<u32>(c, count + 1, HW_SB_COUNT);
}
