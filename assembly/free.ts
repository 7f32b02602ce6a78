/*
 * Free ops: arithmetic, branches and ghosts. They take no time, are no interleaving point, and touch nothing that another CPU can see, but
 * for the oracle's promises; so they run at once, behind the step before them.
 */
import { drainAll } from "./cells";
import { CFG_REGISTERS, config } from "./config";
import { NONE, OP_BYTES, OP_FREE_FIRST } from "./isa";
import { clk, hw } from "./addresses";
import { hwRegs1, PROGRAM } from "./layout";
import {
  CK_CLOCK, CK_FLUSH_SINCE, CK_IN_SHOOTDOWN, CK_SHOOTDOWN_SINCE, HW_IN_IRQ, HW_LIVE0, HW_LIVE1, HW_PC0, HW_PC1, HW_REGS, HW_STATUS0,
  HW_STATUS1, HW_TASK,
} from "./offsets";
import { reg } from "./operands";
import { promise } from "./oracle";
import { callEnds } from "./order";
import { count, enterWindow, FREE_OPS, sample, SAMPLE_FLUSH, SAMPLE_SHOOTDOWN, tally } from "./stats";
import { panic, TRAP_BAD_OP, TRAP_RUNAWAY } from "./trap";
import { mightSleep } from "./atomic";
import { judgeClean, recordDirty } from "./dirt";
import * as isa from "./isa";

/** Free ops in a row after which a program is taken for an endless loop. */
const FREE_MAX: u32 = 1000000;

/** In place of a program counter: the context has ended. */
export const NO_PC: u32 = 0xffffffff;

function shootdownMark(cpu: u32, ends: bool): void {
  const k = clk(cpu);
  if (!ends) {
    store<u64>(k, load<u64>(k, CK_CLOCK), CK_SHOOTDOWN_SINCE);
    store<u32>(k, 1, CK_IN_SHOOTDOWN);
  } else if (load<u32>(k, CK_IN_SHOOTDOWN) != 0) {
    store<u32>(k, 0, CK_IN_SHOOTDOWN);
    // The end is marked behind the last wait; a shootdown that sent nothing is none.
    sample(SAMPLE_SHOOTDOWN, cpu, load<u64>(k, CK_CLOCK) - load<u64>(k, CK_SHOOTDOWN_SINCE));
  }
}

function flushMark(cpu: u32, ends: bool): void {
  const k = clk(cpu);
  if (ends) sample(SAMPLE_FLUSH, cpu, load<u64>(k, CK_CLOCK) - load<u64>(k, CK_FLUSH_SINCE));
  else store<u64>(k, load<u64>(k, CK_CLOCK), CK_FLUSH_SINCE);
}

// @ts-ignore: decorator
@inline
function put(r: usize, w: u64, value: u64): void {
  store<u64>(r + (<usize>((w >> 8) & 255) << 3), value);
}

/**
 * Runs the free ops from `pc` up to the next step, which is returned, or to END, which returns NO_PC; or, if `once`, no further than behind
 * the next ghost.
 */
export function runFree(cpu: u32, r: usize, pc: u32, once: bool = false): u32 {
  for (let n: u32 = 0; n < FREE_MAX; n++) {
    const ip = PROGRAM + <usize>pc * <usize>OP_BYTES;
    const w = load<u64>(ip);
    const op = <u32>w & 255;
    if (op < OP_FREE_FIRST) {
      tally(cpu, FREE_OPS, n);
      return pc;
    }
    const imm = load<u64>(ip, 8);
    const b = <u32>(w >> 24) & 255;
    // Both are read, as which one is meant is not predictable; behind the last register there is memory too.
    const x = reg(r, <u32>(w >> 16) & 255);
    const y = select<u64>(imm, reg(r, b), b == NONE);
    pc++;
    switch (op) {
      case isa.OP_LI: put(r, w, imm); break;
      case isa.OP_MOV: put(r, w, x); break;
      case isa.OP_ADD: put(r, w, x + y); break;
      case isa.OP_SUB: put(r, w, x - y); break;
      case isa.OP_AND: put(r, w, x & y); break;
      case isa.OP_OR: put(r, w, x | y); break;
      case isa.OP_XOR: put(r, w, x ^ y); break;
      case isa.OP_SHL: put(r, w, x << (y & 63)); break;
      case isa.OP_SHR: put(r, w, x >> (y & 63)); break;
      case isa.OP_EQ: put(r, w, x == y ? 1 : 0); break;
      case isa.OP_NE: put(r, w, x != y ? 1 : 0); break;
      case isa.OP_LTU: put(r, w, x < y ? 1 : 0); break;
      case isa.OP_LEU: put(r, w, x <= y ? 1 : 0); break;
      case isa.OP_JMP: pc = <u32>imm; break;
      case isa.OP_BZ: if (x == 0) pc = <u32>imm; break;
      case isa.OP_BNZ: if (x != 0) pc = <u32>imm; break;
      case isa.OP_CPU: put(r, w, cpu); break;
      case isa.OP_TASK: put(r, w, <u64>(<u32>(load<u32>(hw(cpu), HW_TASK) - 1))); break;
      case isa.OP_END:
        tally(cpu, FREE_OPS, n + 1);
        end(cpu, (<u32>(w >> 16) & 255) == NONE ? 0 : x);
        return NO_PC;
      default:
        ghost(cpu, op, r, w, imm, pc - 1);
        if (once) {
          tally(cpu, FREE_OPS, n + 1);
          return pc;
        }
    }
  }
  panic(TRAP_RUNAWAY, pc);
  return NO_PC;
}

/** What only the oracle and the statistics see. */
function ghost(cpu: u32, op: u32, r: usize, w: u64, imm: u64, pc: u32): void {
  const a = <u32>(w >> 16) & 255;
  switch (op) {
    case isa.OP_PROMISE:
      promise(cpu, <u32>reg(r, a), reg(r, <u32>(w >> 24) & 255), reg(r, <u32>(w >> 32) & 255), <u32>imm, pc);
      break;
    case isa.OP_WINDOW: enterWindow(cpu, <u32>imm); break;
    case isa.OP_COUNT: count(cpu, <u32>imm, a == NONE ? 1 : reg(r, a)); break;
    case isa.OP_MARK:
      if (imm < 2) shootdownMark(cpu, imm == 1);
      else flushMark(cpu, imm == 3);
      break;
    case isa.OP_CLEAN: judgeClean(<u32>reg(r, a), pc); break;
    case isa.OP_DIRTY: recordDirty(<u32>reg(r, a)); break;
    case isa.OP_SLEEP: mightSleep(cpu, pc); break;
    default: panic(TRAP_BAD_OP, (<u64>pc << 32) | op);
  }
}

/** The current context ends: its registers are cleared, so that finished programs leave equal states. */
function end(cpu: u32, status: u64): void {
  const c = hw(cpu);
  const inIrq = load<u32>(c, HW_IN_IRQ) != 0;
  drainAll(cpu);
  const r = c + (inIrq ? hwRegs1 : HW_REGS);
  const bytes = <usize>(config(CFG_REGISTERS) + 1) << 3;
  for (let at: usize = 0; at < bytes; at += 8) store<u64>(r + at, 0);
  store<u64>(c + (inIrq ? HW_STATUS1 : HW_STATUS0), status);
  store<u32>(c + (inIrq ? HW_LIVE1 : HW_LIVE0), 0);
  store<u32>(c + (inIrq ? HW_PC1 : HW_PC0), 0);
  if (inIrq) store<u32>(c, 0, HW_IN_IRQ);
  else callEnds(cpu);
}
