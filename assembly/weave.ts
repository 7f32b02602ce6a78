/*
 * One event of the weave phase on one CPU: an interrupt taken, a kernel step, a trap of the bound phase, the end of idling.
 */
import { CFG_ENTRIES, CFG_ENTRY_PC, CFG_FAULT_ENTRY, CFG_FAULT_INDEX, CFG_IMAGE_INDEX, CFG_SWITCH_INDEX, config } from "./config";
import { NEVER } from "./due";
import {
  CALL_WORDS, callDone, FEED_END, FEED_START, FEED_WAIT_CALLS, FEED_WAIT_TASK, publishConsumed, recordAt, setTaskState, startTask, TASK_ENDED, TASK_WAITS_CALLS,
  TASK_WAITS_TASK, taskAt, waitingTasks, watermark,
} from "./feed";
import { canDeliver, deliver } from "./ipi";
import { clk, hw } from "./addresses";
import {
  CK_ARRIVAL, CK_CLOCK, CK_ENTRY, CK_FAULT_REPEATS, CK_LAST_FAULT, CK_MODE, CK_TRAP, CK_TRAP_A, CK_TRAP_B, CK_TRAP_TIME, HW_IN_IRQ,
  HW_REGS, HW_STATUS0, HW_TASK, TT_CONSUMED, TT_WAIT_A, TT_WAIT_B,
} from "./offsets";
import { TRAP_CALL, TRAP_CONTROL, TRAP_DRY, TRAP_FAULT, TRAP_NONE } from "./bound";
import {
  price, PRICE_FAULT_ENTRY, PRICE_FAULT_EXIT, PRICE_IDLE_WAKE, PRICE_IRQ_ENTRY, PRICE_IRQ_EXIT, PRICE_SYSCALL_ENTRY, PRICE_SYSCALL_EXIT,
} from "./prices";
import { MODE_IDLE, MODE_KERNEL, MODE_USER, readyTime, releaseCallWaiters, reschedule, switched, wakeCpuFor } from "./sched";
import { CYCLES_IDLE, CYCLES_IRQ, CYCLES_KERNEL, FAULTS_RETRIED, sample, SKIPPED_ACCESSES, spend, tally } from "./stats";
import { begin, settle } from "./step";
import { panic, TRAP_BAD_FEED, TRAP_RUNAWAY } from "./trap";
import { endWait, isWaiting, waitKind, wakeAll } from "./waiters";

/** Faults in a row on one access after which the simulated kernel is taken to be stuck. */
const FAULTS_MAX: u32 = 10000;

/** When the CPU's next event of the weave is, or NEVER. */
export function weaveTime(cpu: u32): u64 {
  const k = clk(cpu);
  const clock = load<u64>(k, CK_CLOCK);
  const interrupt = canDeliver(cpu) ? max(clock, load<u64>(k, CK_ARRIVAL)) : NEVER;
  const mode = load<u32>(k, CK_MODE);
  if (mode == MODE_KERNEL || load<u32>(hw(cpu), HW_IN_IRQ) != 0) return isWaiting(cpu) ? interrupt : clock;
  // Its own records come first, in the next bound phase: they are cut where the interrupt arrives.
  if (mode == MODE_USER) return hasTrap(k) || interrupt == clock ? clock : NEVER;
  const ready = readyTime(cpu);
  return min(interrupt, ready == NEVER ? NEVER : max(clock, ready));
}

/** Whether a CPU in user mode needs the weave to go on; a dry one needs the host first. */
function hasTrap(k: usize): bool {
  const kind = load<u32>(k, CK_TRAP);
  return kind != TRAP_NONE && kind != TRAP_DRY;
}

