/** Flushing TLBs: the CPU that asks, and how it chooses whom. */

import {
  type Bool,
  type Builder,
  bool,
  type CpuMask,
  type Expr,
  type Operand,
  routine,
  type U64,
  u64,
  type Var,
} from "../dsl/index.js";
import { type Mm, taskSize } from "./mm_types.js";
import { completeGeneration } from "./mm_types-pending.js";
import type { KernelOptions } from "./options.js";
import { csd_lock_wait, smp_call_function_many } from "./smp.js";
import { flush_tlb_func } from "./tlb-func.js";
import { cpu_tlbstate, flush_tlb_info, LOADED_MM_SWITCHING, mmPointer, TLB_FLUSH_ALL } from "./tlbflush.js";

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

/**
 * Make every CPU forget [start, end) of an address space, and return when all have.
 *
 * The page table must have been changed before. `freed_tables`: page tables of the range are about to be freed, so
 * lazy CPUs must let go too. `covered`: the generations of the changes, when changing has raised them. Interrupts are on.
 * Source: linux arch/x86/mm/tlb.c, flush_tlb_mm_range().
 */
export const flush_tlb_mm_range = routine(
  "flush_tlb_mm_range",
  (
    k: Builder,
    opt: KernelOptions,
    mm: Mm,
    start: Operand<U64>,
    end: Operand<U64>,
    stride_shift: Operand<U64>,
    freed_tables: Operand<Bool>,
    covered?: Generations,
  ) => {
    if (opt.slots.shootdown === "none") {
      k.count("flushes.avoided.never-flushed");
      return;
    }
    const from = k.var(u64.of(0).add(start), "start");
    const to = k.var(u64.of(0).add(end), "end");
    if (opt.slots.shootdown === "coherent") {
      const limit = taskSize(k);
      k.if(to.get().gt(limit), () => to.set(limit));
      const forget = (): void => k.invalidateEverywhere("hardware coherence", mm.root, from.get(), to.get());
      withGenerations(k, opt, mm, covered, forget);
      k.count("flushes.avoided.coherent-hardware");
      return;
    }
    if (opt.slots.shootdown === "tlbi") {
      const limit = taskSize(k);
      k.if(to.get().gt(limit), () => to.set(limit));
      const broadcast = (): void => broadcastFlush(k, mm, from.get(), to.get());
      withGenerations(k, opt, mm, covered, broadcast);
      return;
    }
    const stride = k.copy(u64.of(0).add(stride_shift), "stride_shift");
    const freed = k.copy(bool.of(false).or(freed_tables), "freed_tables");
    const pages = to.get().sub(from.get()).shr(stride);
    k.if(to.get().ne(TLB_FLUSH_ALL).and(pages.gt(opt.tunables.tlb_single_page_flush_ceiling)), () => {
      from.set(0);
      to.set(TLB_FLUSH_ALL);
    });
    const hull = { from: from.get(), to: to.get(), stride };
    flushEverywhere(k, opt, mm, hull, freed, covered);
  },
);

/**
 * Let the hardware tell everybody: no mask, no interrupt, no generation.
 *
 * Source: linux arch/arm64/include/asm/tlbflush.h, __flush_tlb_range(). Left out: ranges too long for single invalidations.
 */
export const broadcastFlush = routine(
  "__flush_tlb_range",
  (k: Builder, mm: Mm, from: Expr<U64>, to: Expr<U64>) => {
    // The walkers of other CPUs must see the changed entries before anything is invalidated.
    k.fence("dsb ishst", "mb");
    k.tlbi("tlbi vae1is", mm.root, from, to);
    k.window("broadcast, not complete everywhere");
    k.dsb("dsb ish");
    k.count("flushes.remote");
  },
);

interface Hull {
  readonly from: Expr<U64>;
  readonly to: Expr<U64>;
  readonly stride: Expr<U64>;
}

/** The generations of the changes that one flush is about, all of them. `last` is 0 when it has yet to be raised. */
export interface Generations {
  readonly first: Expr<U64>;
  readonly last: Expr<U64>;
}

