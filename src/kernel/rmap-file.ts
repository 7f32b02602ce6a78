/** From a page of a file to every entry that shared mappings have for it, in whatever address space. Part of Linux's mm/rmap.c. */

import { type Builder, type Expr, routine, type U64, u64 } from "../dsl/index.js";
import { type Mm, mm_struct, mmOf, taskSize } from "./mm_types.js";
import { mmlist_add, mmlist_first, mmlist_next } from "./mmlist.js";
import { page_vma_mapped_walk, type Visit } from "./rmap.js";
import { mmId } from "./tlbflush.js";
import { for_each_vma_range, page_cache_key, type Vma, vma_address } from "./vma.js";

/** `mm` gets the mapping; its mmap_lock is held for writing. Source: linux mm/vma.c, vma_link_file(). */
export function vma_link_file(k: Builder, mm: Mm, vma: Vma): void {
  k.if(vma.file.and(vma.shared), () => mmlist_add(k, mm));
}

/** A page of a file, by the number of its frame and its key in the page cache. */
export interface FilePage {
  readonly pfn: Expr<U64>;
  readonly key: Expr<U64>;
}

/**
 * Visit every entry that a shared mapping has for the page.
 *
 * No mmap_lock is held: an address space may do anything meanwhile but free page tables.
 * Source: linux mm/rmap.c, rmap_walk_file(). Simplified: mappings are visited by address, where Linux comes to the new place of a mapping
 * behind its old one; so a page that mremap moves down meanwhile may be passed over.
 */
export const rmap_walk_file = routine(
  "rmap_walk_file",
  (k: Builder, { pfn, key }: FilePage, visit: Visit) => {
    const next = k.var(mmlist_first(k), "next");
    k.while(
      () => next.get().ne(0),
      () => {
        const id = k.copy(mmId(next.get()), "mm");
        const { anon_vma, pgd } = mm_struct.at(id);
        k.readLocked(anon_vma, () => {
          const mm = mmOf(id, k.read("mm->pgd", pgd));
          k.if(mm.root.ne(0), () =>
            for_each_vma_range(k, id, 0, u64.of(taskSize(k)), ({ vma, start, end }) => {
              const vpn = k.copy(vma_address(vma, key), "vpn");
              const isMapping = vma.file.and(vma.shared).and(page_cache_key(vma, vpn).eq(key));
              k.if(isMapping.and(vpn.ge(start)).and(vpn.lt(end)), () =>
                page_vma_mapped_walk(k, mm, pfn, vpn, visit),
              );
            }),
          );
        });
        next.set(mmlist_next(k, next.get()));
      },
    );
  },
);
