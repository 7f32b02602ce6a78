/*
 * What may happen next, one event at a time. A choice is 16 bits:
 *
 *   15..12   11..6   5..0
 *   | kind | cpu   | index |      a liberty's number takes the lower twelve
 *
 * choose() makes it happen in the world and says which groups of pieces (snapshot.ts) it may have written. For each op the host gives
 * (src/engine/op-table.ts) {live u64: registers that may be read from here on, written u64: those that may hold something when the
 * next step is reached, groups u32 that the op and the free ops behind it may write, what they look at u32}.
 */
import { canComplete, complete } from "./broadcast";
import { buffered, canDrain, drain } from "./cells";
import { SC_OPS, told } from "./control";
import { CFG_IRQ_ENTRY, config } from "./config";
import { canDeliver, deliver } from "./ipi";
import { hw } from "./addresses";
import { hwRegs1, hwStores, tablePages } from "./layout";
import { HW_IN_IRQ, HW_LIVE0, HW_LIVE1, HW_PC0, HW_PC1, HW_REGS } from "./offsets";
import { cpuOfLiberty, doAccess, hasAccess, LIBERTY_REFUSED, LIBERTY_TAKEN, programEnded, takeLiberty } from "./script";
import { ALL_GROUPS, GROUP_CPUS, GROUP_FRAMES, GROUP_OWN_STORES } from "./snapshot";
import { settle, step } from "./step";

export const CHOICE_STEP: u32 = 0;
export const CHOICE_INTERRUPT: u32 = 1;
export const CHOICE_DRAIN: u32 = 2;
export const CHOICE_LIBERTY: u32 = 3;
export const CHOICE_BROADCAST: u32 = 4;
export const CHOICE_KIND_SHIFT: u32 = 12;
export const CHOICE_CPU_SHIFT: u32 = 6;
export const CHOICE_INDEX_MASK: u32 = 63;
export const CHOICE_LIBERTY_MASK: u32 = 4095;
/** No choice: what was found is a state. */
export const NO_CHOICE: u32 = 0xffff;

/** Not enabled, and nothing has changed; or something has, and is to be put back. */
export const REFUSED: i32 = -1;
export const REFUSED_SPOILT: i32 = -2;

const OP_INFO_BYTES: usize = 24;
const OP_WRITTEN: usize = 8;
const OP_GROUPS: usize = 16;
/** What the op and the free ops behind it look at (reads.ts). */
export const OP_LOOKS: usize = 20;
/** What hardware may write when it translates, or a page-table entry that changes. */
const TRANSLATED: u32 = (1 << GROUP_FRAMES) | (1 << GROUP_CPUS);

/** Registers of the contexts of the CPU that may differ after the last choose(). */
export let taskRegisters: u64 = 0;
export let handlerRegisters: u64 = 0;
/** After REFUSED_SPOILT: the groups that may differ. */
export const SPOILT_GROUPS: u32 = TRANSLATED;

// @ts-ignore: decorator
@inline
export function choiceOf(kind: u32, cpu: u32, index: u32): u32 {
  return (kind << CHOICE_KIND_SHIFT) | (cpu << CHOICE_CPU_SHIFT) | index;
}

// @ts-ignore: decorator
@inline
export function infoOf(pc: u32): usize {
  return <usize>told(SC_OPS) + <usize>pc * OP_INFO_BYTES;
}

/** The CPU whose own groups a choice may write. */
// @ts-ignore: decorator
@inline
export function cpuOfChoice(choice: u32): u32 {
  if (choice >> CHOICE_KIND_SHIFT == CHOICE_LIBERTY) return cpuOfLiberty(choice & CHOICE_LIBERTY_MASK);
  return (choice >> CHOICE_CPU_SHIFT) & CHOICE_INDEX_MASK;
}

/** Clears the registers of `dead`. */
// @ts-ignore: decorator
@inline
function clear(r: usize, dead: u64): void {
  for (let m = dead; m != 0; m &= m - 1) store<u64>(r + (<usize>ctz(m) << 3), 0);
}

/** Clears what no step of the CPU's live contexts reads any more. */
export function clearDead(cpu: u32): void {
  const c = hw(cpu);
  if (load<u32>(c, HW_LIVE0) != 0) clearAllBut(c + HW_REGS, load<u64>(infoOf(load<u32>(c, HW_PC0))));
  if (load<u32>(c, HW_LIVE1) != 0) clearAllBut(c + hwRegs1, load<u64>(infoOf(load<u32>(c, HW_PC1))));
}

