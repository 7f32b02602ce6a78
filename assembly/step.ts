/*
 * The interpreter: step() executes one micro-op that is a step and returns its price in cycles; settle() runs the free ops behind it, so
 * that a context always rests before its next step. Both schedulers call these two and nothing else: the clock charges the price in
 * between, the adversary does not look at it.
 */
import { broadcast, firstIncomplete } from "./broadcast";
import { drainAll, loadCell, MODEL_WEAK, storeCell, writeBarrier } from "./cells";
import { CFG_MODEL, config } from "./config";
import { NO_PC, runFree } from "./free";
import { raise, raiseOne } from "./ipi";
import { OP_BYTES } from "./isa";
import { hw, pteAddress } from "./addresses";
import { hwRegs1, PROGRAM } from "./layout";
import { HW_IN_IRQ, HW_IRQ_OFF, HW_LIVE0, HW_LIVE1, HW_PC0, HW_PC1, HW_REGS, HW_STARTED } from "./offsets";
import { readCost, storeCost } from "./lines";
import { EVENT_BEGIN, EVENT_STEP, observe } from "./observe";
import { fieldAddress, reg, setReg } from "./operands";
import { callBegins } from "./order";
import { price, PRICE_DSB, PRICE_FENCE, PRICE_IRQ_TOGGLE, PRICE_TLBI } from "./prices";
import { machineStep } from "./step-machine";
import { await_, block, lockStep, maskStep, rmw } from "./step-memory";
import { NO_PCID, spaceOf } from "./tlb";
import { atomicFrom } from "./atomic";
import { entryLoaded } from "./dirt";
import { isLiveTable, touchedDead } from "./tables";
import * as isa from "./isa";

/** The context has no step left. */
export const ENDED: i32 = -2;

/** The step op at `ip`: its price, or BLOCKED. */
function shared(cpu: u32, op: u32, r: usize, w: u64, imm: u64, pc: u32): i32 {
  if (op == isa.OP_LD) {
    const at = fieldAddress(r, w, imm);
    setReg(r, <u32>(w >> 8) & 255, loadCell(cpu, at));
    return readCost(cpu, at);
  }
  if (op == isa.OP_ST) {
    const at = fieldAddress(r, w, imm);
    storeCell(cpu, at, reg(r, <u32>(w >> 32) & 255), pc);
    return storeCost(cpu, at);
  }
  if (op <= isa.OP_ANDV) return rmw(cpu, op, r, w, fieldAddress(r, w, imm), pc);
  if (op <= isa.OP_PTE_OR) {
    const table = <u32>reg(r, <u32>(w >> 16) & 255);
    const at = pteAddress(table, <u32>reg(r, <u32>(w >> 24) & 255));
    if (!isLiveTable(table)) touchedDead(cpu, table, op == isa.OP_PTE_LD ? isa.KIND_LOAD : isa.KIND_STORE, pc);
    if (op == isa.OP_PTE_LD) {
      setReg(r, <u32>(w >> 8) & 255, loadCell(cpu, at));
      entryLoaded(cpu, at);
      return readCost(cpu, at);
    }
    if (op != isa.OP_PTE_ST) return rmw(cpu, op, r, w, at, pc);
    storeCell(cpu, at, reg(r, <u32>(w >> 32) & 255), pc);
    return storeCost(cpu, at);
  }
  if (op <= isa.OP_TRYRLOCK) return lockStep(cpu, op, r, w, fieldAddress(r, w, imm), pc);
  if (op == isa.OP_AWAIT) return await_(cpu, r, w, fieldAddress(r, w, imm));
  if (op <= isa.OP_MASK_COUNT) return maskStep(cpu, op, r, w, fieldAddress(r, w, imm), pc);
  return control(cpu, op, r, w, imm, pc);
}

/** The root in operand a, limited to the PCID in operand d if there is one. */
function spaceIn(r: usize, w: u64): u64 {
  const d = <u32>(w >> 40) & 255;
  return spaceOf(<u32>reg(r, <u32>(w >> 16) & 255), d == isa.NONE ? NO_PCID : <u32>reg(r, d));
}

