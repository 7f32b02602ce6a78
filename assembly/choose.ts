/*
 * What may happen next, one event at a time. A choice is 16 bits:
 *
 *   15..12   11..6   5..0
 *   | kind | cpu   | index |      a liberty's number takes the lower twelve
 *
 * choose() makes it happen in the world and says which groups of pieces (snapshot.ts) it may have written. For each op the host gives
 * (src/engine/op-table.ts) {live u64: registers that may be read from here on, written u64: those that may hold something when the
 * next step is reached, groups u32 that the op and the free ops behind it may write, 0}.
 */
import { canComplete, complete } from "./broadcast";
import { buffered, canDrain, drain } from "./cells";
import { SC_OPS, told } from "./control";
import { canDeliver, deliver } from "./ipi";
import { HW_IN_IRQ, HW_LIVE0, HW_LIVE1, HW_PC0, HW_PC1, HW_REGS, hw, hwRegs1 } from "./layout";
import { cpuOfLiberty, doAccess, hasAccess, programEnded, takeLiberty } from "./script";
import { ALL_GROUPS, GROUP_CPUS, GROUP_FRAMES, GROUP_TABLES } from "./snapshot";
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
/** What a store that becomes visible may write: any record, page tables and what the oracle thinks of them. */
const STORED: u32 = 63 | (1 << GROUP_TABLES) | (1 << GROUP_FRAMES) | (1 << GROUP_CPUS);
/** What hardware may write when it translates. */
const TRANSLATED: u32 = (1 << GROUP_TABLES) | (1 << GROUP_FRAMES) | (1 << GROUP_CPUS);

// @ts-ignore: decorator
@inline
export function choiceOf(kind: u32, cpu: u32, index: u32): u32 {
  return (kind << CHOICE_KIND_SHIFT) | (cpu << CHOICE_CPU_SHIFT) | index;
}

// @ts-ignore: decorator
@inline
function infoOf(pc: u32): usize {
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

/** Makes a choice happen. Returns the groups that it may have written, besides those of its own CPU; REFUSED or REFUSED_SPOILT. */
export function choose(choice: u32): i32 {
  const kind = choice >> CHOICE_KIND_SHIFT;
  const cpu = (choice >> CHOICE_CPU_SHIFT) & CHOICE_INDEX_MASK;
  const index = choice & CHOICE_INDEX_MASK;
  switch (kind) {
    case CHOICE_STEP:
      return goOn(cpu);
    case CHOICE_INTERRUPT: {
      if (!canDeliver(cpu)) return REFUSED;
      deliver(cpu);
      settle(cpu);
      clearDead(cpu);
      return ALL_GROUPS;
    }
    case CHOICE_DRAIN:
      if (!canDrain(cpu, index)) return REFUSED;
      drain(cpu, index);
      return STORED;
    case CHOICE_LIBERTY:
      return takeLiberty(choice & CHOICE_LIBERTY_MASK) ? TRANSLATED : REFUSED_SPOILT;
    default:
      if (!canComplete(cpu, index)) return REFUSED;
      complete(cpu, index);
      return TRANSLATED;
  }
}

function goOn(cpu: u32): i32 {
  const c = hw(cpu);
  const inIrq = load<u32>(c, HW_IN_IRQ) != 0;
  if (load<u32>(c + (inIrq ? HW_LIVE1 : HW_LIVE0)) == 0) return goOnInUserMode(cpu);
  const info = infoOf(load<u32>(c + (inIrq ? HW_PC1 : HW_PC0)));
  const drains = buffered(cpu) != 0;
  if (step(cpu) < 0) return REFUSED;
  settle(cpu);
  const r = c + (inIrq ? hwRegs1 : HW_REGS);
  if (load<u32>(c + (inIrq ? HW_LIVE1 : HW_LIVE0)) != 0) {
    const next = infoOf(load<u32>(c + (inIrq ? HW_PC1 : HW_PC0)));
    clear(r, (load<u64>(info) | load<u64>(info, OP_WRITTEN)) & ~load<u64>(next));
    return load<u32>(info, OP_GROUPS) | (drains ? STORED : 0);
  }
  if (!inIrq) {
    programEnded(cpu);
    clearDead(cpu);
  }
  return ALL_GROUPS;
}

function goOnInUserMode(cpu: u32): i32 {
  if (!hasAccess(cpu)) return REFUSED;
  doAccess(cpu);
  clearDead(cpu);
  return ALL_GROUPS;
}
