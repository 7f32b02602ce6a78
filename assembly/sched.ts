/*
 * Which task runs where: task t on CPU t mod cpus, round robin among those that can run. A task that waits sleeps; its CPU runs another
 * one, or idles. The switch itself is a program of the kernel (context_switch).
 */
import { CFG_SLICE, CFG_SWITCH_ENTRY, CFG_SWITCH_INDEX, config } from "./config";
import { NEVER } from "./due";
import {
  hasRecords, setTaskState, TASK_RUNNABLE, TASK_STARVED, TASK_WAITS_CALLS, taskAt, taskTop, waitIsOver,
} from "./feed";
import { wantDue } from "./ipi";
import { clk, hw } from "./addresses";
import { cpus } from "./layout";
import {
  CK_CLOCK, CK_ENTRY, CK_MODE, CK_NEXT_TASK, CK_SLICE_END, CK_TRAP, CK_TRAP_TIME, HW_REGS, HW_TASK, TT_READY, TT_STATE,
} from "./offsets";
import { EVENT_TASK, observe } from "./observe";
import { price, PRICE_CONTEXT_SWITCH } from "./prices";
import { CONTEXT_SWITCHES, CYCLES_KERNEL, spend, tally } from "./stats";
import { begin } from "./step";

export const MODE_IDLE: u32 = 0;
export const MODE_USER: u32 = 1;
export const MODE_KERNEL: u32 = 2;

/** The argument of context_switch that means the idle task. */
const IDLE_TASK: u64 = 0xffffffff;
/** No task. */
const NOBODY: u32 = 0;

/** The next task of the CPU that can run by `time`, after the current one in turn, as task + 1; 0 when there is none. */
function pick(cpu: u32, time: u64): u32 {
  const top = taskTop();
  const current = load<u32>(hw(cpu), HW_TASK);
  // Tasks cpu, cpu + cpus, ...: `turn` counts them; the current one is asked last.
  const n = top > cpu ? (top - cpu + cpus - 1) / cpus : 0;
  const at = current == NOBODY ? n - 1 : (current - 1 - cpu) / cpus;
  for (let i: u32 = 1; i <= n; i++) {
    const task = cpu + ((at + i) % n) * cpus;
    const t = taskAt(task);
    if (load<u32>(t, TT_STATE) == TASK_RUNNABLE && load<u64>(t, TT_READY) <= time) return task + 1;
  }
  return NOBODY;
}

/** Earliest time at which a task of an idle CPU can run, or NEVER. */
export function readyTime(cpu: u32): u64 {
  const top = taskTop();
  let least = NEVER;
  for (let task = cpu; task < top; task += cpus) {
    const t = taskAt(task);
    if (load<u32>(t, TT_STATE) == TASK_RUNNABLE) least = min(least, load<u64>(t, TT_READY));
  }
  return least;
}

/** Whether a task other than the current one could run on the CPU now. */
export function hasOtherRunnable(cpu: u32): bool {
  const next = pick(cpu, load<u64>(clk(cpu), CK_CLOCK));
  return next != NOBODY && next != load<u32>(hw(cpu), HW_TASK);
}

/** Whether a task other than the current one may want the CPU at any time. */
export function hasOtherTask(cpu: u32): bool {
  const top = taskTop();
  const current = load<u32>(hw(cpu), HW_TASK);
  for (let task = cpu; task < top; task += cpus) {
    if (task + 1 != current && load<u32>(taskAt(task), TT_STATE) == TASK_RUNNABLE) return true;
  }
  return false;
}

/** Gives the CPU to the next task that can run; without one, and if the current one cannot go on, to the idle task. */
export function reschedule(cpu: u32): void {
  const c = hw(cpu);
  const k = clk(cpu);
  const next = pick(cpu, load<u64>(k, CK_CLOCK));
  store<u32>(k, 0, CK_TRAP);
  store<u64>(k, load<u64>(k, CK_CLOCK) + <u64>config(CFG_SLICE), CK_SLICE_END);
  if (next == load<u32>(c, HW_TASK)) {
    store<u32>(k, next == NOBODY ? MODE_IDLE : MODE_USER, CK_MODE);
    return;
  }
  tally(cpu, CONTEXT_SWITCHES, 1);
  store<u64>(k, load<u64>(k, CK_CLOCK), CK_TRAP_TIME);
  spend(cpu, price(PRICE_CONTEXT_SWITCH), CYCLES_KERNEL);
  store<u32>(k, next, CK_NEXT_TASK);
  store<u32>(k, config(CFG_SWITCH_INDEX), CK_ENTRY);
  store<u32>(k, MODE_KERNEL, CK_MODE);
  store<u64>(c + HW_REGS, next == NOBODY ? IDLE_TASK : <u64>(next - 1));
  begin(cpu, config(CFG_SWITCH_ENTRY));
}

/** context_switch ended: the CPU now runs the task it was given. */
export function switched(cpu: u32): void {
  const k = clk(cpu);
  const next = load<u32>(k, CK_NEXT_TASK);
  observe(EVENT_TASK, cpu, next);
  store<u32>(hw(cpu), next, HW_TASK);
  store<u32>(k, next == NOBODY ? MODE_IDLE : MODE_USER, CK_MODE);
  store<u64>(k, load<u64>(k, CK_CLOCK) + <u64>config(CFG_SLICE), CK_SLICE_END);
}

/** A sleeping task may run from `time` on, if what it waited for is there. */
export function release(task: u32, time: u64): void {
  const t = taskAt(task);
  const state = load<u32>(t, TT_STATE);
  if (state == TASK_STARVED ? !hasRecords(task) : !waitIsOver(task)) return;
  setTaskState(task, TASK_RUNNABLE);
  store<u64>(t, max(time, load<u64>(t, TT_READY)), TT_READY);
  wakeCpuFor(task);
}

/** Makes the weave look at the CPU of a task that became runnable, if it idles. */
export function wakeCpuFor(task: u32): void {
  const cpu = task % cpus;
  const k = clk(cpu);
  if (load<u32>(k, CK_MODE) == MODE_IDLE) wantDue(cpu, max(load<u64>(k, CK_CLOCK), load<u64>(taskAt(task), TT_READY)));
}

/** Tasks that wait for calls look again, now that one more is done. */
export function releaseCallWaiters(time: u64): void {
  const top = taskTop();
  for (let task: u32 = 0; task < top; task++) {
    if (load<u32>(taskAt(task), TT_STATE) == TASK_WAITS_CALLS) release(task, time);
  }
}