function clearAllBut(r: usize, live: u64): void {
  const registers = (hwRegs1 - HW_REGS) >> 3;
  for (let i: usize = 0; i < registers; i++) if (((live >> <u64>i) & 1) == 0) store<u64>(r + (i << 3), 0);
}

/** What the buffered stores from `first` on, up to `end`, may write besides their own words when they become visible. */
function storedGroups(cpu: u32, first: u32, end: u32): u32 {
  for (let i = first; i < end; i++) {
    if (<usize>load<u32>(hw(cpu) + hwStores + (<usize>i << 4)) >= tablePages) return TRANSLATED;
  }
  return 0;
}

/** Makes a choice happen. Returns the groups that it may have written, besides its CPU's flags and registers; REFUSED or REFUSED_SPOILT. */
export function choose(choice: u32): i32 {
  const kind = choice >> CHOICE_KIND_SHIFT;
  const cpu = (choice >> CHOICE_CPU_SHIFT) & CHOICE_INDEX_MASK;
  const index = choice & CHOICE_INDEX_MASK;
  taskRegisters = 0;
  handlerRegisters = 0;
  switch (kind) {
    case CHOICE_STEP:
      return goOn(cpu);
    case CHOICE_INTERRUPT:
      return canDeliver(cpu) ? interrupt(cpu) : REFUSED;
    case CHOICE_DRAIN: {
      if (!canDrain(cpu, index)) return REFUSED;
      const touched = storedGroups(cpu, index, index + 1) | (1 << GROUP_OWN_STORES);
      drain(cpu, index);
      return touched;
    }
    case CHOICE_LIBERTY: {
      const taken = takeLiberty(choice & CHOICE_LIBERTY_MASK);
      return taken == LIBERTY_TAKEN ? TRANSLATED : taken == LIBERTY_REFUSED ? REFUSED : REFUSED_SPOILT;
    }
    default:
      if (!canComplete(cpu, index)) return REFUSED;
      complete(cpu, index);
      return TRANSLATED;
  }
}

function interrupt(cpu: u32): i32 {
  const c = hw(cpu);
  const held = buffered(cpu);
  const touched = held == 0 ? 0 : storedGroups(cpu, 0, held) | (1 << GROUP_OWN_STORES);
  const info = infoOf(config(CFG_IRQ_ENTRY));
  deliver(cpu);
  settle(cpu);
  handlerRegisters = u64.MAX_VALUE;
  if (load<u32>(c, HW_LIVE1) == 0) return ALL_GROUPS;
  const written = load<u64>(info, OP_WRITTEN);
  handlerRegisters = written;
  clear(c + hwRegs1, written & ~load<u64>(infoOf(load<u32>(c, HW_PC1))));
  return touched | load<u32>(info, OP_GROUPS);
}

function goOn(cpu: u32): i32 {
  const c = hw(cpu);
  const inIrq = load<u32>(c, HW_IN_IRQ) != 0;
  const liveAt = c + (inIrq ? HW_LIVE1 : HW_LIVE0);
  if (load<u32>(liveAt) == 0) return goOnInUserMode(cpu);
  const pcAt = c + (inIrq ? HW_PC1 : HW_PC0);
  const info = infoOf(load<u32>(pcAt));
  const held = buffered(cpu);
  let touched = held == 0 ? 0 : storedGroups(cpu, 0, held);
  if (step(cpu) < 0) return REFUSED;
  settle(cpu);
  if ((held | buffered(cpu)) != 0) touched |= 1 << GROUP_OWN_STORES;
  if (load<u32>(liveAt) != 0) {
    const written = load<u64>(info, OP_WRITTEN);
    const dead = (load<u64>(info) | written) & ~load<u64>(infoOf(load<u32>(pcAt)));
    clear(c + (inIrq ? hwRegs1 : HW_REGS), dead);
    if (inIrq) handlerRegisters = written | dead;
    else taskRegisters = written | dead;
    return touched | load<u32>(info, OP_GROUPS);
  }
  if (inIrq) {
    handlerRegisters = u64.MAX_VALUE;
    return ALL_GROUPS;
  }
  programEnded(cpu);
  clearDead(cpu);
  taskRegisters = u64.MAX_VALUE;
  return ALL_GROUPS;
}

function goOnInUserMode(cpu: u32): i32 {
  if (!hasAccess(cpu)) return REFUSED;
  doAccess(cpu);
  if (load<u32>(hw(cpu), HW_LIVE0) == 0) return TRANSLATED;
  clearDead(cpu);
  taskRegisters = u64.MAX_VALUE;
  return ALL_GROUPS;
}