function flushEverywhere(
  k: Builder,
  opt: KernelOptions,
  mm: Mm,
  hull: Hull,
  freed: Expr<Bool>,
  covered: Generations | undefined,
): void {
  const early = opt.fix["A-unmap-cpumask"] ? cpumask_any_but_this(k, mm.mm_cpumask) : undefined;
  // A full fence: page-table stores are before it, reads of the mask and of loaded_mm behind it.
  const gens = generationsOf(k, opt, mm, covered);
  const { first: first_tlb_gen, last: new_tlb_gen } = gens;
  get_flush_tlb_info(k, opt, mmPointer(mm.id), hull, gens);
  const others = early ?? cpumask_any_but_this(k, mm.mm_cpumask);

  const targets = k.var(0, "targets");
  const local = k.var(false, "local");
  k.if(
    others,
    () => native_flush_tlb_multi(k, opt, mm, freed, targets, local),
    () => {
      const loaded = k.read("this_cpu loaded_mm", cpu_tlbstate.at(k.cpu()).loaded_mm);
      local.set(loaded.eq(mmPointer(mm.id)));
    },
  );
  // This CPU flushes while the others do.
  k.if(local.get(), () =>
    k.irqsOff(() =>
      flush_tlb_func(k, opt, {
        mm: () => mmPointer(mm.id),
        start: () => hull.from,
        end: () => hull.to,
        stride_shift: () => hull.stride,
        first_tlb_gen: () => first_tlb_gen,
        new_tlb_gen: () => new_tlb_gen,
        wasted: () => {},
      }),
    ),
  );
  k.if(
    targets.get().ne(0),
    () => {
      csd_lock_wait(k);
      k.count("flushes.remote");
    },
    () =>
      k.if(
        local.get(),
        () => k.count("flushes.local"),
        () => k.count("flushes.avoided.mm-not-loaded"),
      ),
  );
  if (opt.generations) completeGeneration(k, mm, new_tlb_gen);
}

/** A flush that needs no generation itself; where changes have generations, it completes theirs. */
function withGenerations(
  k: Builder,
  opt: KernelOptions,
  mm: Mm,
  covered: Generations | undefined,
  flush: () => void,
): void {
  const gens = opt.generations ? generationsOf(k, opt, mm, covered) : undefined;
  flush();
  if (opt.generations) completeGeneration(k, mm, gens!.last);
}

/** What the caller has raised already, or one more. */
function generationsOf(
  k: Builder,
  opt: KernelOptions,
  mm: Mm,
  covered: Generations | undefined,
): Generations {
  const raise = (): Expr<U64> => k.addReturn("inc_mm_tlb_gen", mm.tlb_gen, 1);
  if (opt.generations) {
    const first = k.var(covered?.first ?? u64.of(0), "first_gen");
    const last = k.var(covered?.last ?? u64.of(0), "new_tlb_gen");
    k.if(last.get().eq(0), () => {
      last.set(raise());
      first.set(last.get());
    });
    return { first: first.get(), last: last.get() };
  }
  const only = raise();
  return { first: only, last: only };
}

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
  },
);

/**
 * Ask the CPUs that need to flush; tell how many, and whether this CPU is one of them.
 *
 * Source: linux arch/x86/mm/tlb.c, native_flush_tlb_multi(), and the local part of smp_call_function_many_cond().
 */
const native_flush_tlb_multi = routine(
  "native_flush_tlb_multi",
  (k: Builder, opt: KernelOptions, mm: Mm, freed_tables: Expr<Bool>, targets: Var<U64>, local: Var<Bool>) => {
    runsLocally(k, mm, freed_tables, local);
    const lazyToo = opt.fix["A-lazy-tables"] ? bool.of(false) : freed_tables;
    smp_call_function_many(k, mm.mm_cpumask, targets, (cpu) => {
      const asked = k.var(true, "asked");
      k.if(lazyToo.not(), () => should_flush_tlb(k, opt, mm, cpu, asked));
      return asked.get();
    });
  },
);

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

/** Flush everything of an address space. Source: linux arch/x86/include/asm/tlbflush.h, flush_tlb_mm(). */
export function flush_tlb_mm(k: Builder, opt: KernelOptions, mm: Mm): void {
  flush_tlb_mm_range(k, opt, mm, 0, TLB_FLUSH_ALL, 0, true);
}

/** Flush one page. Source: linux arch/x86/include/asm/tlbflush.h, flush_tlb_page(). */
export function flush_tlb_page(k: Builder, opt: KernelOptions, mm: Mm, vpn: Expr<U64>): void {
  flush_tlb_mm_range(k, opt, mm, vpn, vpn.add(1), 0, false);
}
