/** Advice: MADV_DONTNEED takes pages away at once, MADV_FREE when memory is short; MADV_COLD and MADV_PAGEOUT are in a file of their own. */

import {
  type Bool,
  type Builder,
  type Expr,
  type ProgramSource,
  program,
  routine,
  type U64,
} from "../dsl/index.js";
import { madvise_free_huge_pmd, splitOrWhole } from "./huge_memory.js";
import { madvise_collapse } from "./khugepaged.js";
import { madvise_cold_or_pageout } from "./madvise-pageout.js";
import { unmap_page_range } from "./memory-zap.js";
import { current_mm, type Mm } from "./mm_types.js";
import {
  leaveTable,
  protectStyle,
  tlb_finish_mmu,
  tlb_flush_pte_range,
  tlb_gather_mmu,
} from "./mmu_gather.js";
import type { mmu_gather } from "./mmu_gather-batch.js";
import type { KernelOptions } from "./options.js";
import { page, page_flags } from "./page.js";
import { entryAt, forEachTable, type LeafInRange, PTE, ptdesc, type TableInRange } from "./pgtable.js";
import { pte_mkold_clean, pte_t } from "./pte.js";
import { flush_tlb_batched_pending } from "./rmap-batch.js";
import { swap_free } from "./swapfile.js";
import { for_each_vma_range, HUGE, vma_is_anonymous } from "./vma.js";

/** Advice as madvise(2) takes it. */
const MADV_DONTNEED = 4;
const MADV_FREE = 8;
const MADV_HUGEPAGE = 14;
const MADV_NOHUGEPAGE = 15;
const MADV_COLD = 20;
const MADV_PAGEOUT = 21;
const MADV_COLLAPSE = 25;

/**
 * madvise(2). Faults and other readers go on meanwhile. Advice without effect here is not priced.
 *
 * Source: linux mm/madvise.c, do_madvise(): one gather for the whole range.
 */
export function madvise(opt: KernelOptions): ProgramSource {
  return program("madvise", ["start", "end", "advice"], (k, { start, end, advice }) => {
    const mm = current_mm(k);
    k.if(advice.eq(MADV_DONTNEED), () => madvise_dontneed(k, opt, mm, start, end));
    k.if(advice.eq(MADV_FREE), () => madvise_free(k, opt, mm, start, end));
    k.if(advice.eq(MADV_COLD).or(advice.eq(MADV_PAGEOUT)), () =>
      madvise_cold_or_pageout(k, opt, mm, start, end, advice.eq(MADV_PAGEOUT)),
    );
    if (opt.thp) {
      k.if(advice.eq(MADV_COLLAPSE), () => madvise_collapse(k, opt, mm, start, end));
      k.if(advice.eq(MADV_HUGEPAGE).or(advice.eq(MADV_NOHUGEPAGE)), () =>
        hugepage_madvise(k, mm, start, end, advice.eq(MADV_HUGEPAGE)),
      );
    }
  });
}

/** Whether private mappings get large pages from now on. Source: linux mm/khugepaged.c, hugepage_madvise(). */
const hugepage_madvise = routine(
  "hugepage_madvise",
  (k: Builder, mm: Mm, start: Expr<U64>, end: Expr<U64>, wanted: Expr<Bool>) => {
    k.writeLocked(mm.mmap_lock, () =>
      for_each_vma_range(k, mm.id, start, end, (found) => {
        const { vma } = found;
        const file_id = wanted.select(HUGE.advised, HUGE.refused);
        k.if(vma_is_anonymous(vma).and(vma.file_id.ne(HUGE.gigantic)), () =>
          k.setRange("vma_modify_flags", mm.id, found.start, found.end, vma.with({ file_id }).raw),
        );
      }),
    );
  },
);

/** The pages go now. Source: linux mm/madvise.c, madvise_dontneed_single_vma() for every mapping. */
const madvise_dontneed = routine(
  "madvise_dontneed",
  (k: Builder, opt: KernelOptions, mm: Mm, start: Expr<U64>, end: Expr<U64>) => {
    k.readLocked(mm.mmap_lock, () => {
      k.work("madvise_vma_behavior");
      const tlb = tlb_gather_mmu(k, opt, mm, { eager: opt.slots.unmap === "eager", fullmm: false });
      const mapped = k.var(0, "mapped");
      for_each_vma_range(k, mm.id, start, end, (vma) => {
        mapped.set(mapped.get().add(vma.end).sub(vma.start));
        unmap_page_range(k, opt, tlb, vma.start, vma.end);
      });
      tlb_finish_mmu(k, opt, tlb);
      // Over a hole the call fails with ENOMEM and promises nothing: a munmap() may be about to flush there.
      k.if(mapped.get().eq(end.sub(start)), () => k.promise(mm.root, start, end, "none"));
    });
  },
);

