/** Writing pages of files back: a page is clean from the moment at which its writing starts. */

import { type Builder, type Expr, type ProgramSource, program, routine, type U64 } from "../dsl/index.js";
import { current_mm, type Mm } from "./mm_types.js";
import type { KernelOptions } from "./options.js";
import { folio_get, folio_mark_dirty, folio_put, page, page_flags } from "./page.js";
import { ptep_clear_flush } from "./pgtable-generic.js";
import { type Pte, pte_wrprotect } from "./pte.js";
import { type Mapping, page_vma_mapped_walk } from "./rmap.js";
import { type FilePage, rmap_walk_file } from "./rmap-file.js";
import { for_each_vma_range, page_cache_key } from "./vma.js";

/**
 * msync(MS_SYNC): write the dirty pages of [start, end) back.
 *
 * Source: linux mm/msync.c, and mm/page-writeback.c, write_cache_pages(). Simplified: Linux drops mmap_lock before it writes.
 */
export function msync(opt: KernelOptions): ProgramSource {
  return program("msync", ["start", "end"], (k, { start, end }) => {
    const mm = current_mm(k);
    k.readLocked(mm.mmap_lock, () => {
      for_each_vma_range(k, mm.id, start, end, ({ vma, start: first, end: last }) => {
        k.if(vma.file.and(vma.shared), () =>
          k.forRange(first, last, 1, (vpn) => {
            const key = k.copy(page_cache_key(vma, vpn), "key");
            const pfn = k.cacheLoad("filemap_get_folios_tag", key);
            k.if(pfn.ne(0), () => {
              folio_get(k, pfn);
              write_page(k, opt, mm, { pfn, key }, vpn);
              folio_put(k, pfn);
            });
          }),
        );
      });
    });
  });
}

/**
 * Write one page back if it is dirty. `vpn` is where the caller's address space maps it, if anywhere.
 *
 * Source: linux mm/page-writeback.c, folio_clear_dirty_for_io(), and what write_cache_pages() does around it.
 */
export const write_page = routine(
  "folio_clear_dirty_for_io",
  (k: Builder, opt: KernelOptions, mm: Mm, folio: FilePage, vpn: Expr<U64>) => {
    const { pfn } = folio;
    const flags = k.read("folio_test_dirty", page.at(pfn).flags);
    k.if(flags.dirty, () => {
      folio_mkclean(k, opt, mm, folio, vpn);
      k.and("folio_test_clear_dirty", page.at(pfn).flags, page_flags.ones.with({ dirty: false }));
      k.judgeClean("folio_start_writeback", pfn);
      k.window("writing back, judged clean");
      k.work("writepage");
    });
  },
);

/**
 * Write-protect the page wherever it is mapped, so that the next write tells the file system again.
 *
 * Source: linux mm/rmap.c, folio_mkclean(). Simplified: the caller's own entry comes first, and the others are looked for only if the page
 * has more of them, where Linux walks all mappings of the file in their order.
 */
const folio_mkclean = routine(
  "folio_mkclean",
  (k: Builder, opt: KernelOptions, mm: Mm, folio: FilePage, vpn: Expr<U64>) => {
    const unseen = k.var(k.read("folio_mapped", page.at(folio.pfn)._mapcount), "unseen");
    k.if(unseen.get().ne(0), () => {
      page_vma_mapped_walk(k, mm, folio.pfn, vpn, (mapping, seen) => {
        unseen.set(unseen.get().sub(1));
        page_vma_mkclean_one(k, opt, folio.pfn, mapping, seen);
      });
      if (opt.fix["B-mkclean-one-mm"]) return;
      k.if(unseen.get().ne(0), () =>
        rmap_walk_file(k, folio, (mapping, seen) => {
          const flushed = opt.fix["B-mkclean-one-flush"] ? { ...mapping, mm } : mapping;
          page_vma_mkclean_one(k, opt, folio.pfn, flushed, seen);
        }),
      );
    });
  },
);

/** Source: linux mm/rmap.c, page_vma_mkclean_one(). */
const page_vma_mkclean_one = routine(
  "page_vma_mkclean_one",
  (k: Builder, opt: KernelOptions, pfn: Expr<U64>, { mm, vpn, pte }: Mapping, seen: Pte) => {
    k.if(seen.write.or(seen.dirty), () => {
      const entry = ptep_clear_flush(k, opt, mm, vpn, pte);
      k.write("set_pte_at", pte, pte_wrprotect(entry).with({ dirty: false }));
      folio_mark_dirty(k, pfn);
    });
  },
);
