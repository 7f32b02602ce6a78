/*
 * What happens, told to the host as it happens: so that the order of events that the clock chose can be played again, choice by choice.
 * Only the debug build tells; in the other one these calls are nothing.
 */
import { recordAt } from "./feed";

/** An access of the task that the CPU runs, faulting or not: vpn, kind. */
export const EVENT_ACCESS: u32 = 0;
/** A program begins in the task context, its arguments in the registers: pc. */
export const EVENT_BEGIN: u32 = 1;
/** A step was taken. */
export const EVENT_STEP: u32 = 2;
/** The CPU takes its pending interrupt. */
export const EVENT_DELIVER: u32 = 3;
/** The clock lets all buffered stores of the CPU become visible. */
export const EVENT_DRAIN_ALL: u32 = 4;
/** The CPU's current task changes: task + 1, 0 for none. */
export const EVENT_TASK: u32 = 5;

// @ts-ignore: decorator
@external("env", "observe")
declare function tell(event: u32, cpu: u32, a: u64, b: u64): void;

// @ts-ignore: decorator
@inline
export function observe(event: u32, cpu: u32, a: u64 = 0, b: u64 = 0): void {
  if (!ASC_NO_ASSERT) tell(event, cpu, a, b);
}

/** The records from..to-1 of a task are accesses, and were done. */
// @ts-ignore: decorator
@inline
export function observeAccesses(cpu: u32, task: u32, from: u64, to: u64): void {
  if (!ASC_NO_ASSERT) {
    for (let at = from; at < to; at++) {
      const record = load<u64>(recordAt(task, at));
      tell(EVENT_ACCESS, cpu, record >> 12, record & 15);
    }
  }
}
