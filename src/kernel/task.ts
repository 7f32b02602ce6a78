/** The task record. The engine reads its first word to know the address space of a task. */

import { record, u64 } from "../dsl/index.js";

/** Source: linux include/linux/sched.h, struct task_struct. */
export const task_struct = record("task", {
  /** The id of its address space; NO_MM after it has left it. */
  mm: u64,
});

/** `task.mm` of a task without an address space. */
export const NO_MM = 0xffff_ffff;
/** What stands for the idle task: it has no record. */
export const IDLE_TASK = 0xffff_ffff;
