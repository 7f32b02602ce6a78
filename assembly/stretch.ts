/*
 * Events of one CPU in a row, for as long as they come before everybody else's: most of the weave phase. A step costs about as much as
 * finding out where things are, so that is done once for all of them.
 */
import { drainAll } from "./cells";
import { goOn, nextPc, rests, stepBy, usesCode } from "./compiled";
import { CFG_BOUND_ORDER, config } from "./config";
import { dueMoved, forgetMoved, NEVER, rivalOf } from "./due";
import { NO_PC, runFree } from "./free";
import { clk, hw, st } from "./addresses";
import { hwRegs1 } from "./layout";
import { EVENT_DRAIN_ALL, EVENT_STEP, observe } from "./observe";
import {
  CK_CLOCK, CK_MODE, HW_IN_IRQ, HW_LIVE0, HW_PC0, HW_PC1, HW_PENDING, HW_REGS, HW_STARTED, ST_CYCLES, ST_TLB,
} from "./offsets";
import { callBegins } from "./order";
import { price, PRICE_IRQ_EXIT } from "./prices";
import { MODE_KERNEL } from "./sched";
import { CYCLES_IRQ, CYCLES_KERNEL, KERNEL_STEPS, spend } from "./stats";
import { execute, isNextPrivate } from "./step";
import { BLOCKED, blockedOn, blockedOnLock } from "./step-memory";
import { beginWait, leaveQueue, wakeAll } from "./waiters";
import { ended, takeInterrupt, userEvent, weaveTime } from "./weave";

/** Cycles that a CPU may be ahead of all others by steps that are its own business. */
const PRIVATE_MAX: u64 = 1 << 16;

/**
 * Runs events of the CPU whose turn it is up to `end`, for as long as it stays first, or does what nobody can notice. Order 0 of the bound
 * phase alone does the latter, so that tests see that it changes nothing. Returns the time of the next event, or NEVER; what the tree says
 * of this CPU meanwhile is not read.
 */
export function stretch(cpu: u32, end: u64): u64 {
  const k = clk(cpu);
  const c = hw(cpu);
  const latest = config(CFG_BOUND_ORDER) == 0 ? end + PRIVATE_MAX : 0;
  forgetMoved();
  let limit = min(end << 10, rivalOf(cpu));
  let at: u64 = 0;
  do {
    const inIrq = load<u32>(c, HW_IN_IRQ) != 0;
    if (load<u32>(c, HW_PENDING) != 0 && takeInterrupt(cpu)) {
      at = weaveTime(cpu);
    } else if (inIrq || load<u32>(k, CK_MODE) == MODE_KERNEL) {
      at = usesCode ? kernelStep(cpu, k, c, inIrq, true) : kernelStep(cpu, k, c, inIrq, false);
    } else {
      userEvent(cpu);
      at = weaveTime(cpu);
    }
    if (dueMoved) {
      forgetMoved();
      limit = min(end << 10, rivalOf(cpu));
    }
  } while (at != NEVER && (((at << 10) | <u64>cpu) < limit || (at < latest && isNextPrivate(cpu))));
  return at;
}

/** The next kernel step, or the end of the program that has none left. Returns the time of the next event, or NEVER. */
// @ts-ignore: decorator
@inline
function kernelStep(cpu: u32, k: usize, c: usize, inIrq: bool, compiled: bool): u64 {
  // A handler that ends leaves the interrupt.
  if (!inIrq && load<u32>(c, HW_LIVE0) == 0) {
    ended(cpu);
    return weaveTime(cpu);
  }
  const r = c + (inIrq ? hwRegs1 : HW_REGS);
  const pcAt = c + (inIrq ? HW_PC1 : HW_PC0);
  const pc = load<u32>(pcAt);
  const s = st(cpu);
  const cost = compiled ? stepBy(cpu, c, k, s, r, pc) : execute(cpu, r, pc);
  if (cost == BLOCKED) {
    beginWait(cpu, blockedOn, blockedOnLock);
    return weaveTime(cpu);
  }
  if (!inIrq) {
    if (load<u32>(c, HW_STARTED) == 0) callBegins(cpu);
    // The task of an interrupted waiter is still in its queue.
    leaveQueue(cpu);
  }
  store<u32>(pcAt, pc + 1);
  observe(EVENT_STEP, cpu);
  charge(s, k, cost, inIrq);
  // The clock's choice among the legal ones: a store becomes visible as soon as its step is over.
  observe(EVENT_DRAIN_ALL, cpu);
  drainAll(cpu);
  const next = !compiled ? runFree(cpu, r, pc + 1) : rests ? nextPc : goOn(cpu, c, k, s, r, nextPc);
  wakeAll(cpu);
  if (next != NO_PC) {
    store<u32>(pcAt, next);
    return load<u64>(k, CK_CLOCK);
  }
  if (inIrq) spend(cpu, price(PRICE_IRQ_EXIT), CYCLES_IRQ);
  else ended(cpu);
  return weaveTime(cpu);
}

/** What spend() and tally() do for a step. */
// @ts-ignore: decorator
@inline
function charge(s: usize, k: usize, cost: i32, inIrq: bool): void {
  const at = s + ST_CYCLES + (<usize>(inIrq ? CYCLES_IRQ : CYCLES_KERNEL) << 3);
  store<u64>(k, load<u64>(k, CK_CLOCK) + <u64>cost, CK_CLOCK);
  store<u64>(at, load<u64>(at) + <u64>cost);
  store<u64>(s, load<u64>(s, ST_TLB + (<usize>KERNEL_STEPS << 3)) + 1, ST_TLB + (<usize>KERNEL_STEPS << 3));
}