/** Takes the pending interrupt, if it has arrived and the CPU can take it. Returns whether it has. */
export function takeInterrupt(cpu: u32): bool {
  if (!canDeliver(cpu)) return false;
  const k = clk(cpu);
  const arrival = load<u64>(k, CK_ARRIVAL);
  const mode = load<u32>(k, CK_MODE);
  const waits = mode == MODE_KERNEL ? isWaiting(cpu) : mode == MODE_IDLE && readyTime(cpu) >= arrival;
  if (arrival > load<u64>(k, CK_CLOCK) && !waits) return false;
  interrupt(cpu, arrival);
  return true;
}

/** Runs the event that weaveTime() announced outside the kernel. An interrupt that is still on its way does not stop user code. */
export function userEvent(cpu: u32): void {
  const k = clk(cpu);
  if (load<u32>(k, CK_MODE) != MODE_USER) leaveIdle(cpu);
  else if (hasTrap(k) || !canDeliver(cpu)) handleTrap(cpu);
}

function interrupt(cpu: u32, arrival: u64): void {
  const k = clk(cpu);
  const clock = load<u64>(k, CK_CLOCK);
  const waits = isWaiting(cpu);
  const isIdle = load<u32>(k, CK_MODE) == MODE_IDLE;
  if (arrival > clock) spend(cpu, arrival - clock, waits ? waitKind(cpu) : CYCLES_IDLE);
  // The step it waited for is tried again after the handler; endWait() keeps its place in the queue.
  if (waits) endWait(cpu);
  if (isIdle) spend(cpu, price(PRICE_IDLE_WAKE), CYCLES_IRQ);
  spend(cpu, price(PRICE_IRQ_ENTRY), CYCLES_IRQ);
  deliver(cpu);
  settle(cpu);
  wakeAll(cpu);
  if (load<u32>(hw(cpu), HW_IN_IRQ) == 0) spend(cpu, price(PRICE_IRQ_EXIT), CYCLES_IRQ);
}

/** Enters the kernel at an entry; arguments are in the registers. */
function enter(cpu: u32, entry: u32, pc: u32, cost: u32): void {
  assert(entry < config(CFG_ENTRIES));
  const k = clk(cpu);
  store<u64>(k, load<u64>(k, CK_CLOCK), CK_TRAP_TIME);
  spend(cpu, cost, CYCLES_KERNEL);
  store<u32>(k, entry, CK_ENTRY);
  store<u32>(k, MODE_KERNEL, CK_MODE);
  begin(cpu, pc);
}

function handleTrap(cpu: u32): void {
  const k = clk(cpu);
  const regs = hw(cpu) + HW_REGS;
  const kind = load<u32>(k, CK_TRAP);
  if (kind == TRAP_FAULT) {
    store<u64>(regs, load<u64>(k, CK_TRAP_A));
    store<u64>(regs, load<u32>(k, CK_TRAP_B), 8);
    enter(cpu, config(CFG_FAULT_INDEX), config(CFG_FAULT_ENTRY), price(PRICE_FAULT_ENTRY));
  } else if (kind == TRAP_CALL) {
    const task = load<u32>(hw(cpu), HW_TASK) - 1;
    const position = load<u64>(k, CK_TRAP_A);
    const entry = <u32>(load<u64>(recordAt(task, position)) >> 4) & 0xffff;
    for (let i: u32 = 0; i < 6; i++) store<u64>(regs + (<usize>i << 3), load<u64>(recordAt(task, position + 1 + i)));
    enter(cpu, entry, config(CFG_ENTRY_PC + entry), entry == config(CFG_IMAGE_INDEX) ? 0 : price(PRICE_SYSCALL_ENTRY));
  } else if (kind == TRAP_CONTROL) {
    control(cpu);
  } else {
    reschedule(cpu);
  }
}