function control(cpu: u32, op: u32, r: usize, w: u64, imm: u64, pc: u32): i32 {
  switch (op) {
    case isa.OP_RAISE:
      drainAll(cpu);
      return raise(cpu, fieldAddress(r, w, imm));
    case isa.OP_RAISE1:
      drainAll(cpu);
      return raiseOne(cpu, <u32>reg(r, <u32>(w >> 32) & 255));
    case isa.OP_FENCE:
      if (imm == 0) drainAll(cpu);
      else if (imm == 2) writeBarrier(cpu);
      // Only the full barrier is an instruction on x86; the others keep a compiler, or a weaker CPU, from reordering.
      return imm == 0 || (imm != 3 && config(CFG_MODEL) == MODEL_WEAK) ? price(PRICE_FENCE) : 0;
    case isa.OP_TLBI:
      // No fence: what was stored before may become visible later, unless a barrier stands in between.
      broadcast(cpu, spaceIn(r, w), reg(r, <u32>(w >> 24) & 255), reg(r, <u32>(w >> 32) & 255));
      return price(PRICE_TLBI);
    case isa.OP_DSB: {
      const open = firstIncomplete(cpu);
      if (open != 0) return block(open, false);
      drainAll(cpu);
      return price(PRICE_DSB);
    }
    case isa.OP_IRQ_OFF:
      store<u32>(hw(cpu), 1, HW_IRQ_OFF);
      atomicFrom(cpu, pc);
      return price(PRICE_IRQ_TOGGLE);
    case isa.OP_IRQ_ON:
      store<u32>(hw(cpu), 0, HW_IRQ_OFF);
      return price(PRICE_IRQ_TOGGLE);
    default:
      return machineStep(cpu, op, r, w, imm, pc);
  }
}

/** Rests the live context of a CPU before its first step. */
export function settle(cpu: u32): void {
  const c = hw(cpu);
  const inIrq = load<u32>(c, HW_IN_IRQ) != 0;
  const pcAt = c + (inIrq ? HW_PC1 : HW_PC0);
  const pc = runFree(cpu, c + (inIrq ? hwRegs1 : HW_REGS), load<u32>(pcAt));
  if (pc != NO_PC) store<u32>(pcAt, pc);
}

/** Starts a program in the task context; its arguments are in the registers already. */
export function begin(cpu: u32, pc: u32): void {
  const c = hw(cpu);
  assert(load<u32>(c, HW_LIVE0) == 0 && load<u32>(c, HW_IN_IRQ) == 0); // one task context, entered from user mode
  observe(EVENT_BEGIN, cpu, pc);
  store<u32>(c, pc, HW_PC0);
  store<u32>(c, 1, HW_LIVE0);
  settle(cpu);
}

/** Whether the CPU has a program running: an interrupt handler, or a task in the kernel. */
export function isLive(cpu: u32): bool {
  const c = hw(cpu);
  return load<u32>(c + (load<u32>(c, HW_IN_IRQ) != 0 ? HW_LIVE1 : HW_LIVE0)) != 0;
}

/**
 * Whether the CPU's next step is nobody else's business, whenever it comes: in an interrupt handler, which nothing interrupts, it drops
 * a translation, or works. What the oracle would still write to that translation would go with it.
 */
export function isNextPrivate(cpu: u32): bool {
  const c = hw(cpu);
  if (load<u32>(c, HW_IN_IRQ) == 0 || load<u32>(c, HW_LIVE1) == 0) return false;
  const op: u32 = load<u8>(PROGRAM + <usize>load<u32>(c, HW_PC1) * <usize>OP_BYTES);
  return op == isa.OP_INVLPG || op == isa.OP_WORK;
}

/** Executes the step at `pc` on the registers at `r`: its price in cycles, or BLOCKED. */
// @ts-ignore: decorator
@inline
export function execute(cpu: u32, r: usize, pc: u32): i32 {
  const ip = PROGRAM + <usize>pc * <usize>OP_BYTES;
  const w = load<u64>(ip);
  return shared(cpu, <u32>w & 255, r, w, load<u64>(ip, 8), pc);
}

/** Executes one step of a CPU: its price in cycles, BLOCKED, or ENDED when there is none. */
export function step(cpu: u32): i32 {
  const c = hw(cpu);
  const inIrq = load<u32>(c, HW_IN_IRQ) != 0;
  if (load<u32>(c + (inIrq ? HW_LIVE1 : HW_LIVE0)) == 0) return ENDED;
  const pcAt = c + (inIrq ? HW_PC1 : HW_PC0);
  const pc = load<u32>(pcAt);
  const cost = execute(cpu, c + (inIrq ? hwRegs1 : HW_REGS), pc);
  if (cost < 0) return cost;
  if (!inIrq && load<u32>(c, HW_STARTED) == 0) callBegins(cpu);
  store<u32>(pcAt, pc + 1);
  observe(EVENT_STEP, cpu);
  return cost;
}
