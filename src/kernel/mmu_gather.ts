/** Gathers: many page-table changes, one flush, and only then the pages go. */

import { type Bool, type Builder, type Expr, routine, type U64 } from "../dsl/index.js";
import type { Mm } from "./mm_types.js";
import {
  dec_tlb_flush_pending,
  deferGeneration,
  inc_tlb_flush_pending,
  mm_tlb_flush_nested,
  noteDeferred,
} from "./mm_types-pending.js";
import {
  __tlb_remove_page,
  emptyGenerations,
  type GatherGenerations,
  type GatherState,
  type GatherStyle,
  gather_flags,
  type mmu_gather,
  setFlag,
  tlb_batch_pages_flush,
  tlb_remove_table,
  tlb_table_free,
} from "./mmu_gather-batch.js";
import { __tlb_adjust_range, __tlb_reset_range, NO_RANGE, tableStride } from "./mmu_gather-range.js";
import type { KernelOptions } from "./options.js";
import { folio_unref } from "./page.js";
import { ptdesc } from "./pgtable.js";
import { flush_tlb_mm_range, flush_tlb_page } from "./tlb.js";
import { flush_tlb_local_range } from "./tlb-func.js";
import type { Generations } from "./tlb-multi.js";
import { TLB_FLUSH_ALL } from "./tlbflush.js";

/** Source: linux mm/mmu_gather.c, tlb_gather_mmu() and tlb_gather_mmu_fullmm(). */
export function tlb_gather_mmu(k: Builder, opt: KernelOptions, mm: Mm, style: GatherStyle): mmu_gather {
  const tlb = { mm, opt: style, state: style.eager ? undefined : emptyState(k, opt, style) };
  // Announced before any lock is taken, so whoever finds a changed entry under its lock finds this too.
  if (!tlb.opt.eager) inc_tlb_flush_pending(k, opt, mm);
  return tlb;
}

function emptyState(k: Builder, opt: KernelOptions, style: GatherStyle): GatherState {
  return {
    start: k.var(NO_RANGE, "tlb_start"),
    end: k.var(0, "tlb_end"),
    flags: k.var(gather_flags.of({ fullmm: style.fullmm }), "tlb_flags"),
    pages: k.var(0, "pages"),
    straggler: k.var(0, "straggler"),
    room: k.var(opt.tunables.MMU_GATHER_BUNDLE - 1, "room"),
    batch_count: k.var(0, "batch_count"),
    tables: k.var(0, "tables"),
    tableRoom: k.var(opt.tunables.MAX_TABLE_BATCH, "table_room"),
    raised:
      opt.slots["need-flush"] === "relaxed-raise"
        ? { first: k.var(NO_RANGE, "raised_first"), end: k.var(0, "raised_end") }
        : undefined,
    gens: opt.generations ? emptyGenerations(k) : undefined,
  };
}

/** How mprotect and its kin gather, as the slot `protect` says. */
export function protectStyle(opt: KernelOptions): GatherStyle {
  const { protect } = opt.slots;
  return { eager: protect === "eager", perTable: protect === "per-table", fullmm: false };
}

/**
 * The rights of some entries of a table were changed; its lock is about to be dropped.
 *
 * Source: none; Linux does nothing here. Flushing under the lock was proposed for userfaultfd in December 2020.
 */
export function leaveTable(k: Builder, opt: KernelOptions, tlb: mmu_gather, table: Expr<U64>): void {
  if (tlb.opt.eager) return;
  if (tlb.opt.perTable) tlb_flush_mmu_tlbonly(k, opt, tlb);
  else deferTable(k, opt, tlb, table);
}

/** Where generations are kept: whoever takes the lock of the table next can see that a flush is owed for it. */
export function deferTable(k: Builder, opt: KernelOptions, tlb: mmu_gather, table: Expr<U64>): void {
  if (tlb.opt.eager || tlb.opt.fullmm || !opt.generations) return;
  const state = tlb.state!;
  k.if(state.flags.get().ungenerated, () => {
    const raise = (): void => noteRaised(k, state.gens!, deferGeneration(k, tlb.mm, table));
    if (opt.fix["B-gen-nobump"]) k.if(state.gens!.last.get().eq(0), raise);
    else raise();
    setFlag(state, "ungenerated", false);
  });
}

