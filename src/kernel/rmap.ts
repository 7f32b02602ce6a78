/** From a page to the entry that maps it, and taking that entry out for reclaim. Linux has it in mm/rmap.c. */

import { type Bool, type Builder, type Expr, type Field, routine, type U64, type Var } from "../dsl/index.js";
import { type Mm, mm_struct, mmOf } from "./mm_types.js";
import { mmlist_first, mmlist_next } from "./mmlist.js";
import type { KernelOptions } from "./options.js";
import { folio_mark_dirty, folio_remove_rmap, page, page_flags } from "./page.js";
import { entryAt, mm_find_pmd, PTE, ptdesc } from "./pgtable.js";
import { type Pte, pte_present, pte_t, swp_entry_to_pte } from "./pte.js";
import { set_tlb_ubc_flush_pending, should_defer_flush } from "./rmap-batch.js";
import { swap_duplicate } from "./swapfile.js";
import { flush_tlb_page } from "./tlb.js";
import { mmId } from "./tlbflush.js";

/** The entry of a page, its table locked. */
export interface Mapping {
  readonly mm: Mm;
  readonly table: Expr<U64>;
  readonly vpn: Expr<U64>;
  readonly pte: Field<pte_t>;
}

/** What is done with an entry, its table locked; `seen` is what it holds. */
export type Visit = (mapping: Mapping, seen: Pte) => void;

/** Visit the entry of `mm` at `vpn` if it is one for the page. Source: linux mm/page_vma_mapped.c, page_vma_mapped_walk(). */
export function page_vma_mapped_walk(
  k: Builder,
  mm: Mm,
  pfn: Expr<U64>,
  vpn: Expr<U64>,
  visit: Visit,
  maps: (pte: Pte) => Expr<Bool> = (pte) => pte_present(pte).and(pte.special.not()).and(pte.pfn.eq(pfn)),
): void {
  const table = mm_find_pmd(k, mm.root, vpn);
  k.if(table.ne(0), () =>
    k.locked(ptdesc.at(table).ptl, () => {
      const pte = entryAt(k, table, vpn, PTE);
      const seen = k.read("page_vma_mapped_walk", pte);
      k.if(maps(seen), () => visit({ mm, table, vpn, pte }, seen));
    }),
  );
}

/** The same, whatever the address space does meanwhile; it frees no page tables. */
export function visitUnlocked(
  k: Builder,
  id: Expr<U64>,
  pfn: Expr<U64>,
  vpn: Expr<U64>,
  visit: Visit,
  maps?: (pte: Pte) => Expr<Bool>,
): void {
  const { anon_vma, pgd } = mm_struct.at(id);
  k.readLocked(anon_vma, () => {
    const mm = mmOf(id, k.read("mm->pgd", pgd));
    k.if(mm.root.ne(0), () => page_vma_mapped_walk(k, mm, pfn, vpn, visit, maps));
  });
}

/** No id of an address space. */
const END_OF_LIST = (1n << 64n) - 1n;

/**
 * Visit the entries that map a private page, until it has none left.
 *
 * The first one is that of the address space that `folio->mapping` names; those of others are found if they are at the same address.
 * Source: linux mm/rmap.c, rmap_walk_anon(). Simplified: mremap() in one of the address spaces hides its entry from this.
 */
const rmap_walk_anon = routine("rmap_walk_anon", (k: Builder, pfn: Expr<U64>, visit: Visit) => {
  const { mm, vpn } = k.read("folio->mapping", page.at(pfn).mapping);
  const id = k.var(mm, "mm_id");
  const next = k.var(0, "next");
  k.while(
    () => id.get().ne(END_OF_LIST),
    () => {
      // The first one may be in the list too.
      k.if(next.get().eq(0).or(id.get().ne(mm)), () => visitUnlocked(k, id.get(), pfn, vpn, visit));
      const left = k.read("folio_not_mapped", page.at(pfn)._mapcount);
      k.breakIf(left.eq(0));
      k.if(
        next.get().eq(0),
        () => next.set(mmlist_first(k)),
        () => next.set(mmlist_next(k, next.get())),
      );
      id.set(next.get().eq(0).select(END_OF_LIST, mmId(next.get())));
    },
  );
});

