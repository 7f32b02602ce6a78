/** Whom a flush has to reach, and asking them by interrupt. Part of Linux's tlb.c. */

import {
  type Bool,
  type Builder,
  bool,
  type CpuMask,
  type Expr,
  routine,
  type U64,
  type Var,
} from "../dsl/index.js";
import type { Mm } from "./mm_types.js";
import type { KernelOptions } from "./options.js";
import { smp_call_function_many } from "./smp.js";
import { flush_tlb_func } from "./tlb-func.js";
import { cpu_tlbstate, flush_tlb_info, LOADED_MM_SWITCHING, mmPointer } from "./tlbflush.js";

/** What a flush is about, as flush_tlb_info has it. */
export interface Hull {
  readonly from: Expr<U64>;
  readonly to: Expr<U64>;
  readonly stride: Expr<U64>;
  /** Page tables of the range are about to be freed. */
  readonly freed: Expr<Bool>;
}

/** The generations of the changes that one flush is about, all of them. `last` is 0 when it has yet to be raised. */
export interface Generations {
  readonly first: Expr<U64>;
  readonly last: Expr<U64>;
}

/**
 * Whether a CPU of the mask may hold translations that this flush is about.
 *
 * A CPU between two address spaces may have either; a lazy one catches up when it switches in. Without an address space
 * it is about all of them.
 * Source: linux arch/x86/mm/tlb.c, should_flush_tlb(). Left out: the trimming of the mask once a second.
 */
export const should_flush_tlb = routine(
  "should_flush_tlb",
  (k: Builder, opt: KernelOptions, mm: Mm | undefined, cpu: Expr<U64>, should: Var<Bool>) => {
    const { loaded_mm, is_lazy } = cpu_tlbstate.at(cpu);
    const loaded = k.read("loaded_mm", loaded_mm);
    // The other CPU writes loaded_mm before it becomes lazy, never the other way round.
    k.fence("smp_rmb", "rmb");
    const lazy = k.read("is_lazy", is_lazy);
    k.if(lazy, () => k.count("ipis.skippedLazy"));
    const here = mm ? loaded.eq(mmPointer(mm.id)) : bool.of(true);
    const mayHold = opt.fix["A-switching-window"] ? here : here.or(loaded.eq(LOADED_MM_SWITCHING));
    should.set(mayHold.and(lazy.not()));
  },
);

/** Whether any CPU but this one is in the mask. Source: linux lib/cpumask.c, cpumask_any_but(). */
export const cpumask_any_but_this = routine("cpumask_any_but", (k: Builder, mask: CpuMask): Expr<Bool> => {
  const any = k.var(0, "any");
  any.set(k.maskNext("cpumask_first", mask, 0));
  k.if(any.get().eq(k.cpu()), () => any.set(k.maskNext("cpumask_next", mask, k.cpu().add(1))));
  return k.copy(any.get().lt(k.cpus), "any_other");
});

/** Publish what is to be flushed; `mm` is a pointer. Source: linux arch/x86/mm/tlb.c, get_flush_tlb_info(). */
export const get_flush_tlb_info = routine(
  "get_flush_tlb_info",
  (k: Builder, opt: KernelOptions, mm: Expr<U64>, hull: Hull, gens: Generations) => {
    const info = flush_tlb_info.at(k.cpu());
    k.write("info->mm", info.info_mm, mm);
    k.write("info->start", info.info_start, hull.from);
    k.write("info->end", info.info_end, hull.to);
    k.write("info->stride_shift", info.info_stride_shift, hull.stride);
    k.write("info->new_tlb_gen", info.info_new_tlb_gen, gens.last);
    if (opt.generations) k.write("info->first_tlb_gen", info.info_first_tlb_gen, gens.first);
    if (opt.slots.shootdown === "early-ack")
      k.write("info->freed_tables", info.info_freed_tables, hull.freed);
  },
);

/** This CPU's own part of a flush that it asks for. Source: linux arch/x86/mm/tlb.c, flush_tlb_func() where it is local. */
export function flushHere(
  k: Builder,
  opt: KernelOptions,
  mm: Expr<U64>,
  hull: Hull,
  gens: Generations,
): void {
  k.irqsOff(() =>
    flush_tlb_func(k, opt, {
      mm: () => mm,
      start: () => hull.from,
      end: () => hull.to,
      stride_shift: () => hull.stride,
      first_tlb_gen: () => gens.first,
      new_tlb_gen: () => gens.last,
      wasted: () => {},
    }),
  );
}

/**
 * Ask the CPUs that need to flush; tell how many, and whether this CPU is one of them.
 *
 * Source: linux arch/x86/mm/tlb.c, native_flush_tlb_multi(), and the local part of smp_call_function_many_cond().
 */
export const native_flush_tlb_multi = routine(
  "native_flush_tlb_multi",
  (k: Builder, opt: KernelOptions, mm: Mm, freed_tables: Expr<Bool>, targets: Var<U64>, local: Var<Bool>) => {
    runsLocally(k, mm, freed_tables, local);
    askOthers(k, opt, mm, freed_tables, targets);
  },
);

/** The same without this CPU. Source: linux arch/x86/mm/tlb.c before 5.13, native_flush_tlb_others(). */
export const flush_tlb_others = routine(
  "native_flush_tlb_others",
  (k: Builder, opt: KernelOptions, mm: Mm, freed_tables: Expr<Bool>, targets: Var<U64>) =>
    askOthers(k, opt, mm, freed_tables, targets),
);

function askOthers(
  k: Builder,
  opt: KernelOptions,
  mm: Mm,
  freed_tables: Expr<Bool>,
  targets: Var<U64>,
): void {
  const lazyToo = opt.fix["A-lazy-tables"] ? bool.of(false) : freed_tables;
  smp_call_function_many(k, mm.mm_cpumask, targets, (cpu) => {
    const asked = k.var(true, "asked");
    k.if(lazyToo.not(), () => should_flush_tlb(k, opt, mm, cpu, asked));
    return asked.get();
  });
}

/** Whether this CPU is to flush too. Source: linux kernel/smp.c, SCF_RUN_LOCAL in smp_call_function_many_cond(). */
const runsLocally = routine(
  "smp_call_function_many_cond.local",
  (k: Builder, mm: Mm, freed_tables: Expr<Bool>, local: Var<Bool>) => {
    const me = cpu_tlbstate.at(k.cpu());
    const inMask = k.maskTest("cpumask_test_cpu", mm.mm_cpumask, k.cpu());
    const loaded = k.read("loaded_mm", me.loaded_mm);
    const lazy = k.read("is_lazy", me.is_lazy);
    const uses = loaded.eq(mmPointer(mm.id)).and(lazy.not());
    local.set(inMask.and(freed_tables.or(uses)));
  },
);