/** A generation of the gather's own. */
function noteRaised(k: Builder, gens: GatherGenerations, tlb_gen: Expr<U64>): void {
  k.if(tlb_gen.ne(gens.last.get().add(1)), () => gens.first.set(tlb_gen));
  gens.last.set(tlb_gen);
}

/**
 * An entry changed: remember to flush its page; or, in the eager style, flush it now, still under the lock.
 *
 * Source: linux include/asm-generic/tlb.h, tlb_flush_pte_range() and tlb_remove_tlb_entry().
 */
export const tlb_flush_pte_range = routine(
  "tlb_flush_pte_range",
  (k: Builder, opt: KernelOptions, tlb: mmu_gather, vpn: Expr<U64>) => {
    if (tlb.opt.eager) {
      flush_tlb_page(k, opt, tlb.mm, vpn);
      return;
    }
    noteDeferred(k, opt, tlb.mm, vpn);
    const state = tlb.state!;
    __tlb_adjust_range(k, state, vpn);
    setFlag(state, "cleared_ptes");
    if (opt.generations) setFlag(state, "ungenerated");
  },
);

/**
 * An entry gained a right: this CPU forgets the page, at the end of the gather, and the others find out by a spurious fault.
 *
 * Source: Nadav Amit, "mm: relaxed TLB flushes and other optimi." (2022-07-18). Simplified: no generation is raised.
 */
export const noteRaisedRight = routine(
  "tlb_flush_pte_range.relaxed",
  (k: Builder, tlb: mmu_gather, vpn: Expr<U64>) => {
    if (tlb.opt.eager) {
      flush_tlb_local_range(k, vpn, vpn.add(1));
      return;
    }
    const { first, end } = tlb.state!.raised!;
    k.if(vpn.lt(first.get()), () => first.set(vpn));
    k.if(vpn.ge(end.get()), () => end.set(vpn.add(1)));
  },
);

/** The pages that gained a right: too many for single invalidations stay as they are, and fault here too. */
function flushRaised(k: Builder, opt: KernelOptions, state: GatherState): void {
  if (opt.slots["need-flush"] !== "relaxed-raise") return;
  const { first, end } = state.raised!;
  const few = end.get().sub(first.get()).le(opt.tunables.tlb_single_page_flush_ceiling);
  k.if(end.get().ne(0).and(few), () => flush_tlb_local_range(k, first.get(), end.get()));
}

/**
 * A page lost a mapping that has been recorded for flushing: drop the reference after the flush.
 *
 * Gives true when the caller must flush before it goes on.
 * Source: linux include/asm-generic/tlb.h, tlb_remove_page().
 */
export const tlb_remove_page = routine(
  "tlb_remove_page",
  (k: Builder, opt: KernelOptions, tlb: mmu_gather, pfn: Expr<U64>, delay_rmap: Expr<Bool>): Expr<Bool> => {
    if (!tlb.opt.eager) return __tlb_remove_page(k, opt, tlb.state!, pfn, delay_rmap);
    // Flushed already.
    folio_unref(k, opt, pfn);
    return k.var(false, "full").get();
  },
);

/** A page table was unhooked. Source: linux include/asm-generic/tlb.h, pte_free_tlb(). */
export const pte_free_tlb = routine(
  "pte_free_tlb",
  (k: Builder, opt: KernelOptions, tlb: mmu_gather, table: Expr<U64>, vpn: Expr<U64>) => {
    // The next user of the table starts without a generation.
    if (opt.generations) k.write("clear defer_tlb_gen", ptdesc.at(table).defer_tlb_gen, 0);
    if (tlb.opt.eager) {
      flush_tlb_mm_range(k, opt, tlb.mm, vpn, vpn.add(1), 0, true);
      k.freeTable("__tlb_remove_table", table);
      return;
    }
    const state = tlb.state!;
    __tlb_adjust_range(k, state, vpn);
    setFlag(state, "freed_tables");
    if (opt.generations) setFlag(state, "ungenerated");
    tlb_remove_table(k, state, table);
    k.if(state.tableRoom.get().eq(0), () => {
      tlb_flush_mmu_tlbonly(k, opt, tlb);
      tlb_table_free(k, opt, state);
    });
  },
);

/**
 * Flush what was recorded since the last time, if anything was.
 *
 * Source: linux include/asm-generic/tlb.h, tlb_flush_mmu_tlbonly(), and arch/x86/include/asm/tlb.h, tlb_flush().
 */
