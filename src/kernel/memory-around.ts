/** Mapping the neighbours of a file's page in the fault that maps the page. Part of Linux's mm/memory.c. */

import { type Bool, type Builder, type Expr, routine, type U64 } from "../dsl/index.js";
import { filemap_fault, filemap_get_folio } from "./filemap.js";
import type { KernelOptions } from "./options.js";
import { folio_add_rmap, folio_put, page } from "./page.js";
import { addrEnd, addrStart, entryAt, PMD, PTE } from "./pgtable.js";
import { mk_pte, pte_mkdirty, pte_none, type pte_t } from "./pte.js";
import type { vm_fault } from "./vm_fault.js";
import { type Vma, vm_page_prot } from "./vma.js";

/**
 * Map what the cache has of a window around the page, up to the ends of the mapping [start, end) and of the page table.
 *
 * The window is aligned, but where the mapping begins inside of it, it is as long from there. Source: linux mm/memory.c,
 * do_fault_around(), and mm/filemap.c, filemap_map_pages(). Simplified: pages of a file that the cache lacks are read in, as
 * reading ahead has done by then; those of shared memory without a file are left out, as in Linux.
 */
export const do_fault_around = routine(
  "do_fault_around",
  (k: Builder, opt: KernelOptions, vmf: vm_fault, start: Expr<U64>, end: Expr<U64>) => {
    const { fault_around_pages } = opt.tunables;
    const { vpn } = vmf;
    const aligned = vpn.and((1n << 64n) - BigInt(fault_around_pages));
    const from = k.copy(aligned.max(start).max(addrStart(k, vpn, PMD)), "from_pte");
    const to = k.copy(from.add(fault_around_pages).min(addrEnd(k, vpn, PMD, end)), "to_pte");
    k.forRange(
      from,
      to,
      1,
      (around) => k.if(around.ne(vpn), () => filemap_map_pages(k, vmf, around)),
      "around",
    );
  },
);

/**
 * What a fault that reads puts in for a page of the cache. A page that is dirty anyway, and may be written without a fault, is mapped as
 * dirty: that saves the hardware the work, and costs who unmaps it a flush before the page-table lock is dropped.
 *
 * Source: linux mm/memory.c, set_pte_range(), since April 2025
 * (https://lore.kernel.org/r/20250402181709.2386022-2-willy@infradead.org).
 */
export const pte_for_reading = routine(
  "set_pte_range.entry",
  (k: Builder, vma: Vma, pfn: Expr<U64>): Expr<pte_t> => {
    const entry = k.var(mk_pte(pfn, vm_page_prot(vma)), "entry");
    k.if(entry.get().write, () => {
      const flags = k.read("folio_test_dirty", page.at(pfn).flags);
      k.if(flags.dirty, () => entry.set(pte_mkdirty(entry.get())));
    });
    return entry.get();
  },
);

/** One page of the window. Source: linux mm/filemap.c, filemap_map_pages(). */
const filemap_map_pages = routine("filemap_map_pages", (k: Builder, vmf: vm_fault, vpn: Expr<U64>) => {
  const pte = entryAt(k, vmf.table, vpn, PTE);
  k.if(pte_none(k.read("ptep_get", pte)), () => {
    const pfn = k.var(0, "folio");
    const isFile: Expr<Bool> = vmf.vma.file;
    k.if(
      isFile,
      () => pfn.set(filemap_fault(k, vmf.vma, vpn)),
      () => pfn.set(filemap_get_folio(k, vmf.vma, vpn)),
    );
    k.if(pfn.get().ne(0), () => {
      const mapped = k.var(false, "mapped");
      k.locked(vmf.ptl, () => {
        k.if(pte_none(k.read("pte_none again", pte)), () => {
          folio_add_rmap(k, pfn.get(), "folio_add_file_rmap_ptes");
          k.write("set_ptes", pte, pte_for_reading(k, vmf.vma, pfn.get()));
          mapped.set(true);
        });
      });
      k.if(
        mapped.get(),
        () => k.count("faults.around"),
        () => folio_put(k, pfn.get()),
      );
    });
  });
});
