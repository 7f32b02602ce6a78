/** struct page: the reference and map counts of a frame, and the little that is known of its content. */

import {
  type Bool,
  type Builder,
  bit,
  bits,
  type Expr,
  record,
  routine,
  struct,
  type U64,
  u64,
} from "../dsl/index.js";

/** Source: linux include/linux/page-flags.h. Anonymity is a bit here; Linux keeps it in the mapping pointer. */
export const page_flags = struct("page_flags", {
  anon: bit(0),
  anon_exclusive: bit(1),
  dirty: bit(2),
});

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
  k.if(left.eq(0), () => k.freeFrame("free_frozen_pages", pfn));
});

/** The first mapping of a new private page. Source: linux mm/rmap.c, folio_add_new_anon_rmap(). */
export const folio_add_new_anon_rmap = routine("folio_add_new_anon_rmap", (k: Builder, pfn: Expr<U64>) => {
  k.write("_mapcount", page.at(pfn)._mapcount, 1);
  k.write("SetPageAnonExclusive", page.at(pfn).flags, page_flags.of({ anon: true, anon_exclusive: true }));
});

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
