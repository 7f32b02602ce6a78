/*
 * What may happen before a step of a CPU, other than by its own program: as sets, collected from tables that the host has written
 * (src/engine/reduce-tables.ts) and from how far every other CPU has come.
 *
 * Tables: sets are pairs {uses u64, changes u64} of 64 classes of shared things; those by op have one for each CPU and op.
 *
 *   header | own[cpu][op] | tail[cpu][op] | reach[view][cpu][op] | script[view][cpu][item] | of cpu[] | held[cpu][op] u16 | ends ... u8
 *
 * `view` 0 is the future with no lock held; view v takes it for granted that a certain lock is held, and ends where others would take it.
 */
import { buffered, loadCell } from "./cells";
import { SC_REDUCTION, told } from "./control";
import * as isa from "./isa";
import { OP_BYTES } from "./isa";
import { hw } from "./addresses";
import { cpus, hwRegs1, hwStores, PROGRAM, stateBase, tablePages } from "./layout";
import { HW_IN_IRQ, HW_IRQ_OFF, HW_LIVE0, HW_PC0, HW_PC1, HW_PENDING, HW_REGS } from "./offsets";
import { wordOf } from "./reads";
import { isFaulting, itemNumber } from "./script";

// Offsets within the header; addresses are absolute.
export const RD_VIEWS: usize = 0;
export const RD_OPS: usize = 4;
export const RD_ITEMS: usize = 8;
export const RD_OWN: usize = 12;
export const RD_TAIL: usize = 16;
export const RD_REACH: usize = 20;
export const RD_SCRIPT: usize = 24;
export const RD_CPU: usize = 32;
export const RD_HELD: usize = 36;
export const RD_TAIL_ENDS: usize = 40;
export const RD_REACH_ENDS: usize = 44;
export const RD_LEAF: usize = 48;
/** Of each word of a record, by address: its class. And: what a store to a page-table entry touches. */
export const RD_WORDS: usize = 28;
export const RD_ENTRY: usize = 56;
export const RD_BYTES: usize = 72;

// Offsets within the record of a CPU: sets, and the bit of its pending interrupt.
export const RC_HANDLER: usize = 0;
export const RC_ANYTIME: usize = 16;
export const RC_USER_TIME: usize = 32;
export const RC_PENDING: usize = 48;
export const RC_BYTES: usize = 64;

export let tables: usize = 0;

/** What others may do before the step in question. */
export let uses: u64 = 0;
export let changes: u64 = 0;
/** The CPU's own interrupt may come before it. */
export let ownInterrupt: bool = false;
/** More changes that may end a wait, but are no others'. */
let ownChanges: u64 = 0;

/** Returns whether there are tables. */
export function findTables(): bool {
  tables = <usize>told(SC_REDUCTION);
  return tables != 0;
}

export function forgetSets(): void {
  uses = 0;
  changes = 0;
}

// @ts-ignore: decorator
@inline
export function base(offset: usize): usize {
  return <usize>load<u32>(tables + offset);
}

/** Number of an op, or of an item, in tables that have one row a CPU. */
// @ts-ignore: decorator
@inline
export function opAt(view: u32, cpu: u32, pc: u32): usize {
  return <usize>((view * cpus + cpu) * load<u32>(tables, RD_OPS) + pc);
}

// @ts-ignore: decorator
@inline
function itemAt(view: u32, cpu: u32, item: u32): usize {
  return <usize>((view * cpus + cpu) * load<u32>(tables, RD_ITEMS) + item);
}

export function ofCpu(cpu: u32): usize {
  return base(RD_CPU) + <usize>cpu * RC_BYTES;
}

export function add(set: usize): void {
  uses |= load<u64>(set);
  changes |= load<u64>(set, 8);
}

export function inHandler(cpu: u32): bool {
  return load<u32>(hw(cpu), HW_IN_IRQ) != 0;
}

export function inKernel(cpu: u32): bool {
  return load<u32>(hw(cpu), HW_LIVE0) != 0;
}

/** Whether a context rests before a step that is disabled. */
export function isDisabled(cpu: u32, r: usize, pc: u32): bool {
  const ip = PROGRAM + <usize>pc * <usize>OP_BYTES;
  const w = load<u64>(ip);
  const op = <u32>w & 255;
  if (op != isa.OP_LOCK && op != isa.OP_RLOCK && op != isa.OP_WLOCK && op != isa.OP_AWAIT) return false;
  const at = wordOf(r, w, load<u64>(ip, 8));
  if (op == isa.OP_RLOCK) return load<i64>(at) < 0;
  if (op != isa.OP_AWAIT) return load<u64>(at) != 0;
  const value = loadCell(cpu, at);
  const c = load<u64>(r + (((<usize>(w >> 32)) & 255) << 3));
  const relation = <u32>(w >> 40) & 255;
  return !(relation == 0 ? value == c : relation == 1 ? value != c : relation == 2 ? value < c : value >= c);
}

/** Whether a context of another CPU can go on: at once, or because somebody may change what it waits for. */
function canGoOn(cpu: u32, r: usize, pc: u32): bool {
  if (!isDisabled(cpu, r, pc)) return true;
  const waits = base(RD_OWN) + (opAt(0, cpu, pc) << 4);
  // Readers of a semaphore use its word, and the last one lets a writer in.
  const all = load<u64>(waits) | load<u64>(waits, 8);
  return (all & (changes | ownChanges)) != 0 || (load<u64>(waits, 8) & uses) != 0;
}

