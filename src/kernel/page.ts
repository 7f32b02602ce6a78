/** struct page: the reference and map counts of a frame, and the little that is known of its content. */

import {
  type Bool,
  type Builder,
  bit,
  bits,
  type Expr,
  record,
  routine,
  rwlock,
  struct,
  type U64,
  u64,
} from "../dsl/index.js";
import type { KernelOptions } from "./options.js";

/** Source: linux include/linux/page-flags.h. Anonymity is a bit here; Linux keeps it in the mapping pointer. */
export const page_flags = struct("page_flags", {
  anon: bit(0),
  anon_exclusive: bit(1),
  dirty: bit(2),
  /** Its content has to go to swap when it is reclaimed; without it, reclaim may drop a page that is clean. */
  swapbacked: bit(3),
  swapcache: bit(4),
  /** In the list that reclaim takes pages from. Whoever clears it may link the page elsewhere. */
  lru: bit(5),
  /** Of the first frame of a large page: 1 for 2M, 2 for 1G. */
  order: bits(6, 2),
});

/**
 * Where a private page is mapped, or was by the first one who had it.
 *
 * Source: linux include/linux/mm_types.h, folio.mapping and folio.index. Simplified: Linux finds every mapping of a page by a tree of
 * mappings; here the others are those of address spaces in `mmlist` that have the page at the same address.
 */
export const anon_mapping = struct("anon_mapping", { mm: bits(0, 20), vpn: bits(20, 44) });

/**
 * A place in the list of pages that some gather will free.
 *
 * Linux keeps arrays of pages in batches; there is no heap here, so each page carries the link to the next one.
 * A page can be in one list only, which is why the link says whether it is taken. `next` 0 ends the list.
 */
export const encoded_page = struct("encoded_page", {
  linked: bit(0),
  delay_rmap: bit(1),
  next: bits(12, 40),
});
export type encoded_page = typeof encoded_page;

/**
 * Counts start at 0: a fresh frame has `_refcount` 1 and `_mapcount` 0, where Linux's `_mapcount` starts at -1.
 *
 * Source: linux include/linux/mm_types.h, struct page.
 */
export const page = record("frame", {
  _refcount: u64,
  _mapcount: u64,
  flags: page_flags,
  gatherLink: encoded_page,
  mapping: anon_mapping,
  /** The next page in a list of reclaim's, 0 at the end. */
  lru: u64,
  /** Slot in swap of a page in the swap cache. */
  swap: u64,
  /** Linux has a bit for it, and puts to sleep who has to wait. */
  folio_lock: rwlock("folio_lock"),
});

/** Source: linux mm/page_alloc.c, get_page_from_freelist() and prep_new_page(). Gives 0 when memory is out. */
export const folio_alloc = routine("folio_alloc", (k: Builder): Expr<U64> => {
  const pfn = k.allocFrame("get_page_from_freelist");
  k.if(pfn.ne(0), () => k.write("set_page_refcounted", page.at(pfn)._refcount, 1));
  return pfn;
});

/** Source: linux include/linux/mm.h, folio_get(). */
export function folio_get(k: Builder, pfn: Expr<U64>, label = "folio_get"): void {
  k.add(label, page.at(pfn)._refcount, 1);
}

/** Drop one reference; the last one frees the frame. Source: linux mm/swap.c, __folio_put(). */
export const folio_put = routine("folio_put", (k: Builder, pfn: Expr<U64>) => {
  const left = k.addReturn("put_page_testzero", page.at(pfn)._refcount, -1);
  k.if(left.eq(0), () => free_frozen_pages(k, pfn));
});

/** The same for a page of any size. Source: linux mm/swap.c, __folio_put(). */
const large_folio_put = routine("folio_put_large", (k: Builder, pfn: Expr<U64>) => {
  const left = k.addReturn("put_page_testzero", page.at(pfn)._refcount, -1);
  k.if(left.eq(0), () => {
    const { order } = k.read("folio_order", page.at(pfn).flags);
    k.if(order.eq(0), () => free_frozen_pages(k, pfn));
    for (const level of [1, 2]) {
      k.if(order.eq(level), () => {
        k.write(`free_pages_prepare level ${level}`, page.at(pfn).flags, page_flags.zero);
        k.freeBlock(`free_frozen_pages level ${level}`, pfn, level);
      });
    }
  });
});

/** Drop the reference that a mapping had. */
export function folio_unref(k: Builder, opt: KernelOptions, pfn: Expr<U64>): void {
  if (opt.thp) large_folio_put(k, pfn);
  else folio_put(k, pfn);
}

/** Give back a frame that nobody refers to. Source: linux mm/page_alloc.c, free_frozen_pages(), free_pages_prepare(). */
export function free_frozen_pages(k: Builder, pfn: Expr<U64>): void {
  // A free frame has no flags, so nobody who comes across it takes it for what it was.
  k.write("free_pages_prepare", page.at(pfn).flags, page_flags.zero);
  k.freeFrame("free_frozen_pages", pfn);
}

const NEW_ANON = page_flags.of({ anon: true, anon_exclusive: true, swapbacked: true, lru: true });

/**
 * The first mapping of a new private page, which reclaim may find from here on.
 *
 * Source: linux mm/rmap.c, folio_add_new_anon_rmap(), and mm/swap.c, folio_add_lru_vma().
 */
export const folio_add_new_anon_rmap = routine(
  "folio_add_new_anon_rmap",
  (k: Builder, pfn: Expr<U64>, mm: Expr<U64>, vpn: Expr<U64>) => {
    k.write("_mapcount", page.at(pfn)._mapcount, 1);
    k.write("__folio_set_anon", page.at(pfn).mapping, anon_mapping.of({ mm, vpn }));
    k.write("SetPageAnonExclusive", page.at(pfn).flags, NEW_ANON);
  },
);

export function folio_add_rmap(k: Builder, pfn: Expr<U64>, label: string): void {
  k.add(label, page.at(pfn)._mapcount, 1);
}

export function folio_remove_rmap(k: Builder, pfn: Expr<U64>, label: string): void {
  k.add(label, page.at(pfn)._mapcount, -1);
}

/** Source: linux mm/page-writeback.c, folio_mark_dirty(). */
export function folio_mark_dirty(k: Builder, pfn: Expr<U64>): void {
  k.or("folio_mark_dirty", page.at(pfn).flags, page_flags.of({ dirty: true }));
  k.recordDirty("dirty on record", pfn);
}

/** Only this mapping refers to the page, or whoever else did has let go since. */
export function isExclusive(flags: Expr<typeof page_flags>): Expr<Bool> {
  return flags.anon.and(flags.anon_exclusive);
}
