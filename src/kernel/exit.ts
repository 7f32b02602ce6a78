/** The end of a task, and of the address space when it was the last one. */

import { type Builder, type ProgramSource, program, routine } from "../dsl/index.js";
import { mmdrop, mmgrab_lazy_tlb } from "./fork-mm.js";
import { current_mm, type Mm } from "./mm_types.js";
import { exec_mmap, exit_mmap } from "./mmap.js";
import type { KernelOptions } from "./options.js";
import { runqueue } from "./sched.js";
import { NO_MM, task_struct } from "./task.js";
import { enter_lazy_tlb } from "./tlb-switch.js";
import { mmPointer } from "./tlbflush.js";

/**
 * The calling task leaves its address space and never runs again; switch to another one behind it.
 *
 * Source: linux kernel/exit.c, do_exit().
 */
export function exit(opt: KernelOptions): ProgramSource {
  return program("exit", [], (k) => {
    const mm = current_mm(k);
    k.if(mm.id.ne(NO_MM), () => {
      k.work("exit_mm");
      exit_mm(k, mm);
      mmput(k, opt, mm);
    });
  });
}

/**
 * From here on the CPU only borrows the address space, as an idle one does.
 *
 * Source: linux kernel/exit.c, exit_mm().
 */
const exit_mm = routine("exit_mm", (k: Builder, mm: Mm) => {
  k.readLocked(mm.mmap_lock, () => {
    mmgrab_lazy_tlb(k, mm.id);
    k.irqsOff(() => {
      k.write("current->mm = NULL", task_struct.at(k.task()).mm, NO_MM);
      k.write("active_mm", runqueue.at(k.cpu()).active_mm, mmPointer(mm.id));
      enter_lazy_tlb(k);
    });
  });
});

/** One user less; the last one empties the address space. Source: linux kernel/fork.c, mmput(). */
const mmput = routine("mmput", (k: Builder, opt: KernelOptions, mm: Mm) => {
  const users = k.addReturn("mm_users", mm.mm_users, -1);
  k.if(users.eq(0), () => {
    exit_mmap(k, opt, mm);
    mmdrop(k, mm.id);
  });
});

/** exec(2): all mappings go, the loader's come with `image`. Source: linux fs/exec.c, begin_new_exec(). */
export function exec(opt: KernelOptions): ProgramSource {
  return program("exec", [], (k) => {
    const mm = current_mm(k);
    k.work("begin_new_exec");
    exec_mmap(k, opt, mm);
  });
}
