/** Flushes that are pending: how those announce them who owe one, and how those ask who find a changed entry. Part of mm_types.h. */

import { type Bool, type Builder, type Expr, routine, type U64, u64 } from "../dsl/index.js";
import type { Mm } from "./mm_types.js";
import type { KernelOptions } from "./options.js";
import { ptdesc } from "./pgtable.js";

/**
 * From here on, page tables may be stricter than TLBs. Before any page-table lock is taken: whoever finds a changed entry under its
 * lock then finds this too.
 *
 * Source: linux include/linux/mm_types.h, inc_tlb_flush_pending().
 */
export function inc_tlb_flush_pending(k: Builder, opt: KernelOptions, mm: Mm): void {
  if (opt.fix["B-bool-pending"]) k.write("inc_tlb_flush_pending", mm.tlb_flush_pending, 1);
  else k.add("inc_tlb_flush_pending", mm.tlb_flush_pending, 1);
}

/** The flush that was announced is complete. Source: linux include/linux/mm_types.h, dec_tlb_flush_pending(). */
export function dec_tlb_flush_pending(k: Builder, opt: KernelOptions, mm: Mm): void {
  if (opt.fix["B-bool-pending"]) k.write("dec_tlb_flush_pending", mm.tlb_flush_pending, 0);
  else if (opt.slots.pending === "bloom" && opt.fix["B-bloom-clear"]) {
    const left = k.addReturn("dec_tlb_flush_pending", mm.tlb_flush_pending, -1);
    k.if(left.eq(0), () => k.write("clear filter", mm.tlb_pending_filter, 0));
  } else k.add("dec_tlb_flush_pending", mm.tlb_flush_pending, -1);
}

/**
 * Whether somebody owes a flush. The caller holds the page-table lock under which it found the entry that it asks about.
 *
 * Source: linux include/linux/mm_types.h, mm_tlb_flush_pending().
 */
export function mm_tlb_flush_pending(k: Builder, mm: Mm): Expr<Bool> {
  return k.read("mm_tlb_flush_pending", mm.tlb_flush_pending).ne(0);
}

/** Whether somebody else owes a flush too. Source: linux include/linux/mm_types.h, mm_tlb_flush_nested(). */
export function mm_tlb_flush_nested(k: Builder, mm: Mm): Expr<Bool> {
  return k.read("mm_tlb_flush_nested", mm.tlb_flush_pending).gt(1);
}

/** The bit of a page in tlb_pending_filter: bits 12 to 17 of its address. */
export function filterBit(vpn: Expr<U64>): Expr<U64> {
  return u64.of(1).shl(vpn.and(63));
}

/** An entry was changed under its lock and will be flushed later. Costs nothing but in the variant `bloom`. */
export function noteDeferred(k: Builder, opt: KernelOptions, mm: Mm, vpn: Expr<U64>): void {
  if (opt.slots.pending === "bloom") k.or("set filter", mm.tlb_pending_filter, filterBit(vpn));
}

/**
 * Empties the filter where no gather can be open and none can be opened: under mmap_lock for writing, when nothing is pending.
 *
 * The thread of 2020 left open how to empty it safely; this is one way.
 */
export function resetFilter(k: Builder, opt: KernelOptions, mm: Mm): void {
  if (opt.slots.pending !== "bloom" || opt.fix["B-bloom-clear"]) return;
  k.if(mm_tlb_flush_pending(k, mm).not(), () => k.write("clear filter", mm.tlb_pending_filter, 0));
}

/**
 * Entries of a table were changed under its lock and will be flushed later: a new generation, remembered with the table.
 *
 * Every deferred change needs one. A CPU that loads the address space between two changes would otherwise call itself up to date with
 * the first and keep what it reads before the second. Gives the generation that the flush has to reach.
 * Source: Nadav Amit, "TLB batching consolidation and enhancements" (RFC, 2021-01-31), deferred generations.
 */
export const deferGeneration = routine("defer_tlb_gen", (k: Builder, mm: Mm, table: Expr<U64>): Expr<U64> => {
  const gen = k.addReturn("inc_mm_tlb_gen", mm.tlb_gen, 1);
  k.write("defer_tlb_gen", ptdesc.at(table).defer_tlb_gen, gen);
  return gen;
});

/** A flush up to this generation has been served by every CPU that needs it. Source: the same series. */
export const completeGeneration = routine("tlb_gen_completed", (k: Builder, mm: Mm, gen: Expr<U64>) => {
  const { tlb_gen_completed } = mm;
  const done = k.var(false, "done");
  k.while(
    () => done.get().not(),
    () => {
      const seen = k.read("tlb_gen_completed", tlb_gen_completed);
      k.if(
        seen.ge(gen),
        () => done.set(true),
        () => done.set(k.cmpxchg("advance tlb_gen_completed", tlb_gen_completed, seen, gen)),
      );
    },
  );
});
