/** Changing the task that a CPU runs. */

import {
  type Builder,
  type Expr,
  type ProgramSource,
  program,
  record,
  type U64,
  u64,
  type Var,
} from "../dsl/index.js";
import { mmdrop, mmgrab_lazy_tlb } from "./fork-mm.js";
import type { KernelOptions } from "./options.js";
import { IDLE_TASK, NO_MM, task_struct } from "./task.js";
import { enter_lazy_tlb, switch_mm_irqs_off } from "./tlb-switch.js";
import { INIT_MM, mmId, mmPointer } from "./tlbflush.js";

/** Source: linux include/linux/sched.h, task_struct.active_mm of the task that has no address space of its own. */
export const runqueue = record("cpu", {
  /** What this CPU borrows while it runs such a task, as in `loaded_mm`; 0 for nothing. */
  active_mm: u64,
});

/**
 * Switch from the CPU's current task to `next`; 2^32 - 1 is the idle task.
 *
 * Idle keeps the old address space and borrows it, so that coming back is free.
 * Source: linux kernel/sched/core.c, context_switch() and finish_task_switch().
 */
export function context_switch(opt: KernelOptions): ProgramSource {
  return program("context_switch", ["next"], (k, { next }) => {
    const prev_mm = mmOfTask(k, k.task(), "prev->mm");
    const next_mm = mmOfTask(k, next, "next->mm");
    const drop = k.var(INIT_MM, "rq_prev_mm");
    const { active_mm } = runqueue.at(k.cpu());
    k.irqsOff(() => {
      k.if(
        next_mm.get().eq(NO_MM),
        () => {
          enter_lazy_tlb(k);
          k.if(prev_mm.get().ne(NO_MM), () => {
            mmgrab_lazy_tlb(k, prev_mm.get());
            k.write("next->active_mm", active_mm, mmPointer(prev_mm.get()));
          });
        },
        () => {
          switch_mm_irqs_off(k, opt, next_mm.get());
          k.if(prev_mm.get().eq(NO_MM), () => {
            drop.set(k.read("prev->active_mm", active_mm));
            k.write("prev->active_mm = NULL", active_mm, INIT_MM);
          });
        },
      );
    });
    k.if(drop.get().ne(INIT_MM), () => mmdrop(k, mmId(drop.get())));
  });
}

/** The address space of a task; NO_MM for the idle task. */
function mmOfTask(k: Builder, task: Expr<U64>, label: string): Var<U64> {
  const mm = k.var(NO_MM, "mm");
  k.if(task.ne(IDLE_TASK), () => mm.set(k.read(label, task_struct.at(task).mm)));
  return mm;
}
