/** The hull of what a gather has changed, and the levels of it. Part of Linux's mmu_gather. */

import { type Builder, bool, type Expr, routine, type U64 } from "../dsl/index.js";
import { type GatherState, type mmu_gather, setFlag } from "./mmu_gather-batch.js";
import type { KernelOptions } from "./options.js";
import { levelShift, PMD, PUD } from "./pgtable.js";
import { flush_tlb_mm_range } from "./tlb.js";
import { TLB_FLUSH_ALL } from "./tlbflush.js";

/** `start` of an empty hull. */
export const NO_RANGE = TLB_FLUSH_ALL;

/** Source: linux include/asm-generic/tlb.h, __tlb_adjust_range(). */
export function __tlb_adjust_range(k: Builder, state: GatherState, vpn: Expr<U64>): void {
  k.if(vpn.lt(state.start.get()), () => state.start.set(vpn));
  k.if(vpn.ge(state.end.get()), () => state.end.set(vpn.add(1)));
}

const NOTHING_CLEARED = {
  cleared_ptes: false,
  cleared_pmds: false,
  cleared_puds: false,
  freed_tables: false,
};

/** Source: linux include/asm-generic/tlb.h, __tlb_reset_range(). */
export function __tlb_reset_range(state: GatherState): void {
  state.start.set(NO_RANGE);
  state.end.set(0);
  state.flags.set(state.flags.get().with(NOTHING_CLEARED));
  state.gens?.first.set(1);
  state.gens?.last.set(0);
}

/**
 * The entry of a large page, of level PMD or PUD, changed: as tlb_flush_pte_range().
 *
 * Source: linux include/asm-generic/tlb.h, tlb_flush_pmd_range() and tlb_flush_pud_range().
 */
export const tlb_flush_huge_range = routine(
  "tlb_flush_pmd_range",
  (k: Builder, opt: KernelOptions, tlb: mmu_gather, vpn: Expr<U64>, level: number) => {
    const span = 1n << BigInt(levelShift(k, level));
    if (tlb.opt.eager) {
      flush_tlb_mm_range(k, opt, tlb.mm, vpn, vpn.add(span), levelShift(k, level), false);
      return;
    }
    const state = tlb.state!;
    __tlb_adjust_range(k, state, vpn);
    __tlb_adjust_range(k, state, vpn.add(span - 1n));
    setFlag(state, level === PMD ? "cleared_pmds" : "cleared_puds");
    if (opt.generations) setFlag(state, "ungenerated");
  },
);

/** Where no single page was changed: tables were freed, or large pages changed. Source: tlb_get_unmap_shift() there. */
export function tableStride(k: Builder, opt: KernelOptions, state: GatherState): Expr<U64> {
  const { cleared_pmds, cleared_puds, freed_tables } = state.flags.get();
  const onlyPuds = opt.thp ? cleared_puds.and(cleared_pmds.or(freed_tables).not()) : bool.of(false);
  return onlyPuds.select(levelShift(k, PUD), levelShift(k, PMD));
}
