/** Flushing a global ASID by broadcast, and who gets one. Part of Linux's tlb.c. */

import {
  type Bool,
  type Builder,
  bool,
  type Expr,
  type Operand,
  routine,
  type U64,
  u64,
  type Var,
} from "../dsl/index.js";
import { type Mm, taskSize } from "./mm_types.js";
import type { KernelOptions } from "./options.js";
import { csd_lock_wait } from "./smp.js";
import { globalAsids } from "./tlb-asid.js";
import { flushHere, type Generations, type Hull, native_flush_tlb_multi } from "./tlb-multi.js";
import {
  cpu_tlbstate,
  kern_pcid,
  LOADED_MM_SWITCHING,
  mmPointer,
  TLB_FLUSH_ALL,
  TLB_NR_DYN_ASIDS,
} from "./tlbflush.js";

/** PCIDs have 12 bits; one is Linux's limit, because hardware's is the number + 1. Source: linux arch/x86/mm/tlb.c. */
const MAX_ASID_AVAILABLE = 4094;

/**
 * Flush by broadcast. No CPU is interrupted, but those that have not yet gone over to the global ASID.
 *
 * A barrier stands before: the page-table stores are visible when the generation has been raised.
 * Source: linux arch/x86/mm/tlb.c, broadcast_tlb_flush(), and arch/x86/include/asm/tlb.h, __invlpgb().
 */
export const broadcast_tlb_flush = routine(
  "broadcast_tlb_flush",
  (k: Builder, opt: KernelOptions, mm: Mm, hull: Hull, gens: Generations, global_asid: Expr<U64>) => {
    const pcid = k.copy(kern_pcid(opt, global_asid), "pcid");
    k.if(
      hull.to.eq(TLB_FLUSH_ALL),
      () => {
        k.tlbi("invlpgb_flush_single_pcid_nosync", mm.root, 0, taskSize(k), pcid);
        k.count("flushes.full");
      },
      () => invalidateRange(k, opt, mm, hull, pcid),
    );
    k.window("broadcast, not complete everywhere");
    finish_asid_transition(k, opt, mm, hull, gens, global_asid);
    k.dsb("__tlbsync");
    k.count("flushes.remote");
  },
);

/** One instruction for each `invlpgb_count_max` pages. */
function invalidateRange(k: Builder, opt: KernelOptions, mm: Mm, hull: Hull, pcid: Operand<U64>): void {
  const addr = k.var(hull.from, "addr");
  const most = k.copy(u64.of(opt.tunables.invlpgb_count_max).shl(hull.stride), "most");
  k.while(
    () => addr.get().lt(hull.to),
    () => {
      const next = k.copy(addr.get().add(most).min(hull.to), "next");
      k.tlbi("invlpgb_flush_user_nr_nosync", mm.root, addr.get(), next, pcid);
      addr.set(next);
    },
  );
  k.count("flushes.ranged");
  k.count("flushes.pages", hull.to.sub(hull.from).shr(hull.stride));
}

/**
 * Make the CPUs that still run the address space under a number of their own go over to the global one: they have translations that the
 * broadcast does not reach.
 *
 * Source: linux arch/x86/mm/tlb.c, finish_asid_transition().
 */
const finish_asid_transition = routine(
  "finish_asid_transition",
  (k: Builder, opt: KernelOptions, mm: Mm, hull: Hull, gens: Generations, global_asid: Expr<U64>) => {
    const transition = k.read("mm_in_asid_transition", mm.asid_transition);
    k.if(transition, () => {
      const straggler = k.var(false, "straggler");
      k.forEachCpu("for_each_cpu", mm.mm_cpumask, (cpu) => {
        k.if(straggler.get().not(), () => isStraggler(k, opt, mm, cpu, global_asid, straggler));
      });
      const interrupt = (): void => {
        const targets = k.var(0, "targets");
        const local = k.var(false, "local");
        native_flush_tlb_multi(k, opt, mm, bool.of(true), targets, local);
        k.if(local.get(), () => flushHere(k, opt, mmPointer(mm.id), hull, gens));
        k.if(targets.get().ne(0), () => csd_lock_wait(k));
      };
      k.if(
        straggler.get(),
        () => (opt.fix["A-asid-stragglers"] ? undefined : interrupt()),
        () => k.write("mm_clear_asid_transition", mm.asid_transition, false),
      );
    });
  },
);

/** Whether a CPU runs the address space under another number. One that is between two address spaces may be about to. */
function isStraggler(
  k: Builder,
  opt: KernelOptions,
  mm: Mm,
  cpu: Expr<U64>,
  global_asid: Expr<U64>,
  straggler: Var<Bool>,
): void {
  const { loaded_mm, loaded_mm_asid } = cpu_tlbstate.at(cpu);
  if (!opt.fix["A-asid-switching"]) k.await("cpu_relax", loaded_mm, "ne", LOADED_MM_SWITCHING);
  const loaded = k.read("loaded_mm", loaded_mm);
  k.if(loaded.eq(mmPointer(mm.id)), () => {
    const asid = k.read("loaded_mm_asid", loaded_mm_asid);
    straggler.set(asid.ne(global_asid));
  });
}

/**
 * Give the address space a global ASID if enough CPUs are busy with it. This is looked at in a few flushes only.
 *
 * Source: linux arch/x86/mm/tlb.c, consider_global_asid() and mm_active_cpus_exceeds(). Simplified: Linux looks when the low bits of the
 * process number and of the time agree, here it is every so many generations.
 */
export const consider_global_asid = routine(
  "consider_global_asid",
  (k: Builder, opt: KernelOptions, mm: Mm, new_tlb_gen: Expr<U64>) => {
    const { global_asid_interval, global_asid_cpus } = opt.tunables;
    k.if(new_tlb_gen.and(global_asid_interval - 1).eq(0), () => {
      const weight = k.maskCount("cpumask_weight", mm.mm_cpumask);
      k.if(weight.gt(global_asid_cpus), () => {
        const active = k.var(0, "active");
        k.forEachCpu("for_each_cpu", mm.mm_cpumask, (cpu) => {
          const loaded = k.read("loaded_mm", cpu_tlbstate.at(cpu).loaded_mm);
          const is_lazy = k.read("is_lazy", cpu_tlbstate.at(cpu).is_lazy);
          k.if(loaded.eq(mmPointer(mm.id)).and(is_lazy.not()), () => active.set(active.get().add(1)));
          k.breakIf(active.get().gt(global_asid_cpus));
        });
        k.if(active.get().gt(global_asid_cpus), () => use_global_asid(k, mm));
      });
    });
  },
);

/** Source: linux arch/x86/mm/tlb.c, use_global_asid(), allocate_global_asid() and mm_assign_global_asid(). */
const use_global_asid = routine("use_global_asid", (k: Builder, mm: Mm) => {
  const { global_asid_lock, global_asids_used } = globalAsids.at();
  k.irqsOff(() =>
    k.locked(global_asid_lock, () => {
      const now = k.read("mm_global_asid", mm.global_asid);
      const used = k.read("last_global_asid", global_asids_used);
      const asid = used.add(TLB_NR_DYN_ASIDS);
      k.if(now.eq(0).and(asid.lt(MAX_ASID_AVAILABLE)), () => {
        k.write("last_global_asid + 1", global_asids_used, used.add(1));
        // Whoever sees the number has to see that not everybody uses it yet.
        k.write("asid_transition", mm.asid_transition, true);
        k.fence("smp_store_release", "wmb");
        k.write("global_asid", mm.global_asid, asid);
      });
    }),
  );
});
