/*
 * Steps that act on hardware and on the kernel's big objects: translations, frames, page tables, ranges, the page cache, call queues.
 */
import { drainAll } from "./cells";
import { copyBegins } from "./copies";
import { CFG_WORKS, config } from "./config";
import { FAR_FRAMES, tally } from "./stats";
import { allocateBlock, allocateTable, freeBlock, freeTable, isFar } from "./frames";
import { pop, push } from "./ipi";
import { NONE } from "./isa";
import { queueLine, radixBits } from "./layout";
import { readCost, writeCost } from "./lines";
import { reg, setReg } from "./operands";
import {
  price, PRICE_CACHE_LOAD, PRICE_CACHE_STORE, PRICE_CR3_FLUSH, PRICE_CR3_NO_FLUSH, PRICE_FLUSH_ALL, PRICE_FLUSH_PCID, PRICE_FRAME_ALLOC,
  PRICE_FRAME_COPY, PRICE_FRAME_FREE, PRICE_FRAME_REMOTE, PRICE_FRAME_ZERO, PRICE_INVLPG, PRICE_QUEUE_POP, PRICE_QUEUE_PUSH, PRICE_RANGE_FIND, PRICE_RANGE_SET,
  PRICE_TABLE_ALLOC, PRICE_TABLE_FREE,
} from "./prices";
import { cacheLoad, cacheSlot, cacheStore, findRange, foundEnd, foundStart, mapOf, setRange } from "./ranges";
import { flushAll, flushPcid, invalidateEverywhere, invlpg, loadRoot, NO_PCID, spaceOf } from "./tlb";
import { panic, TRAP_BAD_OP } from "./trap";
import * as isa from "./isa";

/** Executes the step and returns its price. */
export function machineStep(cpu: u32, op: u32, r: usize, w: u64, imm: u64, pc: u32): i32 {
  if (op == isa.OP_QPUSH || op == isa.OP_QPOP) return queueStep(cpu, op, r, w);
  if (op <= isa.OP_INVAL_EVERYWHERE) return tlbStep(cpu, op, r, w);
  if (op <= isa.OP_TFREE) return frameStep(cpu, op, r, w, pc);
  if (op <= isa.OP_XSTORE) return lookupStep(cpu, op, r, w);
  if (op == isa.OP_WORK) return config(CFG_WORKS + <u32>imm);
  panic(TRAP_BAD_OP, (<u64>pc << 32) | op);
  return 0;
}

function queueStep(cpu: u32, op: u32, r: usize, w: u64): i32 {
  const dst = <u32>(w >> 8) & 255;
  drainAll(cpu);
  if (op == isa.OP_QPOP) {
    const cost = writeCost(cpu, queueLine(cpu)) + price(PRICE_QUEUE_POP);
    setReg(r, dst, pop(cpu));
    return cost;
  }
  const target = <u32>reg(r, <u32>(w >> 32) & 255);
  const cost = writeCost(cpu, queueLine(target)) + price(PRICE_QUEUE_PUSH);
  setReg(r, dst, push(cpu, target) ? 1 : 0);
  return cost;
}

/** Invalidations and loads of CR3 serialise: every earlier store is visible before they act. */
function tlbStep(cpu: u32, op: u32, r: usize, w: u64): i32 {
  const a = reg(r, <u32>(w >> 16) & 255);
  const b = reg(r, <u32>(w >> 24) & 255);
  const c = reg(r, <u32>(w >> 32) & 255);
  drainAll(cpu);
  switch (op) {
    case isa.OP_INVLPG:
      invlpg(cpu, c);
      return price(PRICE_INVLPG);
    case isa.OP_FLUSH_PCID:
      flushPcid(cpu, <u32>c);
      return price(PRICE_FLUSH_PCID);
    case isa.OP_FLUSH_ALL:
      flushAll(cpu);
      return price(PRICE_FLUSH_ALL);
    case isa.OP_CR3:
      loadRoot(cpu, <u32>a, <u32>b, c != 0);
      return price(c != 0 ? PRICE_CR3_NO_FLUSH : PRICE_CR3_FLUSH);
    default:
      invalidateEverywhere(spaceOf(<u32>a, NO_PCID), b, c);
      return 0;
  }
}

