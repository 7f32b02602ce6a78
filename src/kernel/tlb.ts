/** Flushing TLBs: the CPU that asks. */

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
import { completeGeneration } from "./mm_types-pending.js";
import type { KernelOptions } from "./options.js";
import { csd_lock_wait } from "./smp.js";
import { broadcast_tlb_flush, consider_global_asid } from "./tlb-invlpgb.js";
import {
  cpumask_any_but_this,
  flush_tlb_others,
  flushHere,
  type Generations,
  get_flush_tlb_info,
  type Hull,
  native_flush_tlb_multi,
} from "./tlb-multi.js";
import { cpu_tlbstate, mmPointer, TLB_FLUSH_ALL } from "./tlbflush.js";

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
      const broadcast = (): void => broadcastFlush(k, mm, from.get(), to.get(), stride_shift);
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
    flushEverywhere(k, opt, mm, { from: from.get(), to: to.get(), stride, freed }, covered);
  },
);

/** As many entries one by one, and no more. Source: linux arch/arm64/include/asm/tlbflush.h, where it is PTRS_PER_PTE. */
const MAX_DVM_OPS = 512;

/**
 * Let the hardware tell everybody: no mask, no interrupt, no generation. One instruction for each page, as on cores without
 * FEAT_TLBIRANGE; from MAX_DVM_OPS pages on one for the whole address space.
 *
 * Source: linux arch/arm64/include/asm/tlbflush.h, __flush_tlb_range() and flush_tlb_mm().
 */
export const broadcastFlush = routine(
  "__flush_tlb_range",
  (k: Builder, mm: Mm, from: Expr<U64>, to: Expr<U64>, stride_shift: Operand<U64> = 0) => {
    // The walkers of other CPUs must see the changed entries before anything is invalidated.
    k.fence("dsb ishst", "mb");
    const stride = k.copy(u64.of(0).add(stride_shift), "stride_shift");
    const pages = k.copy(to.sub(from).shr(stride), "pages");
    k.if(
      pages.lt(MAX_DVM_OPS),
      () => invalidateEach(k, mm, from, to, stride, pages),
      () => {
        k.tlbi("tlbi aside1is", mm.root, 0, taskSize(k));
        k.count("flushes.full");
      },
    );
    k.window("broadcast, not complete everywhere");
    k.dsb("dsb ish");
    k.count("flushes.remote");
  },
);

function invalidateEach(
  k: Builder,
  mm: Mm,
  from: Expr<U64>,
  to: Expr<U64>,
  stride: Expr<U64>,
  pages: Expr<U64>,
): void {
  const addr = k.var(from, "addr");
  k.while(
    () => addr.get().lt(to),
    () => {
      const next = k.copy(addr.get().add(u64.of(1).shl(stride)), "next");
      k.tlbi("tlbi vae1is", mm.root, addr.get(), next);
      addr.set(next);
    },
  );
  k.count("flushes.ranged");
  k.count("flushes.pages", pages);
}

/** All CPUs of the mask that need it, and this one. */
function flushEverywhere(
  k: Builder,
  opt: KernelOptions,
  mm: Mm,
  hull: Hull,
  covered: Generations | undefined,
): void {
  const early = opt.fix["A-unmap-cpumask"] ? cpumask_any_but_this(k, mm.mm_cpumask) : undefined;
  // A full fence: page-table stores are before it, reads of the mask and of loaded_mm behind it.
  const gens = generationsOf(k, opt, mm, covered);
  get_flush_tlb_info(k, opt, mmPointer(mm.id), hull, gens);
  const interrupts = (): void => flushByInterrupts(k, opt, mm, hull, gens, early);
  if (opt.globalAsids) {
    const global_asid = k.read("mm_global_asid", mm.global_asid);
    k.if(global_asid.ne(0), () => broadcast_tlb_flush(k, opt, mm, hull, gens, global_asid), interrupts);
  } else interrupts();
  if (opt.generations) completeGeneration(k, mm, gens.last);
}

function flushByInterrupts(
  k: Builder,
  opt: KernelOptions,
  mm: Mm,
  hull: Hull,
  gens: Generations,
  early: Expr<Bool> | undefined,
): void {
  const others = early ?? cpumask_any_but_this(k, mm.mm_cpumask);
  const done = { targets: k.var(0, "targets"), local: k.var(false, "local") };
  if (opt.slots.shootdown === "serial-ipi") flushSerially(k, opt, mm, hull, gens, others, done);
  else flushConcurrently(k, opt, mm, hull, gens, others, done);
  const { targets, local } = done;
  k.if(
    targets.get().ne(0),
    () => {
      csd_lock_wait(k);
      k.count("flushes.remote");
      if (opt.globalAsids) consider_global_asid(k, opt, mm, gens.last);
    },
    () =>
      k.if(
        local.get(),
        () => k.count("flushes.local"),
        () => k.count("flushes.avoided.mm-not-loaded"),
      ),
  );
}

/** How many other CPUs were asked, and whether this one flushes too. */
interface Reached {
  readonly targets: Var<U64>;
  readonly local: Var<Bool>;
}

/** This CPU flushes while the others do. */
function flushConcurrently(
  k: Builder,
  opt: KernelOptions,
  mm: Mm,
  hull: Hull,
  gens: Generations,
  others: Expr<Bool>,
  { targets, local }: Reached,
): void {
  k.if(
    others,
    () => native_flush_tlb_multi(k, opt, mm, hull.freed, targets, local),
    () => local.set(loadedHere(k, mm)),
  );
  k.if(local.get(), () => flushHere(k, opt, mmPointer(mm.id), hull, gens));
}

/** This CPU flushes first, and asks the others when it has. Source: linux arch/x86/mm/tlb.c before 5.13, flush_tlb_mm_range(). */
function flushSerially(
  k: Builder,
  opt: KernelOptions,
  mm: Mm,
  hull: Hull,
  gens: Generations,
  others: Expr<Bool>,
  { targets, local }: Reached,
): void {
  local.set(loadedHere(k, mm));
  k.if(local.get(), () => flushHere(k, opt, mmPointer(mm.id), hull, gens));
  k.if(others, () => flush_tlb_others(k, opt, mm, hull.freed, targets));
}

function loadedHere(k: Builder, mm: Mm): Expr<Bool> {
  return k.read("this_cpu loaded_mm", cpu_tlbstate.at(k.cpu()).loaded_mm).eq(mmPointer(mm.id));
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

/** Flush everything of an address space. Source: linux arch/x86/include/asm/tlbflush.h, flush_tlb_mm(). */
export function flush_tlb_mm(k: Builder, opt: KernelOptions, mm: Mm): void {
  flush_tlb_mm_range(k, opt, mm, 0, TLB_FLUSH_ALL, 0, true);
}

/** Flush one page. Source: linux arch/x86/include/asm/tlbflush.h, flush_tlb_page(). */
export function flush_tlb_page(k: Builder, opt: KernelOptions, mm: Mm, vpn: Expr<U64>): void {
  flush_tlb_mm_range(k, opt, mm, vpn, vpn.add(1), 0, false);
}
