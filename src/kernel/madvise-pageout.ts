/** MADV_COLD and MADV_PAGEOUT: pages that are not needed soon. Part of Linux's mm/madvise.c. */

import { type Bool, type Builder, type Expr, routine, type U64, type Var } from "../dsl/index.js";
import type { Mm } from "./mm_types.js";
import {
  leaveTable,
  protectStyle,
  tlb_finish_mmu,
  tlb_flush_pte_range,
  tlb_gather_mmu,
} from "./mmu_gather.js";
import type { mmu_gather } from "./mmu_gather-batch.js";
import type { KernelOptions } from "./options.js";
import { page } from "./page.js";
import { entryAt, forEachTable, PTE, ptdesc } from "./pgtable.js";
import { pte_mkold, pte_t } from "./pte.js";
import { flush_tlb_batched_pending } from "./rmap-batch.js";
import { for_each_vma_range, vma_is_anonymous } from "./vma.js";
import { folio_isolate_lru, reclaim_pages } from "./vmscan.js";

/**
 * Make the pages of private mappings look old, and with `pageout` reclaim them at once, while the gather is open.
 *
 * Source: linux mm/madvise.c, madvise_cold() and madvise_pageout() for every mapping.
 */
export const madvise_cold_or_pageout = routine(
  "madvise_cold_or_pageout",
  (k: Builder, opt: KernelOptions, mm: Mm, start: Expr<U64>, end: Expr<U64>, pageout: Expr<Bool>) => {
    k.readLocked(mm.mmap_lock, () => {
      k.work("madvise_vma_behavior");
      const tlb = tlb_gather_mmu(k, opt, mm, protectStyle(opt));
      for_each_vma_range(k, mm.id, start, end, (found) => {
        k.if(vma_is_anonymous(found.vma), () =>
          madvise_cold_or_pageout_range(k, opt, tlb, found.start, found.end, pageout),
        );
      });
      tlb_finish_mmu(k, opt, tlb);
    });
  },
);

/** Source: linux mm/madvise.c, madvise_cold_or_pageout_pte_range() for every table. */
const madvise_cold_or_pageout_range = routine(
  "madvise_cold_or_pageout_pte_range",
  (
    k: Builder,
    opt: KernelOptions,
    tlb: mmu_gather,
    start: Expr<U64>,
    end: Expr<U64>,
    pageout: Expr<Bool>,
  ) => {
    forEachTable(k, tlb.mm.root, PTE, start, end, ({ table, start: from, end: to }) => {
      const folio_list = k.var(0, "folio_list");
      k.locked(ptdesc.at(table).ptl, () => {
        flush_tlb_batched_pending(k, opt, tlb.mm, table, tlb);
        k.forRange(
          from,
          to,
          1,
          (vpn) => cold_or_pageout_pte(k, opt, tlb, table, vpn, pageout, folio_list),
          "vpn",
        );
        leaveTable(k, opt, tlb, table);
      });
      k.window("old, unlocked, TLBs still warm");
      k.if(folio_list.get().ne(0), () => reclaim_pages(k, opt, folio_list));
    });
  },
);

/** One turn of the loop. Source: linux mm/madvise.c, madvise_cold_or_pageout_pte_range(): pages that others map too stay. */
const cold_or_pageout_pte = routine(
  "madvise_cold_or_pageout_pte",
  (
    k: Builder,
    opt: KernelOptions,
    tlb: mmu_gather,
    table: Expr<U64>,
    vpn: Expr<U64>,
    pageout: Expr<Bool>,
    folio_list: Var<U64>,
  ) => {
    const pte = entryAt(k, table, vpn, PTE);
    const seen = k.read("ptep_get", pte);
    k.if(seen.present.and(seen.special.not()), () => {
      const pfn = k.copy(seen.pfn, "pfn");
      const map_count = k.read("folio_mapcount", page.at(pfn)._mapcount);
      k.if(map_count.eq(1), () => {
        k.if(seen.accessed, () => {
          const ptent = k.xchg("ptep_get_and_clear_full", pte, pte_t.zero);
          k.write("set_pte_at", pte, pte_mkold(ptent));
          tlb_flush_pte_range(k, opt, tlb, vpn);
        });
        k.if(pageout, () => folio_isolate_lru(k, pfn, folio_list));
      });
    });
  },
);
