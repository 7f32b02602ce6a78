/*
 * Steps that read and write a word at once, wait for one, or take it for a lock or a mask.
 */
import { mightSleep, spinReleased, spinTaken } from "./atomic";
import { buffered, commit, drainAll, drainCell, loadCell, MODEL_WEAK, storeCell, writeBarrier } from "./cells";
import { CFG_FREE_HARDWARE, CFG_MODEL, config } from "./config";
import { cpus, maskWords } from "./layout";
import { readCost, storeCost, writeCost } from "./lines";
import { reg, setReg } from "./operands";
import { price, PRICE_MASK_STEP, PRICE_RMW } from "./prices";
import * as isa from "./isa";

/** The step is disabled: what it waits for is in blockedOn. */
export const BLOCKED: i32 = -1;
export let blockedOn: usize = 0;
export let blockedOnLock: bool = false;

// @ts-ignore: decorator
@inline
export function block(address: usize, isLock: bool): i32 {
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

export function rmw(cpu: u32, op: u32, r: usize, w: u64, at: usize, pc: u32): i32 {
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
export function lockStep(cpu: u32, op: u32, r: usize, w: u64, at: usize, pc: u32): i32 {
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

export function maskStep(cpu: u32, op: u32, r: usize, w: u64, at: usize, pc: u32): i32 {
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

export function await_(cpu: u32, r: usize, w: u64, at: usize): i32 {
  const value = loadCell(cpu, at);
  const c = reg(r, <u32>(w >> 32) & 255);
  const relation = <u32>(w >> 40) & 255;
  const holds = relation == 0 ? value == c : relation == 1 ? value != c : relation == 2 ? value < c : value >= c;
  if (!holds) return block(at, false);
  setReg(r, <u32>(w >> 8) & 255, value);
  return readCost(cpu, at);
}