/** Visit the entry of the address space that `folio->mapping` names, and no other. Source: linux mm/rmap.c, rmap_walk_anon(). */
export const rmap_walk_anon_one = routine(
  "rmap_walk_anon",
  (k: Builder, pfn: Expr<U64>, visit: Visit, maps?: (pte: Pte) => Expr<Bool>) => {
    const { mm, vpn } = k.read("folio->mapping", page.at(pfn).mapping);
    visitUnlocked(k, mm, pfn, vpn, visit, maps);
  },
);

/**
 * Take out the entries of a locked page that is in the swap cache, or may be dropped. Their flushes may be put off.
 *
 * When it returns and the page is still mapped, it could not.
 * Source: linux mm/rmap.c, try_to_unmap() with TTU_BATCH_FLUSH.
 */
export const try_to_unmap = routine("try_to_unmap", (k: Builder, opt: KernelOptions, pfn: Expr<U64>) => {
  rmap_walk_anon(k, pfn, (mapping) => try_to_unmap_one(k, opt, pfn, mapping));
  if (opt.slots.reclaim !== "eager") k.window("unmapped by reclaim, not flushed");
});

/** Source: linux mm/rmap.c, try_to_unmap_one(). */
const try_to_unmap_one = routine(
  "try_to_unmap_one",
  (k: Builder, opt: KernelOptions, pfn: Expr<U64>, mapping: Mapping) => {
    const pteval = clearAndFlush(k, opt, mapping);
    k.if(pteval.dirty, () => folio_mark_dirty(k, pfn));
    const gone = k.var(false, "gone");
    const flags = k.read("folio_test_swapbacked", page.at(pfn).flags);
    k.if(
      flags.swapbacked,
      () => {
        const slot = k.read("folio->swap", page.at(pfn).swap);
        gone.set(swap_duplicate(k, slot, pfn));
        k.if(gone.get(), () =>
          k.write("set_pte_at swap", mapping.pte, swp_entry_to_pte(slot, flags.anon_exclusive, pteval)),
        );
      },
      () => discard(k, opt, pfn, gone),
    );
    k.if(
      gone.get(),
      () => {
        folio_remove_rmap(k, pfn, "folio_remove_rmap_pte");
        // Never the last one: reclaim has a reference too.
        k.add("folio_put", page.at(pfn)._refcount, -1);
      },
      () => k.write("set_pte_at", mapping.pte, pteval),
    );
  },
);

/** Take the entry out, and flush it or remember that it has to be. Source: linux mm/rmap.c, try_to_unmap_one(). */
export function clearAndFlush(k: Builder, opt: KernelOptions, { mm, table, vpn, pte }: Mapping): Pte {
  const pteval = opt.fix["C-discard-fence"]
    ? xchg_relaxed(k, pte)
    : k.xchg("ptep_get_and_clear", pte, pte_t.zero);
  k.if(
    should_defer_flush(k, opt, mm),
    () => set_tlb_ubc_flush_pending(k, opt, { mm, table, vpn }, pteval),
    () => flush_tlb_page(k, opt, mm, vpn),
  );
  return pteval;
}

/** An exchange that orders nothing, as far as others can tell: what it stores may become visible late. */
function xchg_relaxed(k: Builder, pte: Field<pte_t>): Pte {
  const old = k.read("ptep_get_and_clear", pte);
  k.write("ptep_get_and_clear store", pte, pte_t.zero);
  return old;
}

/**
 * A page that nobody has written to since MADV_FREE, and that nobody else looks at, goes without being written out.
 *
 * The other side takes a reference and then looks whether the entry is still there; at least one of the two sees the other.
 * Source: linux mm/rmap.c, try_to_unmap_one() for lazily freed folios, since 2022.
 */
const discard = routine("discard", (k: Builder, opt: KernelOptions, pfn: Expr<U64>, gone: Var<Bool>) => {
  if (!opt.fix["C-discard-fence"]) k.fence("smp_mb", "mb");
  const ref_count = k.read("folio_ref_count", page.at(pfn)._refcount);
  const map_count = k.read("folio_mapcount", page.at(pfn)._mapcount);
  k.fence("smp_rmb", "rmb");
  const flags = k.read("folio_test_dirty", page.at(pfn).flags);
  const written = opt.fix["C-discard-dirty"] ? flags.dirty.and(false) : flags.dirty;
  k.if(
    ref_count.eq(map_count.add(1)).and(written.not()),
    () => {
      k.judgeClean("lazily freed and clean", pfn);
      gone.set(true);
    },
    () =>
      k.if(flags.dirty, () =>
        k.or("folio_set_swapbacked", page.at(pfn).flags, page_flags.of({ swapbacked: true })),
      ),
  );
});
