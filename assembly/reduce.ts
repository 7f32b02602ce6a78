/*
 * Which steps need no alternatives. ample() names one choice that is enough in the loaded state, when nothing that may happen before it
 * (others.ts) can matter to it, nor it to that. docs/modelling.md has the argument.
 */
import { buffered, canDrain, MODEL_SC, MODEL_WEAK } from "./cells";
import { CFG_FREE_HARDWARE, CFG_MODEL, CFG_STORE_BUFFER, config } from "./config";
import * as isa from "./isa";
import { OP_BYTES, PTE_PS } from "./isa";
import { hw, pteAddress, tableMetaOf } from "./addresses";
import { cpus, hwRegs1, hwStores, PROGRAM, tablePages } from "./layout";
import { TM_LEVEL } from "./meta";
import { HW_PC0, HW_PC1, HW_REGS } from "./offsets";
import {
  addProgram, addStores, base, changes, classOf, collect, findTables, forgetSets, inHandler, inKernel, isDisabled, opAt, ownInterrupt, RD_LEAF, RD_OWN, RD_TAIL,
  RD_TAIL_ENDS, tables, uses,
} from "./others";

/** ample() found no single choice that is enough. */
export const NO_AMPLE: i32 = -1;

// Bits of RD_TAIL_ENDS: the program may end behind the step; the step is never enough.
const ENDS: u8 = 1;
const NEEDS_ALL: u8 = 2;

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
  forgetSets();
  addStores(cpu);
  const heldUses = uses;
  const heldChanges = changes;

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
  collect(cpu, heldChanges);
  if (ownInterrupt && mindsInterrupts) return false;
  return (stepChanges & (uses | changes)) == 0 && (stepUses & changes) == 0;
}

/** A buffered store of a record's word that can become visible and that nobody else looks at or writes; NO_AMPLE if there is none. */
function quietStore(cpu: u32): i32 {
  const held = buffered(cpu);
  if (held == 0) return NO_AMPLE;
  forgetSets();
  addStores(cpu);
  // In `weak`, atomics that order nothing may come before it too.
  if (config(CFG_MODEL) == MODEL_WEAK && inKernel(cpu)) addProgram(cpu, load<u32>(hw(cpu), HW_PC0), 1, true);
  if (config(CFG_MODEL) == MODEL_WEAK && inHandler(cpu)) addProgram(cpu, load<u32>(hw(cpu), HW_PC1), 1, false);
  collect(cpu, changes);
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
  if (!findTables()) return NO_AMPLE;
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
