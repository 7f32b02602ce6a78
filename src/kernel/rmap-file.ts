/** From a page of a file to every entry that shared mappings have for it, in whatever address space. Part of Linux's mm/rmap.c. */

import { type Builder, type Expr, record, routine, rwlock, type U64, u64 } from "../dsl/index.js";
import { i_mmap_link, type Mm, mm_struct, mmOf, taskSize } from "./mm_types.js";
import { entryAt, forEachTable, PTE, ptdesc } from "./pgtable.js";
import { type Pte, pte_present } from "./pte.js";
import type { Mapping } from "./rmap.js";
import { mmId, mmPointer } from "./tlbflush.js";
import { for_each_vma_range, page_cache_key, type Vma, vma_address } from "./vma.js";

/**
 * The address spaces that have, or once had, a shared mapping of a file: a list from `i_mmap` on, 0 when it is empty.
 *
 * Source: linux include/linux/fs.h, address_space.i_mmap and i_mmap_rwsem. Simplified: Linux has a tree of mappings for each file, and
 * takes them out again; here one list for all files leads to address spaces, whose mappings say the rest.
 */
export const i_mmap = record("global", { i_mmap_rwsem: rwlock("i_mmap_rwsem"), i_mmap: u64 });

/** `mm` gets the mapping; its mmap_lock is held for writing. Source: linux mm/vma.c, vma_link_file(). */
export const vma_link_file = routine("vma_link_file", (k: Builder, mm: Mm, vma: Vma) => {
  k.if(vma.file.and(vma.shared), () => {
    const before = k.read("i_mmap_link", mm.i_mmap_link);
    k.if(before.listed.not(), () =>
      k.writeLocked(i_mmap.at().i_mmap_rwsem, () => {
        const next = k.read("i_mmap", i_mmap.at().i_mmap);
        k.write("vma_interval_tree_insert", mm.i_mmap_link, i_mmap_link.of({ listed: true, next }));
        k.write("i_mmap = mm", i_mmap.at().i_mmap, mmPointer(mm.id));
      }),
    );
  });
});

/** A page of a file, by the number of its frame and its key in the page cache. */
export interface FilePage {
  readonly pfn: Expr<U64>;
  readonly key: Expr<U64>;
}

/** What is done with an entry of the page, its table locked; `seen` is what it holds. */
type Visit = (mapping: Mapping, seen: Pte) => void;

/** Visit the page's entry at `vpn` if it has one there. Source: linux mm/page_vma_mapped.c, page_vma_mapped_walk(). */
export function page_vma_mapped_walk(k: Builder, mm: Mm, pfn: Expr<U64>, vpn: Expr<U64>, visit: Visit): void {
  forEachTable(k, mm.root, PTE, vpn, vpn.add(1), ({ table }) =>
    k.locked(ptdesc.at(table).ptl, () => {
      const pte = entryAt(k, table, vpn, PTE);
      const seen = k.read("ptep_get", pte);
      k.if(pte_present(seen).and(seen.pfn.eq(pfn)), () => visit({ mm, table, vpn, pte }, seen));
    }),
  );
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
    k.readLocked(i_mmap.at().i_mmap_rwsem, () => {
      const next = k.var(k.read("i_mmap", i_mmap.at().i_mmap), "next");
      k.while(
        () => next.get().ne(0),
        () => {
          const id = k.copy(mmId(next.get()), "mm");
          const { anon_vma, pgd, i_mmap_link: link } = mm_struct.at(id);
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
          next.set(k.read("vma_interval_tree_iter_next", link).next);
        },
      );
    });
  },
);
