/** Pages of 2M and 1G: what becomes of their entries. Linux has the latter in mm/hugetlb.c. */

import {
  type Bool,
  type Builder,
  type Expr,
  type Field,
  routine,
  type SpinLock,
  type U64,
} from "../dsl/index.js";
import type { Mm } from "./mm_types.js";
import { leaveTable, tlb_flush_mmu_free, tlb_flush_mmu_tlbonly, tlb_remove_page } from "./mmu_gather.js";
import type { mmu_gather } from "./mmu_gather-batch.js";
import { tlb_flush_huge_range } from "./mmu_gather-range.js";
import type { KernelOptions } from "./options.js";
import { anon_mapping, folio_remove_rmap, page, page_flags } from "./page.js";
import { addrStart, entryAt, type LeafInRange, levelShift, PMD, PTE, ptdesc } from "./pgtable.js";
import { type Pte, pte_mkold_clean, pte_t, table_entry } from "./pte.js";
import { flush_tlb_mm_range } from "./tlb.js";

/** Pages of a large page of this level. */
export function hugeSpan(k: Builder, level: number): bigint {
  return 1n << BigInt(levelShift(k, level));
}

/** The lock of an entry. Source: linux include/linux/mm.h, pmd_lockptr(); include/linux/hugetlb.h, huge_pte_lockptr(). */
export function hugeLock(mm: Mm, table: Expr<U64>, level: number): SpinLock<string> {
  return level === PMD ? ptdesc.at(table).ptl : mm.page_table_lock;
}

/** The first page of a large one; and whether all of it is meant. */
function baseOf(k: Builder, leaf: LeafInRange): { base: Expr<U64>; isWhole: Expr<Bool> } {
  const base = k.copy(addrStart(k, leaf.start, leaf.level), "haddr");
  return { base, isWhole: leaf.end.sub(base).eq(hugeSpan(k, leaf.level)).and(leaf.start.eq(base)) };
}

/** What to do with a large page under its lock; not at all when it has become something else. */
function withHuge(
  k: Builder,
  mm: Mm,
  leaf: LeafInRange,
  body: (entry: Field<pte_t>, base: Expr<U64>) => void,
): void {
  const { base } = baseOf(k, leaf);
  const entry = entryAt(k, leaf.table, base, leaf.level);
  k.locked(hugeLock(mm, leaf.table, leaf.level), () => {
    const now = k.read("pmd_trans_huge", entry);
    k.if(now.pse, () => body(entry, base), leaf.again);
  });
}

/** A part of a large page needs entries of its own, except of 1G: of those only the whole can be meant. */
export function splitOrWhole(
  k: Builder,
  opt: KernelOptions,
  mm: Mm,
  leaf: LeafInRange,
  whole: () => void,
): void {
  k.if(baseOf(k, leaf).isWhole, whole, () => splitIfPmd(k, opt, mm, leaf));
}

/** Whoever knows nothing of large pages has them split; when memory is out they stay as they are. */
export function splitIfPmd(k: Builder, opt: KernelOptions, mm: Mm, leaf: LeafInRange): void {
  const split = (): void => k.if(split_huge_pmd(k, opt, mm, leaf.table, leaf.start), leaf.again);
  for (const each of leaf.level === PMD ? [split] : []) each();
}

/** Take a large page away. Source: linux mm/huge_memory.c, zap_huge_pmd(). Left out: the page table kept for a split. */
export const zap_huge_pmd = routine(
  "zap_huge_pmd",
  (k: Builder, opt: KernelOptions, tlb: mmu_gather, leaf: LeafInRange) => {
    const full = k.var(false, "full");
    withHuge(k, tlb.mm, leaf, (entry, base) => {
      const old = k.xchg("pmdp_huge_get_and_clear_full", entry, pte_t.zero);
      tlb_flush_huge_range(k, opt, tlb, base, leaf.level);
      leaveTable(k, opt, { ...tlb, opt: { ...tlb.opt, perTable: false } }, leaf.table);
      const head = k.copy(old.pfn, "head");
      folio_remove_rmap(k, head, "folio_remove_rmap_pmd");
      k.if(tlb_remove_page(k, opt, tlb, head, full.get()), () => full.set(true));
    });
    return tlb.opt.eager ? undefined : flushIfFull(k, opt, tlb, full.get());
  },
);

function flushIfFull(k: Builder, opt: KernelOptions, tlb: mmu_gather, full: Expr<Bool>): void {
  k.window("unmapped, unlocked, TLBs still warm");
  k.if(full, () => {
    tlb_flush_mmu_tlbonly(k, opt, tlb);
    tlb_flush_mmu_free(k, opt, tlb);
  });
}

