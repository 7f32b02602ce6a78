/*
 * The interpreter: step() executes one micro-op that is a step and returns its price in cycles; settle() runs the free ops behind it, so
 * that a context always rests before its next step. Both schedulers call these two and nothing else: the clock charges the price in
 * between, the adversary does not look at it.
 */
import { broadcast, firstIncomplete } from "./broadcast";
import { buffered, commit, drainAll, drainCell, loadCell, MODEL_WEAK, storeCell, writeBarrier } from "./cells";
import { CFG_FREE_HARDWARE, CFG_MODEL, config } from "./config";
import { NO_PC, runFree } from "./free";
import { raise, raiseOne } from "./ipi";
import { NONE, OP_BYTES } from "./isa";
import { cpus, hw, hwRegs1, maskWords, PROGRAM, pteAddress, RECORDS, stateBase, tablePages } from "./layout";
import { HW_IN_IRQ, HW_IRQ_OFF, HW_LIVE0, HW_LIVE1, HW_PC0, HW_PC1, HW_REGS, HW_STARTED } from "./offsets";
import { readCost, storeCost, writeCost } from "./lines";
import { EVENT_BEGIN, EVENT_STEP, observe } from "./observe";
import { callBegins } from "./order";
import { price, PRICE_DSB, PRICE_FENCE, PRICE_IRQ_TOGGLE, PRICE_MASK_STEP, PRICE_RMW, PRICE_TLBI } from "./prices";
import { machineStep } from "./step-machine";
import { NO_PCID, spaceOf } from "./tlb";
import { atomicFrom, mightSleep, spinReleased, spinTaken } from "./atomic";
import { entryLoaded } from "./dirt";
import { isLiveTable, touchedDead } from "./tables";
import * as isa from "./isa";

/** The step is disabled: what it waits for is in blockedOn. */
export const BLOCKED: i32 = -1;
/** The context has no step left. */
export const ENDED: i32 = -2;
export let blockedOn: usize = 0;
export let blockedOnLock: bool = false;

// @ts-ignore: decorator
@inline
function reg(r: usize, index: u32): u64 {
  return load<u64>(r + (<usize>index << 3));
}

// @ts-ignore: decorator
@inline
function setReg(r: usize, index: u32, value: u64): void {
  if (index != NONE) store<u64>(r + (<usize>index << 3), value);
}

/** Address of the word that a field operand names. */
// @ts-ignore: decorator
@inline
function fieldAddress(r: usize, w: u64, imm: u64): usize {
  const record = RECORDS + (<usize>(imm >> 32) << 3);
  const index = <usize>reg(r, <u32>(w >> 16) & 255);
  const word = <usize><u32>imm + <usize>reg(r, <u32>(w >> 24) & 255);
  const at = <usize>load<u32>(record) + index * <usize>load<u32>(record, 4) + (word << 3);
  assert(at >= stateBase && at < tablePages); // a record that exists
  return at;
}

// @ts-ignore: decorator
@inline
function block(address: usize, isLock: bool): i32 {
  blockedOn = address;
  blockedOnLock = isLock;
  return BLOCKED;
}

/** A locked read-modify-write: a fence, except that in `weak` one that returns nothing orders nothing. */
// @ts-ignore: decorator
@inline
function fenceFor(cpu: u32, address: usize, returnsValue: bool): void {
  if (buffered(cpu) == 0) return;
  if (!returnsValue && config(CFG_MODEL) == MODEL_WEAK) drainCell(cpu, address);
  else drainAll(cpu);
}

function rmw(cpu: u32, op: u32, r: usize, w: u64, at: usize, pc: u32): i32 {
  const dst = <u32>(w >> 8) & 255;
  const c = reg(r, <u32>(w >> 32) & 255);
  fenceFor(cpu, at, op != isa.OP_ADDV && op != isa.OP_ORV && op != isa.OP_ANDV);
  const old = load<u64>(at);
  let next = old;
  let result = old;
  let write = true;
  switch (op) {
    case isa.OP_XCHG: case isa.OP_PTE_XCHG: next = c; break;
    case isa.OP_CAS: case isa.OP_PTE_CAS:
      write = old == c;
      result = write ? 1 : 0;
      if (write) next = reg(r, <u32>(w >> 40) & 255);
      break;
    case isa.OP_FADD: next = old + c; result = next; break;
    case isa.OP_ADDV: next = old + c; break;
    case isa.OP_ORV: case isa.OP_PTE_OR: next = old | c; break;
    default: next = old & c;
  }
  const cost = writeCost(cpu, at) + price(PRICE_RMW);
  if (write) commit(cpu, at, next, pc);
  setReg(r, dst, result);
  return cost;
}

/** The release of a spinlock is a plain store behind all others: on x86 no fence, elsewhere a store-release. */
function unlockLater(cpu: u32, at: usize, pc: u32): i32 {
  assert(load<u64>(at) == cpu + 1); // released by its owner
  spinReleased(cpu);
  writeBarrier(cpu);
  const cost = storeCost(cpu, at);
  storeCell(cpu, at, 0, pc);
  return cost;
}

