/** NUMA balancing: making pages inaccessible for a while, to see who wants them. */

import { type Builder, type Expr, type ProgramSource, program, routine, type U64 } from "../dsl/index.js";
import { current_mm, type Mm } from "./mm_types.js";
import { protectStyle, tlb_finish_mmu, tlb_gather_mmu } from "./mmu_gather.js";
import { change_protection } from "./mprotect.js";
import type { KernelOptions } from "./options.js";
import { for_each_vma_range, vma_is_accessible, vma_is_anonymous } from "./vma.js";

/**
 * What a task does once in a while for its own address space, here for [start, end) pages.
 *
 * Source: linux kernel/sched/fair.c, task_numa_work(). Simplified: Linux chooses the range.
 */
export function task_numa_work(opt: KernelOptions): ProgramSource {
  return program("task_numa_work", ["start", "end"], (k, { start, end }) => {
    const mm = current_mm(k);
    k.readLocked(mm.mmap_lock, () => change_prot_numa(k, opt, mm, start, end));
  });
}

/** Source: linux mm/mempolicy.c, change_prot_numa(), for every private mapping of the range. */
export const change_prot_numa = routine(
  "change_prot_numa",
  (k: Builder, opt: KernelOptions, mm: Mm, start: Expr<U64>, end: Expr<U64>) => {
    for_each_vma_range(k, mm.id, start, end, (found) => {
      k.if(vma_is_anonymous(found.vma).and(vma_is_accessible(found.vma)), () => {
        k.work("change_prot_numa");
        const tlb = tlb_gather_mmu(k, opt, mm, protectStyle(opt));
        change_protection(k, opt, tlb, found.vma, found.start, found.end, {
          try_change_writable: false,
          prot_numa: true,
          uffd_wp: false,
          uffd_wp_resolve: false,
        });
        tlb_finish_mmu(k, opt, tlb);
      });
    });
  },
);