/** The pages go when memory is short. Source: linux mm/madvise.c, madvise_free_single_vma() for every mapping. */
const madvise_free = routine(
  "madvise_free",
  (k: Builder, opt: KernelOptions, mm: Mm, start: Expr<U64>, end: Expr<U64>) => {
    k.readLocked(mm.mmap_lock, () => {
      k.work("madvise_vma_behavior");
      const tlb = tlb_gather_mmu(k, opt, mm, protectStyle(opt));
      const freed = k.var(0, "freed");
      for_each_vma_range(k, mm.id, start, end, (found) => {
        k.if(vma_is_anonymous(found.vma), () => {
          freed.set(freed.get().add(found.end).sub(found.start));
          madvise_free_single_vma(k, opt, tlb, found.start, found.end);
        });
      });
      tlb_finish_mmu(k, opt, tlb);
      // A store that begins behind the call keeps its page: madvise(2). Holes are as in madvise_dontneed().
      k.if(freed.get().eq(end.sub(start)), () => k.promise(mm.root, start, end, "clean"));
    });
  },
);

/**
 * Make the pages of a private mapping look untouched, so that reclaim may drop those that stay so.
 *
 * Source: linux mm/madvise.c, madvise_free_pte_range().
 */
const madvise_free_single_vma = routine(
  "madvise_free_single_vma",
  (k: Builder, opt: KernelOptions, tlb: mmu_gather, start: Expr<U64>, end: Expr<U64>) => {
    const small = (found: TableInRange): void => {
      k.locked(ptdesc.at(found.table).ptl, () => {
        flush_tlb_batched_pending(k, opt, tlb.mm, found.table, tlb);
        k.forRange(
          found.start,
          found.end,
          1,
          (vpn) => madvise_free_pte(k, opt, tlb, found.table, vpn),
          "vpn",
        );
        leaveTable(k, opt, tlb, found.table);
      });
      if (!tlb.opt.eager) k.window("cleaned, unlocked, TLBs still warm");
    };
    const large = (leaf: LeafInRange): void =>
      splitOrWhole(k, opt, tlb.mm, leaf, () => madvise_free_huge_pmd(k, opt, tlb, leaf));
    forEachTable(k, tlb.mm.root, PTE, start, end, small, undefined, opt.thp ? large : undefined);
  },
);

/**
 * One turn of the loop in madvise_free_pte_range(). Source: linux mm/madvise.c. Simplified: a page that is dirty by itself, as one
 * from swap is, stays as it is, and so does one that several address spaces map.
 */
const madvise_free_pte = routine(
  "madvise_free_pte_range",
  (k: Builder, opt: KernelOptions, tlb: mmu_gather, table: Expr<U64>, vpn: Expr<U64>) => {
    const pte = entryAt(k, table, vpn, PTE);
    const seen = k.read("ptep_get", pte);
    k.if(seen.swap, () => {
      k.write("pte_clear_not_present_full", pte, pte_t.zero);
      swap_free(k, seen.pfn);
    });
    k.if(seen.present.and(seen.special.not()), () => {
      const folio = page.at(seen.pfn);
      const flags = k.read("folio_test_anon", folio.flags);
      k.if(flags.anon.and(flags.dirty.not()).and(flags.swapcache.not()), () => {
        const map_count = k.read("folio_mapcount", folio._mapcount);
        k.if(map_count.eq(1), () => {
          k.if(seen.accessed.or(seen.dirty), () => {
            // Taken out and put back, because the hardware may set D at any moment.
            const ptent = k.xchg("clear_young_dirty_ptes", pte, pte_t.zero);
            k.write("set_pte_at", pte, pte_mkold_clean(ptent));
            tlb_flush_pte_range(k, opt, tlb, vpn);
          });
          k.and("folio_mark_lazyfree", folio.flags, page_flags.ones.with({ swapbacked: false }));
        });
      });
    });
  },
);
