/** Making an address space, counting who uses it, and dropping it. Part of Linux's kernel/fork.c. */

import { type Builder, type Expr, record, routine, type U64, u64 } from "../dsl/index.js";
import { mm_struct } from "./mm_types.js";
import type { KernelOptions } from "./options.js";
import { PGD } from "./pgtable.js";

/** Source: linux arch/x86/mm/tlb.c, last_mm_ctx_id. */
export const mmContextIds = record("global", { last_mm_ctx_id: u64 });

/**
 * A fresh address space: an empty root, a context id never used before, no CPU in its mask.
 *
 * Gives the root, 0 when memory is out.
 * Source: linux kernel/fork.c, mm_init(), and arch/x86/include/asm/mmu_context.h, init_new_context().
 */
export const mm_init = routine("mm_init", (k: Builder, opt: KernelOptions, id: Expr<U64>): Expr<U64> => {
  const mm = mm_struct.at(id);
  const root = k.allocTable("pgd_alloc", { level: PGD, base: 0 });
  k.write("mm_count", mm.mm_count, 1);
  k.write("tlb_flush_pending", mm.tlb_flush_pending, 0);
  k.write("tlb_flush_batched", mm.tlb_flush_batched, 0);
  k.maskZero("mm_init_cpumask", mm.mm_cpumask);
  const ctx_id = k.addReturn("last_mm_ctx_id", mmContextIds.at().last_mm_ctx_id, 1);
  k.write("ctx_id", mm.ctx_id, ctx_id);
  k.write("tlb_gen", mm.tlb_gen, 0);
  k.write("tlb_gen_completed", mm.tlb_gen_completed, 0);
  if (opt.globalAsids) {
    k.write("global_asid", mm.global_asid, 0);
    k.write("asid_transition", mm.asid_transition, false);
  }
  k.fence("smp_wmb", "wmb");
  k.write("pgd", mm.pgd, root);
  return root;
});

/**
 * The root of an address space that a CPU is about to load; it is made now for one that nobody forked.
 *
 * Source: none. Linux builds every address space in fork and exec; recordings start with some that exist already.
 */
export const mm_pgd = routine("mm_pgd", (k: Builder, opt: KernelOptions, id: Expr<U64>): Expr<U64> => {
  const mm = mm_struct.at(id);
  const root = k.var(k.read("pgd", mm.pgd), "root");
  k.if(root.get().eq(0), () => {
    k.locked(mm.page_table_lock, () => {
      root.set(k.read("pgd again", mm.pgd));
      k.if(root.get().eq(0), () => root.set(mm_init(k, opt, id)));
    });
  });
  return root.get();
});

/** A CPU borrows the address space for its idle time. Source: linux include/linux/sched/mm.h, mmgrab_lazy_tlb(). */
export function mmgrab_lazy_tlb(k: Builder, id: Expr<U64>): void {
  k.add("mmgrab_lazy_tlb", mm_struct.at(id).mm_count, 1);
}

/**
 * Let go of an address space; the last one to do so frees its root.
 *
 * Source: linux include/linux/sched/mm.h, mmdrop(), and kernel/fork.c, __mmdrop().
 */
export const mmdrop = routine("mmdrop", (k: Builder, id: Expr<U64>) => {
  const mm = mm_struct.at(id);
  const left = k.addReturn("mm_count", mm.mm_count, -1);
  k.if(left.eq(0), () => {
    const root = k.var(0, "root");
    k.writeLocked(mm.anon_vma, () => root.set(k.xchg("mm_free_pgd", mm.pgd, 0)));
    k.if(root.get().ne(0), () => k.freeTable("pgd_free", root.get()));
  });
});
