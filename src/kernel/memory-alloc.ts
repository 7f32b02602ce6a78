/** Frames for private pages. Part of Linux's mm/memory.c. */

import { type Builder, type Expr, routine, type U64 } from "../dsl/index.js";
import { folio_alloc } from "./page.js";

/** A private page of zeroes, with one reference; 0 when memory is out. Source: linux mm/memory.c, alloc_anon_folio(). */
export const alloc_anon_folio = routine("alloc_anon_folio", (k: Builder): Expr<U64> => {
  k.work("alloc_anon_folio");
  const pfn = folio_alloc(k);
  k.if(pfn.ne(0), () => {
    k.zeroFrame("clear_user_highpage", pfn);
    // The zeroes must be visible before the entry that maps them is.
    k.fence("__folio_mark_uptodate", "wmb");
  });
  return pfn;
});

/** A private page without content, with one reference; 0 when memory is out. Source: linux mm/memory.c. */
export const folio_prealloc = routine("folio_prealloc", (k: Builder): Expr<U64> => {
  k.work("alloc_anon_folio");
  return folio_alloc(k);
});
