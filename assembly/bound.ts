/*
 * The bound phase: one CPU runs the accesses of its current task up to a time, touching nothing that another CPU could see but the
 * pending A and D bits, which nobody reads before the weave. Whatever needs others (a fault, a call, a wait) becomes a trap, and ends
 * the CPU's turn.
 */
import { readTurnAhead } from "./ahead";
import { renumber } from "./assoc";
import { now } from "./clock";
import { CFG_QUANTUM, CFG_RING, config } from "./config";
import { FEED_CALL, FEED_COMPUTE, FEED_WAIT_CALLS, FEED_WAIT_TASK, recordAt, taskAt, watermark } from "./feed";
import { canDeliver } from "./ipi";
import { KIND_MODIFY } from "./isa";
import { clk, hw } from "./addresses";
import {
  CK_ARRIVAL, CK_CLOCK, CK_LOG_COUNT, CK_TICK, CK_TRAP, CK_TRAP_A, CK_TRAP_B, HW_TASK, TT_APPENDED, TT_CONSUMED, TT_SEEN,
} from "./offsets";
import { observeAccesses } from "./observe";
import { price, PRICE_ACCESS } from "./prices";
import { run, RUN_MAX, runLeft, runWalked } from "./quick";
import { CYCLES_USER, CYCLES_WALK, spend, tally, TLB_ACCESSES, TLB_FAULTS } from "./stats";
import { access, extraCycles, extraWalkCycles } from "./tlb";
import { logIsFull } from "./walk";

export const TRAP_NONE: u32 = 0;
export const TRAP_CALL: u32 = 1;
export const TRAP_FAULT: u32 = 2;
/** A wait that may not be over, the start of a task, or its end. */
export const TRAP_CONTROL: u32 = 3;
export const TRAP_DRY: u32 = 4;
export const TRAP_SLICE: u32 = 5;

/** Ticks are renumbered from here on; the rest is for the accesses of one run(). */
const TICK_LIMIT: u32 = 0xe0000000;
const TURN_MAX: u64 = <u64>RUN_MAX;

/** End of the quantum in which the last turn stopped; a turn of several quanta may stop in any of them. */
export let turnEnd: u64 = 0;

/** Cycles that CPUs have run in their turns, by this thread. */
export let turnCycles: u64 = 0;

/** End of the quantum to which a time belongs; what is left over from earlier belongs to the current one. */
function quantumEnd(time: u64): u64 {
  const length = <u64>config(CFG_QUANTUM);
  return max(now(), time - (time % length)) + length;
}

/** Stops the turn; the weave takes it from here. */
function trap(cpu: u32, kind: u32, a: u64, b: u32): void {
  const k = clk(cpu);
  store<u32>(k, kind, CK_TRAP);
  store<u64>(k, a, CK_TRAP_A);
  store<u32>(k, b, CK_TRAP_B);
}

/** A record that is no access. Returns whether the turn goes on. */
function other(cpu: u32, task: u32, position: u64, until: u64): bool {
  const k = clk(cpu);
  const t = taskAt(task);
  const at = recordAt(task, position);
  const record = load<u64>(at);
  const kind = <u32>record & 15;
  if (kind == FEED_COMPUTE) {
    const left = record >> 4;
    const clock = load<u64>(k, CK_CLOCK);
    const now = min(left, until - clock);
    spend(cpu, now, CYCLES_USER);
    if (now < left) {
      // The rest stays in the ring: an interrupt may arrive in the middle of a computation.
      store<u64>(at, ((left - now) << 4) | FEED_COMPUTE);
      return false;
    }
    store<u64>(t, position + 1, TT_CONSUMED);
    return true;
  }
  if (kind == FEED_CALL) {
    trap(cpu, TRAP_CALL, position, 0);
    return false;
  }
  if (kind == FEED_WAIT_CALLS && record >> 4 <= watermark()) {
    store<u64>(t, position + 1, TT_CONSUMED);
    return true;
  }
  if (kind == FEED_WAIT_TASK && load<u64>(taskAt(<u32>(record >> 4)), TT_SEEN) >= load<u64>(recordAt(task, position + 1))) {
    store<u64>(t, position + 2, TT_CONSUMED);
    return true;
  }
  trap(cpu, TRAP_CONTROL, position, kind);
  return false;
}