export const tlb_flush_mmu_tlbonly = routine(
  "tlb_flush_mmu_tlbonly",
  (k: Builder, opt: KernelOptions, tlb: mmu_gather) => {
    const state = tlb.state!;
    const changed = state.start.get().ne(NO_RANGE).or(state.flags.get().freed_tables);
    k.if(changed, () => {
      const all = state.flags.get().fullmm;
      const start = all.select(0, state.start.get());
      const end = all.select(TLB_FLUSH_ALL, state.end.get());
      const pageStride = all.or(state.flags.get().cleared_ptes);
      const stride_shift = pageStride.select(0, tableStride(k, opt, state));
      flush_tlb_mm_range(
        k,
        opt,
        tlb.mm,
        start,
        end,
        stride_shift,
        state.flags.get().freed_tables,
        generations(k, opt, tlb),
      );
      __tlb_reset_range(state);
    });
  },
);

/** What a flush of the gather is about: the generations that it has raised; undefined where each flush raises its own. */
function generations(k: Builder, opt: KernelOptions, tlb: mmu_gather): Generations | undefined {
  if (!opt.generations) return undefined;
  const { flags } = tlb.state!;
  const gens = tlb.state!.gens!;
  k.if(flags.get().ungenerated.or(gens.last.get().eq(0)), () => {
    noteRaised(k, gens, k.addReturn("inc_mm_tlb_gen", tlb.mm.tlb_gen, 1));
    setFlag(tlb.state!, "ungenerated", false);
  });
  return { first: gens.first.get(), last: gens.last.get() };
}

/** Free what waited for the flush. Source: linux mm/mmu_gather.c, tlb_flush_mmu_free(). */
export const tlb_flush_mmu_free = routine(
  "tlb_flush_mmu_free",
  (k: Builder, opt: KernelOptions, tlb: mmu_gather) => {
    tlb_table_free(k, opt, tlb.state!);
    tlb_batch_pages_flush(k, opt, tlb.state!);
  },
);

/** Flush everything, with a generation that covers what the other gather has changed too. */
function nestedFlush(opt: KernelOptions, state: GatherState): void {
  setFlag(state, "fullmm");
  __tlb_reset_range(state);
  // Widening the range alone would have to keep which levels were changed, and that tables go.
  if (opt.fix["B-nested-lost-levels"]) state.start.set(0);
  else setFlag(state, "freed_tables");
}

/** Flush everything if somebody else owes a flush for a table whose entries this gather relies on. */
function reliedFlush(k: Builder, mm: Mm, state: GatherState): void {
  const { relied, first, last } = state.gens!;
  // What was deferred before a generation of this gather's own is covered by its flush.
  k.if(relied.get().gt(last.get()), () => {
    const completed = k.read("tlb_gen_completed", mm.tlb_gen_completed);
    k.if(relied.get().gt(completed), () => {
      setFlag(state, "fullmm");
      state.start.set(0);
      first.set(relied.get());
      last.set(relied.get());
    });
  });
}

/**
 * Flush, free, and close the gather.
 *
 * Another gather that is open in the same address space may have changed entries that this one found changed and did
 * not record: then everything is flushed, lazy CPUs included. Under unified reclaim the page tables tell whether it has.
 * Source: linux mm/mmu_gather.c, tlb_finish_mmu().
 */
export const tlb_finish_mmu = routine("tlb_finish_mmu", (k: Builder, opt: KernelOptions, tlb: mmu_gather) => {
  if (tlb.opt.eager) return;
  const state = tlb.state!;
  if (!opt.fix["B-madv-miss"]) {
    if (opt.slots.reclaim === "unified") reliedFlush(k, tlb.mm, state);
    else k.if(mm_tlb_flush_nested(k, tlb.mm), () => nestedFlush(opt, state));
  }
  const nothing = state.start.get().eq(NO_RANGE).and(state.flags.get().freed_tables.not());
  k.if(nothing, () => k.count("flushes.avoided.nothing-changed"));
  const lower = (): void => dec_tlb_flush_pending(k, opt, tlb.mm);
  if (opt.fix["B-dec-early"]) lower();
  if (opt.fix["B-order-free"]) tlb_flush_mmu_free(k, opt, tlb);
  tlb_flush_mmu_tlbonly(k, opt, tlb);
  flushRaised(k, opt, state);
  if (!opt.fix["B-order-free"]) tlb_flush_mmu_free(k, opt, tlb);
  if (!opt.fix["B-dec-early"]) lower();
});
