/*
 * Programs as functions, in place of the interpreter under the clock. The host (src/engine/compile.ts) may put functions into the engine's
 * table, each of which runs the ops from one on: a step, if it starts with one, and the free ops behind it. `codes` says for each op
 * which function starts there. What a function returns:
 *
 *   0          20            31           32        64
 *   | next op   | free ops ran | next is a step | price of the step, or BLOCKED |
 */
import { NO_PC, runFree } from "./free";
import { OP_BYTES, OP_FREE_FIRST } from "./isa";
import { codes, PROGRAM } from "./layout";
import { ST_TLB } from "./offsets";
import { FREE_OPS } from "./stats";
import { execute } from "./step";
import { BLOCKED } from "./step-memory";

/** Whether functions are called, and ops noted for which there are none yet. */
export let usesCode: bool = false;

export function useCode(): void {
  usesCode = true;
}

/** Nothing is known of what starts here; it was run, and has no function yet; it can have none. */
export const CODE_UNKNOWN: u32 = 0;
export const CODE_WANTED: u32 = 0xffff;
export const CODE_NONE: u32 = 0xfffe;

// @ts-ignore: decorator
@inline
function codeOf(pc: u32): u32 {
  return load<u16>(codes + (<usize>pc << 1));
}

// @ts-ignore: decorator
@inline
function isCode(code: u32): bool {
  return code - 1 < CODE_NONE - 1;
}

/** Has the host compile what starts at an op, when it does so the next time. */
function wantCode(pc: u32, code: u32): void {
  if (code == CODE_UNKNOWN) store<u16>(codes + (<usize>pc << 1), <u16>CODE_WANTED);
}

/** Calls a function with its CPU, that CPU's blocks, and the registers of the context. */
// @ts-ignore: decorator
@inline
function call(code: u32, cpu: u32, c: usize, k: usize, s: usize, r: usize): u64 {
  return call_indirect<u64>(code, cpu, c, k, s, r);
}

// @ts-ignore: decorator
@inline
function nextOf(went: u64): u32 {
  return <u32>went & 0xfffff;
}

// @ts-ignore: decorator
@inline
function ranOf(went: u64): u32 {
  return (<u32>went >> 20) & 0x7ff;
}

// @ts-ignore: decorator
@inline
function isStepNext(went: u64): bool {
  return (<u32>went >> 31) != 0;
}

/** The op to go on with behind stepBy(): a step, or a free op that is to be run by goOn(); see `rests`. */
export let nextPc: u32 = 0;
/** Whether nextPc is a step. */
export let rests: bool = false;

/** The step at `pc`, with its function if it has one: its price, or BLOCKED. */
// @ts-ignore: decorator
@inline
export function stepBy(cpu: u32, c: usize, k: usize, s: usize, r: usize, pc: u32): i32 {
  const code = codeOf(pc);
  if (!isCode(code)) {
    wantCode(pc, code);
    nextPc = pc + 1;
    rests = false;
    return execute(cpu, r, pc);
  }
  const went = call(code, cpu, c, k, s, r);
  const cost = <i32>(went >> 32);
  if (cost == BLOCKED) return BLOCKED;
  nextPc = nextOf(went);
  rests = isStepNext(went);
  count(s, ranOf(went));
  return cost;
}

// @ts-ignore: decorator
@inline
function count(s: usize, ran: u32): void {
  const at = s + ST_TLB + (<usize>FREE_OPS << 3);
  store<u64>(at, load<u64>(at) + <u64>ran);
}

/** Runs free ops from `pc` on, as runFree() does, with the functions that there are. */
export function goOn(cpu: u32, c: usize, k: usize, s: usize, r: usize, pc: u32): u32 {
  while (pc != NO_PC && <u32>load<u8>(PROGRAM + <usize>pc * <usize>OP_BYTES) >= OP_FREE_FIRST) {
    const code = codeOf(pc);
    if (isCode(code)) {
      const went = call(code, cpu, c, k, s, r);
      count(s, ranOf(went));
      pc = nextOf(went);
      if (isStepNext(went)) return pc;
    } else {
      wantCode(pc, code);
      pc = runFree(cpu, r, pc, true);
    }
  }
  return pc;
}