/** The program of the task context ended. */
export function ended(cpu: u32): void {
  const k = clk(cpu);
  const entry = load<u32>(k, CK_ENTRY);
  if (entry == config(CFG_SWITCH_INDEX)) {
    sample(entry, cpu, load<u64>(k, CK_CLOCK) - load<u64>(k, CK_TRAP_TIME));
    switched(cpu);
    return;
  }
  const task = load<u32>(hw(cpu), HW_TASK) - 1;
  const t = taskAt(task);
  store<u32>(k, TRAP_NONE, CK_TRAP);
  store<u32>(k, MODE_USER, CK_MODE);
  if (entry == config(CFG_FAULT_INDEX)) {
    spend(cpu, price(PRICE_FAULT_EXIT), CYCLES_KERNEL);
    faultEnded(cpu, t);
  } else {
    if (entry != config(CFG_IMAGE_INDEX)) spend(cpu, price(PRICE_SYSCALL_EXIT), CYCLES_KERNEL);
    const position = load<u64>(t, TT_CONSUMED);
    callDone(load<u64>(recordAt(task, position)) >> 20);
    store<u64>(t, position + CALL_WORDS, TT_CONSUMED);
    publishConsumed(task);
    if (waitingTasks() != 0) releaseCallWaiters(load<u64>(k, CK_CLOCK));
  }
  sample(entry, cpu, load<u64>(k, CK_CLOCK) - load<u64>(k, CK_TRAP_TIME));
}

/** After a fault the access is tried again, unless the program said that it can never succeed. */
function faultEnded(cpu: u32, t: usize): void {
  const k = clk(cpu);
  const position = load<u64>(t, TT_CONSUMED);
  if (load<u64>(hw(cpu), HW_STATUS0) != 0) {
    store<u64>(t, position + 1, TT_CONSUMED);
    tally(cpu, SKIPPED_ACCESSES, 1);
    return;
  }
  if (load<u64>(k, CK_LAST_FAULT) == position + 1) {
    tally(cpu, FAULTS_RETRIED, 1);
    const repeats = load<u32>(k, CK_FAULT_REPEATS) + 1;
    if (repeats > FAULTS_MAX) panic(TRAP_RUNAWAY, position);
    store<u32>(k, repeats, CK_FAULT_REPEATS);
  } else {
    store<u64>(k, position + 1, CK_LAST_FAULT);
    store<u32>(k, 0, CK_FAULT_REPEATS);
  }
}

/** A record of control that the bound phase could not decide. */
function control(cpu: u32): void {
  const k = clk(cpu);
  const task = load<u32>(hw(cpu), HW_TASK) - 1;
  const t = taskAt(task);
  const position = load<u64>(t, TT_CONSUMED);
  const record = load<u64>(recordAt(task, position));
  const kind = <u32>record & 15;
  const operand = record >> 4;
  store<u32>(k, TRAP_NONE, CK_TRAP);
  store<u64>(t, position + (kind == FEED_WAIT_TASK ? 2 : 1), TT_CONSUMED);
  publishConsumed(task);
  if (kind == FEED_START) {
    startTask(<u32>operand, load<u64>(k, CK_CLOCK));
    wakeCpuFor(<u32>operand);
  } else if (kind == FEED_END) {
    setTaskState(task, TASK_ENDED);
    reschedule(cpu);
  } else if (kind == FEED_WAIT_CALLS) {
    if (watermark() >= operand) return;
    store<u64>(t, operand, TT_WAIT_A);
    setTaskState(task, TASK_WAITS_CALLS);
    reschedule(cpu);
  } else if (kind == FEED_WAIT_TASK) {
    const records = load<u64>(recordAt(task, position + 1));
    if (load<u64>(taskAt(<u32>operand), TT_CONSUMED) >= records) return;
    store<u64>(t, operand, TT_WAIT_A);
    store<u64>(t, records, TT_WAIT_B);
    setTaskState(task, TASK_WAITS_TASK);
    reschedule(cpu);
  } else {
    panic(TRAP_BAD_FEED, record);
  }
}

function leaveIdle(cpu: u32): void {
  const k = clk(cpu);
  const ready = readyTime(cpu);
  const clock = load<u64>(k, CK_CLOCK);
  if (ready > clock) spend(cpu, ready - clock, CYCLES_IDLE);
  spend(cpu, price(PRICE_IDLE_WAKE), CYCLES_IDLE);
  reschedule(cpu);
}