/** The CPU's turn of the quantum that ends at `end`. */
export function turn(cpu: u32, end: u64): void {
  const k = clk(cpu);
  // It may have had its turn before the host was asked for records.
  if (load<u32>(k, CK_TRAP) != TRAP_NONE) return;
  // A pending interrupt stops the turn where it arrives.
  const until = canDeliver(cpu) ? min(end, load<u64>(k, CK_ARRIVAL)) : end;
  if (load<u64>(k, CK_CLOCK) < until) boundRun(cpu, until);
}

/**
 * Runs a CPU that is in user mode until its clock reaches `until` or it traps. Where `until` is quanta away, an A or D bit still ends the
 * turn with the quantum in which it was set: from the next one on it is no news.
 */
export function boundRun(cpu: u32, until: u64): void {
  turnEnd = until;
  const task = load<u32>(hw(cpu), HW_TASK) - 1;
  const t = taskAt(task);
  const k = clk(cpu);
  const limit = load<u64>(t, TT_APPENDED);
  while (load<u64>(k, CK_CLOCK) < turnEnd) {
    const position = accesses(cpu, task, limit, turnEnd);
    if (load<u32>(k, CK_TRAP) != TRAP_NONE || load<u64>(k, CK_CLOCK) >= turnEnd) return;
    if (position == limit) {
      trap(cpu, TRAP_DRY, 0, 0);
      break;
    }
    if (logIsFull(k)) return;
    if (((<u32>load<u64>(recordAt(task, position)) & 15) > KIND_MODIFY) && !other(cpu, task, position, turnEnd)) break;
  }
  if (load<u32>(k, CK_TRAP) != TRAP_NONE) turnEnd = quantumEnd(load<u64>(k, CK_CLOCK));
}

/**
 * Accesses from the task's next record on: run() does the common ones, the others come here one by one. Clock and statistics are written
 * once. Returns the position of the first record that is no access, that faulted (and left a trap), or that finds time, the ring or
 * the A/D log used up.
 */
function accesses(cpu: u32, task: u32, limit: u64, until: u64): u64 {
  const k = clk(cpu);
  const ring = recordAt(task, 0);
  const mask = <usize>(config(CFG_RING) - 1);
  const from = load<u64>(taskAt(task), TT_CONSUMED);
  const start = load<u64>(k, CK_CLOCK);
  let position = from;
  let clock = start;
  let walked: u64 = 0;
  let faults: u64 = 0;
  const first = <usize>from & mask;
  readTurnAhead(cpu, k, ring + (first << 3), <usize>min(limit - from, <u64>(mask + 1 - first)), until - start);
  for (;;) {
    const at = <usize>position & mask;
    const n = run(cpu, ring + (at << 3), <usize>min(min(limit - position, <u64>(mask + 1 - at)), TURN_MAX), until - clock);
    position += <u64>n;
    clock = until - runLeft;
    walked += runWalked;
    if (clock >= until || position >= limit) break;
    const record = load<u64>(ring + ((<usize>position & mask) << 3));
    const kind = <u32>record & 15;
    if (kind > KIND_MODIFY) break;
    const vpn = record >> 12;
    const fault = access(cpu, vpn, kind);
    if (fault != 0 || load<u32>(k, CK_LOG_COUNT) != 0) turnEnd = until = min(until, quantumEnd(clock));
    clock += <u64>price(PRICE_ACCESS) + <u64>extraCycles;
    walked += <u64>extraWalkCycles;
    if (fault != 0) {
      faults = 1;
      tally(cpu, TLB_FAULTS, 1);
      trap(cpu, TRAP_FAULT, vpn, fault & 0x7fffffff);
      break;
    }
    position++;
    if (logIsFull(k) || load<u32>(k, CK_TICK) > TICK_LIMIT) break;
  }
  if (load<u32>(k, CK_TICK) > TICK_LIMIT) renumber(k);
  turnCycles += clock - start;
  spend(cpu, clock - start - walked, CYCLES_USER);
  spend(cpu, walked, CYCLES_WALK);
  tally(cpu, TLB_ACCESSES, position - from + faults);
  observeAccesses(cpu, task, from, position + faults);
  store<u64>(taskAt(task), position, TT_CONSUMED);
  return position;
}
