/*
 * Which steps need no alternatives. ample() names one choice that is enough in the loaded state, when the tables that the host has written
 * (src/engine/reduction.ts) show that nothing that may happen before it can matter to it, nor it to that. docs/modelling.md has the argument.
 *
 * Tables: sets are pairs {uses u64, changes u64} of 64 classes of shared things; those by op have one for each CPU and op.
 *
 *   header | own[cpu][op] | tail[cpu][op] | reach[view][cpu][op] | script[view][cpu][item] | of cpu[] | held[cpu][op] u16 | ends ... u8
 *
 * `view` 0 is the future with no lock held; view v takes it for granted that a certain lock is held, and ends where others would take it.
 */
import { buffered, canDrain, loadCell, MODEL_SC, MODEL_WEAK } from "./cells";
import { CFG_FREE_HARDWARE, CFG_MODEL, CFG_STORE_BUFFER, config } from "./config";
import { SC_REDUCTION, told } from "./control";
import * as isa from "./isa";
import { OP_BYTES, PTE_PS } from "./isa";
import { cpus, hw, hwRegs1, hwStores, PROGRAM, pteAddress, RECORDS, tableMetaOf, stateBase, tablePages } from "./layout";
import { HW_IN_IRQ, HW_IRQ_OFF, HW_LIVE0, HW_PC0, HW_PC1, HW_PENDING, HW_REGS } from "./offsets";
import { TM_LEVEL } from "./meta";
import { isFaulting, itemNumber } from "./script";

/** ample() found no single choice that is enough. */
export const NO_AMPLE: i32 = -1;

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

// Bits of RD_TAIL_ENDS: the program may end behind the step; the step is never enough.
const ENDS: u8 = 1;
const NEEDS_ALL: u8 = 2;

let tables: usize = 0;

// What others may do before the step in question.
let uses: u64 = 0;
let changes: u64 = 0;
/** More changes that may end a wait, but are no others'. */
let ownChanges: u64 = 0;
let ownInterrupt: bool = false;

// @ts-ignore: decorator
@inline
function base(offset: usize): usize {
  return <usize>load<u32>(tables + offset);
}

