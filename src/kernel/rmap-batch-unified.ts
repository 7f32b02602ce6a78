/**
 * Unified reclaim: what a batch has unmapped in one address space is flushed like the changes of a gather, by its hull and by its
 * generations. Linux has nothing like it; `rmap-batch.ts` is what it has.
 */

import { type Builder, type CpuMask, type Expr, record, routine, type U64, u64 } from "../dsl/index.js";
import { mmdrop } from "./fork-mm.js";
import { type Mm, mm_struct, mmOf } from "./mm_types.js";
import { deferGeneration } from "./mm_types-pending.js";
import type { KernelOptions } from "./options.js";
import { flush_tlb_mm_range } from "./tlb.js";
import { arch_tlbbatch_flush, cpumask_or } from "./tlb-batch.js";
import { INIT_MM, mmId, mmPointer } from "./tlbflush.js";

/** Units: start and end are page numbers, end exclusive. */
export const unified_unmap_batch = record("task", {
  /** The address space of the first page, as a pointer. */
  ubc_mm: u64,
  /** As of a gather: nobody else's generations are between these two. The last one is 0 when other address spaces are in the batch. */
  ubc_first_gen: u64,
  ubc_last_gen: u64,
  ubc_start: u64,
  ubc_end: u64,
});

/**
 * The entry of a page is gone, its table locked, and its flush is put off. `others`: the CPUs to flush once there are several address
 * spaces; a mask is as good later, since who runs one of them later has seen its generation.
 *
 * Source: none; in the place of Linux's arch_tlbbatch_add_pending().
 */
export const noteUnmapped = routine(
  "defer_tlb_batch",
  (k: Builder, mm: Mm, table: Expr<U64>, vpn: Expr<U64>, others: CpuMask) => {
    const ubc = unified_unmap_batch.at(k.task());
    const tlb_gen = deferGeneration(k, mm, table);
    const noted = k.read("ubc->mm", ubc.ubc_mm);
    k.if(
      noted.eq(INIT_MM),
      () => {
        k.add("mmgrab", mm.mm_count, 1);
        k.write("ubc->mm = mm", ubc.ubc_mm, mmPointer(mm.id));
        k.write("ubc->first = first", ubc.ubc_first_gen, tlb_gen);
        k.write("ubc->last = first", ubc.ubc_last_gen, tlb_gen);
        k.write("ubc->start = vpn", ubc.ubc_start, vpn);
        k.write("ubc->end = vpn + 1", ubc.ubc_end, vpn.add(1));
      },
      () => {
        const last = k.read("ubc->last", ubc.ubc_last_gen);
        k.if(
          noted.eq(mmPointer(mm.id)).and(last.ne(0)),
          () => widen(k, vpn, tlb_gen, last),
          () => {
            k.if(last.ne(0), () => {
              cpumask_or(k, others, mm_struct.at(mmId(noted)).mm_cpumask);
              k.write("ubc->last = none", ubc.ubc_last_gen, 0);
            });
            cpumask_or(k, others, mm.mm_cpumask);
          },
        );
      },
    );
  },
);

function widen(k: Builder, vpn: Expr<U64>, tlb_gen: Expr<U64>, last: Expr<U64>): void {
  const ubc = unified_unmap_batch.at(k.task());
  k.if(tlb_gen.ne(last.add(1)), () => k.write("ubc->first = next", ubc.ubc_first_gen, tlb_gen));
  k.write("ubc->last = next", ubc.ubc_last_gen, tlb_gen);
  k.if(vpn.lt(k.read("ubc->start", ubc.ubc_start)), () => k.write("ubc->start down", ubc.ubc_start, vpn));
  k.if(vpn.ge(k.read("ubc->end", ubc.ubc_end)), () => k.write("ubc->end up", ubc.ubc_end, vpn.add(1)));
}

/**
 * Flush what the batch of this task has unmapped, if anything. A batch of one address space completes its generations with it; one of
 * several says nothing, and somebody may flush once more.
 *
 * Source: none; in the place of Linux's arch_tlbbatch_flush().
 */
export const flushUnmapped = routine("flush_tlb_batch", (k: Builder, opt: KernelOptions, others: CpuMask) => {
  const ubc = unified_unmap_batch.at(k.task());
  const noted = k.read("ubc->mm", ubc.ubc_mm);
  k.if(noted.ne(INIT_MM), () => {
    const last = k.read("ubc->last", ubc.ubc_last_gen);
    k.if(
      last.ne(0),
      () => flushHull(k, opt, mmId(noted), last),
      () => arch_tlbbatch_flush(k, opt, others),
    );
    k.write("ubc->mm = NULL", ubc.ubc_mm, u64.of(INIT_MM));
    mmdrop(k, mmId(noted));
  });
});

function flushHull(k: Builder, opt: KernelOptions, id: Expr<U64>, last: Expr<U64>): void {
  const ubc = unified_unmap_batch.at(k.task());
  const first = k.read("ubc->first", ubc.ubc_first_gen);
  const [start, end] = [k.read("ubc->start", ubc.ubc_start), k.read("ubc->end", ubc.ubc_end)];
  const mm = mmOf(id, k.read("mm->pgd", mm_struct.at(id).pgd));
  flush_tlb_mm_range(k, opt, mm, start, end, 0, false, { first, last });
}
