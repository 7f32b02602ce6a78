/** The page cache: pages of files, and of shared memory, by file and place. */

import { type Builder, type Expr, record, routine, spinlock, type U64 } from "../dsl/index.js";
import { folio_alloc, folio_get, folio_put } from "./page.js";
import { page_cache_key, type Vma } from "./vma.js";

/**
 * Source: linux include/linux/fs.h, address_space.i_pages.xa_lock. One lock for all files, taken to insert only.
 */
export const i_pages = record("global", { xa_lock: spinlock("xa_lock") });

/**
 * The page of a mapping at `vpn`, with a reference for the caller; read in when it is absent. 0 when memory is out.
 *
 * Source: linux mm/filemap.c, filemap_fault(). Left out: mapping the pages around it in the same fault.
 */
export const filemap_fault = routine("filemap_fault", (k: Builder, vma: Vma, vpn: Expr<U64>): Expr<U64> => {
  k.work("filemap_fault");
  const key = k.copy(page_cache_key(vma, vpn), "key");
  const folio = k.var(k.cacheLoad("filemap_get_folio", key), "folio");
  k.if(folio.get().eq(0), () => folio.set(filemap_add_folio(k, key)));
  // Pages leave the cache never, so the reference may come behind the look-up.
  k.if(folio.get().ne(0), () => folio_get(k, folio.get()));
  return folio.get();
});

/** The page if the cache has it, with a reference for the caller; else 0. Source: linux mm/filemap.c, filemap_get_folio(). */
export const filemap_get_folio = routine(
  "filemap_get_folio",
  (k: Builder, vma: Vma, vpn: Expr<U64>): Expr<U64> => {
    const folio = k.copy(k.cacheLoad("filemap_get_entry", page_cache_key(vma, vpn)), "folio");
    k.if(folio.ne(0), () => folio_get(k, folio));
    return folio;
  },
);

/** Read a page and insert it, unless somebody was faster. Source: linux mm/filemap.c, filemap_add_folio(). */
const filemap_add_folio = routine("filemap_add_folio", (k: Builder, key: Expr<U64>): Expr<U64> => {
  const folio = k.var(0, "folio");
  const fresh = folio_alloc(k);
  k.if(fresh.ne(0), () => {
    k.work("filemap_read_folio");
    k.locked(i_pages.at().xa_lock, () => {
      folio.set(k.cacheLoad("xas_load", key));
      k.if(folio.get().eq(0), () => {
        k.cacheStore("xas_store", key, fresh);
        folio.set(fresh);
      });
    });
    k.if(folio.get().ne(fresh), () => folio_put(k, fresh));
  });
  return folio.get();
});
