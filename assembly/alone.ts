/*
 * A CPU that is alone: the only one that executes its task's accesses, while nothing is due. It needs no quanta, which exist for the sake of
 * others, so it runs through many as if they were one, up to the first thing that a quantum would have ended with (bound.ts).
 */
import { nextIn, now } from "./clock";
import { NEVER, nextDue } from "./due";
import { starvedTasks, waitingTasks } from "./feed";
import { clk, hw } from "./addresses";
import { cpus, turns, users } from "./layout";
import { CK_LOG_COUNT, CK_SLICE_END, CK_TRAP, HW_PENDING } from "./offsets";
import { hasOtherTask } from "./sched";

/** Cycles that a CPU may run on alone before the host has a look. */
const ALONE_MAX: u64 = 1 << 22;

/**
 * Until when a CPU may run on through quanta as if they were one: as long as nobody else does anything, nobody waits for what it does, and
 * no other task wants the CPU. 0 unless there is exactly one CPU that runs, and it is at the start of a quantum.
 */
export function aloneUntil(cpu: u32, end: u64): u64 {
  if ((waitingTasks() | starvedTasks()) != 0 || nextIn(users, cpu + 1) < cpus || nextIn(turns, 0) < cpus) return 0;
  const k = clk(cpu);
  if ((load<u32>(k, CK_TRAP) | load<u32>(k, CK_LOG_COUNT) | load<u32>(hw(cpu), HW_PENDING)) != 0) return 0;
  const due = nextDue();
  let until = due == NEVER ? end + ALONE_MAX : min(due >> 10, end + ALONE_MAX);
  if (hasOtherTask(cpu)) until = min(until, load<u64>(k, CK_SLICE_END));
  return until - (until % (end - now()));
}