/** What a program can do from `pc` to its end, and its thread behind it, whichever of the views one takes. Returns whether it can end. */
export function addProgram(cpu: u32, pc: u32, views: u32, isTask: bool): bool {
  let u: u64 = u64.MAX_VALUE;
  let c: u64 = u64.MAX_VALUE;
  let ends = true;
  // The access whose fault is handled is tried again.
  const next = itemNumber(cpu) + (isFaulting(cpu) ? 0 : 1);
  for (let view: u32 = 0; view < load<u32>(tables, RD_VIEWS); view++) {
    if (((views >> view) & 1) == 0) continue;
    const at = opAt(view, cpu, pc);
    const set = base(RD_REACH) + (at << 4);
    let viewUses = load<u64>(set);
    let viewChanges = load<u64>(set, 8);
    if (load<u8>(base(RD_REACH_ENDS) + at) == 0) {
      ends = false;
    } else if (isTask) {
      const script = base(RD_SCRIPT) + (itemAt(view, cpu, next) << 4);
      viewUses |= load<u64>(script);
      viewChanges |= load<u64>(script, 8);
    }
    u &= viewUses;
    c &= viewChanges;
  }
  uses |= u;
  changes |= c;
  return ends;
}

function addScript(cpu: u32, views: u32): void {
  let u: u64 = u64.MAX_VALUE;
  let c: u64 = u64.MAX_VALUE;
  for (let view: u32 = 0; view < load<u32>(tables, RD_VIEWS); view++) {
    if (((views >> view) & 1) == 0) continue;
    const script = base(RD_SCRIPT) + (itemAt(view, cpu, itemNumber(cpu)) << 4);
    u &= load<u64>(script);
    c &= load<u64>(script, 8);
  }
  uses |= u;
  changes |= c;
}

/** The class of a record's word. */
export function classOf(address: usize): u64 {
  return load<u64>(base(RD_WORDS) + (address - stateBase));
}

/** The sets of the stores that a CPU holds back. */
export function addStores(cpu: u32): void {
  const c = hw(cpu);
  for (let i: u32 = 0; i < buffered(cpu); i++) {
    const address = <usize>load<u32>(c + hwStores + (<usize>i << 4));
    if (address >= tablePages) add(tables + RD_ENTRY);
    else changes |= classOf(address);
  }
}

/** Adds what the contexts of another CPU can do, if they can go on. Returns whether nothing is left to be added. */
function addContexts(cpu: u32, views: u32): bool {
  const c = hw(cpu);
  if (inHandler(cpu)) {
    if (!canGoOn(cpu, c + hwRegs1, load<u32>(c, HW_PC1))) return false;
    addProgram(cpu, load<u32>(c, HW_PC1), 1, false);
  }
  if (!inKernel(cpu)) {
    addScript(cpu, views);
    add(ofCpu(cpu) + RC_USER_TIME);
    return true;
  }
  if (!canGoOn(cpu, c + HW_REGS, load<u32>(c, HW_PC0))) return false;
  if (addProgram(cpu, load<u32>(c, HW_PC0), views, true)) add(ofCpu(cpu) + RC_USER_TIME);
  return true;
}

/** Whether an interrupt may come: one is pending, or somebody may raise one. */
function mayInterrupt(cpu: u32): bool {
  return load<u32>(hw(cpu), HW_PENDING) != 0 || (uses & load<u64>(ofCpu(cpu), RC_PENDING)) != 0;
}

/** Collects all that may happen before a step of `cpu`, other than by that CPU's own program. `own` may end waits besides. */
export function collect(cpu: u32, own: u64): void {
  forgetSets();
  ownChanges = own;
  ownInterrupt = false;
  const views = inKernel(cpu) ? <u32>load<u16>(base(RD_HELD) + (opAt(0, cpu, load<u32>(hw(cpu), HW_PC0)) << 1)) : 1;
  for (let other: u32 = 0; other < cpus; other++) {
    add(ofCpu(other) + RC_ANYTIME);
    if (other != cpu) addStores(other);
  }
  const takesInterrupts = !inHandler(cpu) && load<u32>(hw(cpu), HW_IRQ_OFF) == 0;
  // Who moves may let others move: until nothing is added. A bit for each CPU of which all is known.
  let contexts: u64 = <u64>1 << <u64>cpu;
  let handlers: u64 = takesInterrupts ? 0 : contexts;
  for (let grows = true; grows;) {
    const usedBefore = uses;
    const changedBefore = changes;
    for (let other: u32 = 0; other < cpus; other++) {
      const bit = <u64>1 << <u64>other;
      if ((contexts & bit) == 0 && addContexts(other, views)) contexts |= bit;
      if ((handlers & bit) == 0 && mayInterrupt(other)) {
        if (other == cpu) ownInterrupt = true;
        add(ofCpu(other) + RC_HANDLER);
        handlers |= bit;
      }
    }
    grows = uses != usedBefore || changes != changedBefore;
  }
}