/** Number of an op, or of an item, in tables that have one row a CPU. */
// @ts-ignore: decorator
@inline
function opAt(view: u32, cpu: u32, pc: u32): usize {
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

function add(set: usize): void {
  uses |= load<u64>(set);
  changes |= load<u64>(set, 8);
}

function inHandler(cpu: u32): bool {
  return load<u32>(hw(cpu), HW_IN_IRQ) != 0;
}

function inKernel(cpu: u32): bool {
  return load<u32>(hw(cpu), HW_LIVE0) != 0;
}

/** Whether a context rests before a step that is disabled. */
function isDisabled(cpu: u32, r: usize, pc: u32): bool {
  const ip = PROGRAM + <usize>pc * <usize>OP_BYTES;
  const w = load<u64>(ip);
  const op = <u32>w & 255;
  if (op != isa.OP_LOCK && op != isa.OP_RLOCK && op != isa.OP_WLOCK && op != isa.OP_AWAIT) return false;
  const imm = load<u64>(ip, 8);
  const record = RECORDS + (<usize>(imm >> 32) << 3);
  const index = <usize>load<u64>(r + (((<usize>(w >> 16)) & 255) << 3));
  const word = <usize><u32>imm + <usize>load<u64>(r + (((<usize>(w >> 24)) & 255) << 3));
  const at = <usize>load<u32>(record) + index * <usize>load<u32>(record, 4) + (word << 3);
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
function addProgram(cpu: u32, pc: u32, views: u32, isTask: bool): bool {
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
function classOf(address: usize): u64 {
  return load<u64>(base(RD_WORDS) + (address - stateBase));
}

/** The sets of the stores that a CPU holds back. */
function addStores(cpu: u32): void {
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

/** Collects all that may happen before a step of `cpu`, other than by that CPU's own program. */
function collect(cpu: u32): void {
  uses = 0;
  changes = 0;
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

// @ts-ignore: decorator
@inline
function isStore(op: u32): bool {
  if (config(CFG_MODEL) == MODEL_SC) return false;
  return op == isa.OP_ST || op == isa.OP_PTE_ST || op == isa.OP_MASK_ZERO || (op == isa.OP_UNLOCK && config(CFG_FREE_HARDWARE) != 0);
}

/** Ops that see the own buffered stores, so that it does not matter when those become visible. */
function seesOwn(op: u32): bool {
  return op == isa.OP_LD || op == isa.OP_PTE_LD || op == isa.OP_AWAIT || (op >= isa.OP_MASK_TEST && op <= isa.OP_MASK_COUNT && op != isa.OP_MASK_ZERO);
}

/** Ops that leave the store buffer as it is, but for a store put into it. */
function keepsStores(op: u32, imm: u64): bool {
  if (seesOwn(op) || isStore(op)) return true;
  if (op == isa.OP_FENCE) return imm != 0;
  return op == isa.OP_FALLOC || op == isa.OP_FZERO || op == isa.OP_FCOPY || op == isa.OP_TALLOC || op == isa.OP_RFIND || op == isa.OP_XLOAD
    || op == isa.OP_IRQ_OFF || op == isa.OP_IRQ_ON || op == isa.OP_WORK;
}

/** Whether the page-table entry that a load names leads to a table, now. */
function namesUpperEntry(r: usize, w: u64): bool {
  const table = <u32>load<u64>(r + (((<usize>(w >> 16)) & 255) << 3));
  const index = <u32>load<u64>(r + (((<usize>(w >> 24)) & 255) << 3));
  return load<u32>(tableMetaOf(table), TM_LEVEL) != 0 && (load<u64>(pteAddress(table, index)) & PTE_PS) == 0;
}

/** Whether one step of a CPU that has a live context is enough. */
function stepIsEnough(cpu: u32): bool {
  const c = hw(cpu);
  const handler = inHandler(cpu);
  const pc = load<u32>(c + (handler ? HW_PC1 : HW_PC0));
  const r = c + (handler ? hwRegs1 : HW_REGS);
  const at = opAt(0, cpu, pc);
  const tailFlags = load<u8>(base(RD_TAIL_ENDS) + at);
  if ((tailFlags & NEEDS_ALL) != 0 || isDisabled(cpu, r, pc)) return false;
  const ip = PROGRAM + <usize>pc * <usize>OP_BYTES;
  const w = load<u64>(ip);
  const op = <u32>w & 255;
  const held = buffered(cpu);
  // What may sleep asks for locks, and a release that nobody sees yet is one.
  if (held != 0 && (op == isa.OP_RLOCK || op == isa.OP_WLOCK)) return false;

  // What is held back: a step that lets it go carries it, and in the meantime it may end somebody's wait.
  uses = 0;
  changes = 0;
  addStores(cpu);
  const heldUses = uses;
  const heldChanges = changes;
  ownChanges = heldChanges;

  const own = base(RD_OWN) + (at << 4);
  const tail = base(RD_TAIL) + (at << 4);
  let stepUses = load<u64>(tail);
  let stepChanges = load<u64>(tail, 8);
  const isPut = isStore(op) && held < config(CFG_STORE_BUFFER);
  if (!isPut) {
    stepUses |= load<u64>(own);
    stepChanges |= load<u64>(own, 8);
    if (op == isa.OP_PTE_LD && namesUpperEntry(r, w)) stepUses &= ~load<u64>(tables, RD_LEAF);
  }
  const letsGo = !keepsStores(op, load<u64>(ip, 8)) || (tailFlags & ENDS) != 0 || (isStore(op) && !isPut);
  if (letsGo) {
    stepUses |= heldUses;
    stepChanges |= heldChanges;
  } else if (held != 0) {
    // Only what others see of a step can be mixed up with the own stores becoming visible.
    if ((stepChanges & (heldUses | heldChanges)) != 0) return false;
    if (!seesOwn(op) && !isPut && (stepUses & heldChanges) != 0) return false;
  }
  const mindsInterrupts = isPut || op == isa.OP_IRQ_OFF;
  if (!mindsInterrupts && (stepUses | stepChanges) == 0) return true;
  collect(cpu);
  if (ownInterrupt && mindsInterrupts) return false;
  return (stepChanges & (uses | changes)) == 0 && (stepUses & changes) == 0;
}

/** A buffered store of a record's word that can become visible and that nobody else looks at or writes; NO_AMPLE if there is none. */
function quietStore(cpu: u32): i32 {
  const held = buffered(cpu);
  if (held == 0) return NO_AMPLE;
  uses = 0;
  changes = 0;
  addStores(cpu);
  // In `weak`, atomics that order nothing may come before it too.
  if (config(CFG_MODEL) == MODEL_WEAK && inKernel(cpu)) addProgram(cpu, load<u32>(hw(cpu), HW_PC0), 1, true);
  if (config(CFG_MODEL) == MODEL_WEAK && inHandler(cpu)) addProgram(cpu, load<u32>(hw(cpu), HW_PC1), 1, false);
  ownChanges = changes;
  collect(cpu);
  for (let i: u32 = 0; i < held; i++) {
    if (!canDrain(cpu, i)) continue;
    const address = <usize>load<u32>(hw(cpu) + hwStores + (<usize>i << 4));
    if (address < tablePages && (classOf(address) & (uses | changes)) == 0) return <i32>i;
  }
  return NO_AMPLE;
}

/**
 * One choice that is enough in this state, looked for from CPU `first` on: `cpu` for its step, `cpu | (n + 1) << 8` for its n-th oldest
 * store to become visible; NO_AMPLE when all choices have to be tried.
 */
export function ample(first: u32): i32 {
  tables = <usize>told(SC_REDUCTION);
  if (tables == 0) return NO_AMPLE;
  for (let i: u32 = 0; i < cpus; i++) {
    const cpu = (first + i) % cpus;
    const store = quietStore(cpu);
    if (store != NO_AMPLE) return <i32>cpu | ((store + 1) << 8);
  }
  for (let i: u32 = 0; i < cpus; i++) {
    const cpu = (first + i) % cpus;
    if ((inHandler(cpu) || inKernel(cpu)) && stepIsEnough(cpu)) return <i32>cpu;
  }
  return NO_AMPLE;
}