/** Locks: a spinlock's word is 0 or owner + 1; an rw-semaphore's is a reader count, or bit 63 and the writer + 1. */
function lockStep(cpu: u32, op: u32, r: usize, w: u64, at: usize, pc: u32): i32 {
  const dst = <u32>(w >> 8) & 255;
  const writer: u64 = (<u64>1 << 63) | <u64>(cpu + 1);
  if (op == isa.OP_UNLOCK && config(CFG_FREE_HARDWARE) != 0) return unlockLater(cpu, at, pc);
  // Whoever does not wait fences before he looks, and so sees a release of his own.
  if (op == isa.OP_TRYLOCK || op == isa.OP_TRYRLOCK) drainAll(cpu);
  const old = load<u64>(at);
  let next = old;
  let taken = true;
  switch (op) {
    case isa.OP_LOCK: if (old != 0) return block(at, true); next = cpu + 1; break;
    case isa.OP_TRYLOCK: taken = old == 0; next = taken ? cpu + 1 : old; break;
    case isa.OP_RLOCK: if (<i64>old < 0) return block(at, true); next = old + 1; break;
    case isa.OP_TRYRLOCK: taken = <i64>old >= 0; next = taken ? old + 1 : old; break;
    case isa.OP_WLOCK: if (old != 0) return block(at, true); next = writer; break;
    case isa.OP_RUNLOCK: next = old - 1; break;
    case isa.OP_DOWNGRADE: next = 1; break;
    default: next = 0;
  }
  assert(op != isa.OP_UNLOCK || old == cpu + 1); // released by its owner
  assert(op != isa.OP_RUNLOCK || (<i64>old > 0));
  assert((op != isa.OP_WUNLOCK && op != isa.OP_DOWNGRADE) || old == writer);
  drainAll(cpu);
  const isPlainRelease = op == isa.OP_UNLOCK;
  const cost = isPlainRelease ? storeCost(cpu, at) : writeCost(cpu, at) + price(PRICE_RMW);
  if (next != old) commit(cpu, at, next, pc);
  setReg(r, dst, taken ? 1 : 0);
  if (op == isa.OP_UNLOCK) spinReleased(cpu);
  else if ((op == isa.OP_LOCK || op == isa.OP_TRYLOCK) && taken) spinTaken(cpu, pc);
  else if (op == isa.OP_RLOCK || op == isa.OP_WLOCK) mightSleep(cpu, pc);
  return cost;
}

function maskStep(cpu: u32, op: u32, r: usize, w: u64, at: usize, pc: u32): i32 {
  const dst = <u32>(w >> 8) & 255;
  const bit = <u32>reg(r, <u32>(w >> 32) & 255);
  if (op == isa.OP_MASK_SET || op == isa.OP_MASK_CLR) {
    const word = at + (<usize>(bit >> 6) << 3);
    const flag = <u64>1 << <u64>(bit & 63);
    drainAll(cpu);
    const old = load<u64>(word);
    const cost = writeCost(cpu, word) + price(PRICE_RMW);
    commit(cpu, word, op == isa.OP_MASK_SET ? old | flag : old & ~flag, pc);
    setReg(r, dst, (old & flag) != 0 ? 1 : 0);
    return cost;
  }
  if (op == isa.OP_MASK_TEST) {
    const word = at + (<usize>(bit >> 6) << 3);
    setReg(r, dst, (loadCell(cpu, word) >> <u64>(bit & 63)) & 1);
    return readCost(cpu, word);
  }
  if (op == isa.OP_MASK_ZERO) {
    for (let i: u32 = 0; i < maskWords; i++) storeCell(cpu, at + (<usize>i << 3), 0, pc);
    return writeCost(cpu, at) + price(PRICE_MASK_STEP);
  }
  if (op == isa.OP_MASK_COUNT) {
    let n: u64 = 0;
    for (let i: u32 = 0; i < maskWords; i++) n += popcnt(loadCell(cpu, at + (<usize>i << 3)));
    setReg(r, dst, n);
    return readCost(cpu, at) + price(PRICE_MASK_STEP);
  }
  setReg(r, dst, nextInMask(cpu, at, bit));
  return readCost(cpu, at + (<usize>(min(bit, cpus - 1) >> 6) << 3)) + price(PRICE_MASK_STEP);
}

/** Smallest CPU of a mask that is not below `from`, or `cpus`. */
function nextInMask(cpu: u32, mask: usize, from: u32): u32 {
  for (let word = from >> 6; word < maskWords; word++) {
    let bits = loadCell(cpu, mask + (<usize>word << 3));
    if (word == from >> 6) bits &= u64.MAX_VALUE << <u64>(from & 63);
    if (bits != 0) return (word << 6) + <u32>ctz(bits);
  }
  return cpus;
}

function await_(cpu: u32, r: usize, w: u64, at: usize): i32 {
  const value = loadCell(cpu, at);
  const c = reg(r, <u32>(w >> 32) & 255);
  const relation = <u32>(w >> 40) & 255;
  const holds = relation == 0 ? value == c : relation == 1 ? value != c : relation == 2 ? value < c : value >= c;
  if (!holds) return block(at, false);
  setReg(r, <u32>(w >> 8) & 255, value);
  return readCost(cpu, at);
}

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
