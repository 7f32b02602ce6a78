/** Clearing an entry and making every TLB forget it. */

import { type Bool, type Builder, type Expr, type Field, routine, type U64 } from "../dsl/index.js";
import type { Mm } from "./mm_types.js";
import { mm_tlb_flush_pending } from "./mm_types-pending.js";
import type { KernelOptions } from "./options.js";
import { type Pte, pte_t } from "./pte.js";
import { flush_tlb_page } from "./tlb.js";

/**
 * Whether a TLB may have the entry. One that the hardware cannot see was visible before its flush, so while flushes are pending it
 * counts as visible.
 *
 * Source: linux arch/x86/include/asm/pgtable.h, pte_accessible().
 */
const pte_accessible = routine(
  "pte_accessible",
  (k: Builder, opt: KernelOptions, mm: Mm, pte: Pte): Expr<Bool> => {
    const accessible = k.var(pte.present, "accessible");
    if (!opt.fix["B-numa-migrate"]) {
      k.if(pte.present.not().and(pte.protnone), () => accessible.set(mm_tlb_flush_pending(k, mm)));
    }
    return accessible.get();
  },
);

/** Gives the old entry; the page-table lock is held. Source: linux mm/pgtable-generic.c, ptep_clear_flush(). */
export const ptep_clear_flush = routine(
  "ptep_clear_flush",
  (k: Builder, opt: KernelOptions, mm: Mm, vpn: Expr<U64>, pte: Field<pte_t>): Pte => {
    const old = k.xchg("ptep_get_and_clear", pte, pte_t.zero);
    k.if(pte_accessible(k, opt, mm, old), () => flush_tlb_page(k, opt, mm, vpn));
    return old;
  },
);