/** How many frames in a row, as a power of 2: one, as many as a 2M page has, or a 1G page. */
function orderIn(r: usize, register: u32): u32 {
  const order = register == NONE ? 0 : <u32>reg(r, register);
  if (order != 0 && order != radixBits && order != 2 * radixBits) panic(TRAP_BAD_OP, order);
  return order;
}

/** What it adds that one of these frames is memory of another node. */
function farPrice(cpu: u32, from: u32, to: u32): u32 {
  if (!isFar(cpu, from) && !isFar(cpu, to)) return 0;
  tally(cpu, FAR_FRAMES, 1);
  return price(PRICE_FRAME_REMOTE);
}

function frameStep(cpu: u32, op: u32, r: usize, w: u64, pc: u32): i32 {
  const dst = <u32>(w >> 8) & 255;
  const a = reg(r, <u32>(w >> 16) & 255);
  const b = reg(r, <u32>(w >> 24) & 255);
  const c = reg(r, <u32>(w >> 32) & 255);
  switch (op) {
    case isa.OP_FALLOC:
      setReg(r, dst, allocateBlock(cpu, orderIn(r, <u32>(w >> 16) & 255)));
      return price(PRICE_FRAME_ALLOC);
    case isa.OP_FFREE:
      drainAll(cpu);
      freeBlock(<u32>a, orderIn(r, <u32>(w >> 24) & 255), pc);
      return price(PRICE_FRAME_FREE);
    case isa.OP_FZERO:
      return price(PRICE_FRAME_ZERO) + farPrice(cpu, <u32>a, <u32>a);
    case isa.OP_FCOPY:
      copyBegins(<u32>a, <u32>b, <u32>reg(r, <u32>(w >> 40) & 255), c, pc);
      return price(PRICE_FRAME_COPY) + farPrice(cpu, <u32>a, <u32>b);
    case isa.OP_TALLOC: {
      const root = (<u32>(w >> 16) & 255) == NONE ? 0 : <u32>a;
      setReg(r, dst, allocateTable(root, <u32>b, c));
      return price(PRICE_TABLE_ALLOC);
    }
    default:
      drainAll(cpu);
      freeTable(<u32>a, pc);
      return price(PRICE_TABLE_FREE);
  }
}

function lookupStep(cpu: u32, op: u32, r: usize, w: u64): i32 {
  const dst = <u32>(w >> 8) & 255;
  const a = reg(r, <u32>(w >> 16) & 255);
  const c = <u32>(w >> 32) & 255;
  const d = reg(r, <u32>(w >> 40) & 255);
  if (op == isa.OP_RFIND) {
    const value = findRange(<u32>a, d);
    setReg(r, <u32>(w >> 24) & 255, foundStart);
    setReg(r, c, foundEnd);
    setReg(r, dst, value);
    return readCost(cpu, mapOf(<u32>a)) + price(PRICE_RANGE_FIND);
  }
  if (op == isa.OP_RSET) {
    drainAll(cpu);
    setRange(<u32>a, reg(r, <u32>(w >> 24) & 255), reg(r, c), d);
    return writeCost(cpu, mapOf(<u32>a)) + price(PRICE_RANGE_SET);
  }
  const at = cacheSlot(reg(r, c));
  if (op == isa.OP_XLOAD) {
    setReg(r, dst, cacheLoad(reg(r, c)));
    return readCost(cpu, at) + price(PRICE_CACHE_LOAD);
  }
  drainAll(cpu);
  cacheStore(reg(r, c), d);
  return writeCost(cpu, at) + price(PRICE_CACHE_STORE);
}