/** Change the rights of a large page. Source: linux mm/huge_memory.c, change_huge_pmd(). */
export const change_huge_pmd = routine(
  "change_huge_pmd",
  (
    k: Builder,
    opt: KernelOptions,
    tlb: mmu_gather,
    leaf: LeafInRange,
    change: (old: Pte) => Pte,
    needsFlush: (before: Pte, after: Pte) => Expr<Bool>,
  ) => {
    withHuge(k, tlb.mm, leaf, (entry, base) => {
      const old = k.xchg("pmdp_invalidate_ad", entry, pte_t.zero);
      const changed = k.copy(change(old), "entry");
      k.write("set_pmd_at", entry, changed);
      k.if(
        needsFlush(old, changed),
        () => tlb_flush_huge_range(k, opt, tlb, base, leaf.level),
        () => k.count("flushes.avoided.need-flush"),
      );
      leaveTable(k, opt, tlb, leaf.table);
    });
  },
);

/** Make a large page look untouched. Source: linux mm/huge_memory.c, madvise_free_huge_pmd(). Left out: reclaim does not take it. */
export const madvise_free_huge_pmd = routine(
  "madvise_free_huge_pmd",
  (k: Builder, opt: KernelOptions, tlb: mmu_gather, leaf: LeafInRange) => {
    withHuge(k, tlb.mm, leaf, (entry, base) => {
      const old = k.xchg("pmdp_invalidate", entry, pte_t.zero);
      k.write("set_pmd_at", entry, pte_mkold_clean(old));
      k.if(old.present, () => tlb_flush_huge_range(k, opt, tlb, base, leaf.level));
      leaveTable(k, opt, tlb, leaf.table);
    });
  },
);

/**
 * Give the pages of a 2M page entries of their own. Tells whether there is a page table now.
 *
 * The entry is made invisible to the hardware and flushed before the table is hooked in its place: no CPU may have both at once. Walkers
 * that see it meanwhile wait for the lock.
 * Source: linux mm/huge_memory.c, __split_huge_pmd(). Simplified: the page itself is split too, which Linux puts off until memory is
 * short; the table is allocated now, where Linux has kept one since the fault.
 */
export const split_huge_pmd = routine(
  "__split_huge_pmd",
  (k: Builder, opt: KernelOptions, mm: Mm, table: Expr<U64>, vpn: Expr<U64>): Expr<Bool> => {
    const base = k.copy(addrStart(k, vpn, PMD), "haddr");
    const entry = entryAt(k, table, base, PMD);
    const done = k.var(false, "split");
    const fresh = k.allocTable("pte_alloc_one", { root: mm.root, level: PTE, base });
    k.if(fresh.ne(0), () => {
      const used = k.var(false, "used");
      k.locked(hugeLock(mm, table, PMD), () => {
        const now = k.read("pmd_trans_huge", entry);
        k.if(now.pse, () => {
          const old = k.xchg("pmdp_invalidate", entry, now.with({ present: false }));
          k.window("split, invisible to walkers");
          flush_tlb_mm_range(k, opt, mm, base, base.add(hugeSpan(k, PMD)), levelShift(k, PMD), false);
          fillTable(k, mm, fresh, base, old.with({ present: now.present }));
          k.fence("smp_wmb", "wmb");
          k.write("pmd_populate", entry, table_entry(fresh));
          used.set(true);
        });
        done.set(true);
      });
      k.if(used.get().not(), () => k.freeTable("pte_free", fresh));
    });
    return done.get();
  },
);

const SMALL_ANON = page_flags.of({ anon: true, anon_exclusive: true, swapbacked: true, lru: true });

/** Source: linux mm/huge_memory.c, __split_huge_pmd_locked(), and __split_folio_to_order(). */
const fillTable = routine(
  "__split_huge_pmd_locked",
  (k: Builder, mm: Mm, table: Expr<U64>, base: Expr<U64>, huge: Pte) => {
    k.forRange(
      0,
      hugeSpan(k, PMD),
      1,
      (i) => {
        const pfn = k.copy(huge.pfn.add(i), "pfn");
        const vpn = k.copy(base.add(i), "vpn");
        initPage(k, mm, pfn, vpn);
        k.write("__SetPageAnon", page.at(pfn).flags, SMALL_ANON);
        k.write("set_ptes", entryAt(k, table, vpn, PTE), huge.with({ pse: false, pfn }));
      },
      "i",
    );
  },
);

/** A page with one reference and one mapping. Source: linux mm/rmap.c, folio_add_new_anon_rmap(). */
export function initPage(k: Builder, mm: Mm, pfn: Expr<U64>, vpn: Expr<U64>): void {
  k.write("set_page_refcounted", page.at(pfn)._refcount, 1);
  k.write("_mapcount", page.at(pfn)._mapcount, 1);
  k.write("folio->mapping", page.at(pfn).mapping, anon_mapping.of({ mm: mm.id, vpn }));
}
