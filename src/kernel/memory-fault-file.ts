/** Faults on mappings with a page cache, and putting a page into an absent entry. Part of Linux's mm/memory.c. */

import { type Builder, type Expr, routine, type U64 } from "../dsl/index.js";
import { filemap_fault } from "./filemap.js";
import { folio_prealloc } from "./memory-alloc.js";
import { do_fault_around, pte_for_reading } from "./memory-around.js";
import type { KernelOptions } from "./options.js";
import { folio_add_new_anon_rmap, folio_add_rmap, folio_mark_dirty, folio_put } from "./page.js";
import { mk_pte, type Pte, pte_mkdirty, pte_mkwrite, pte_mkyoung, pte_none } from "./pte.js";
import type { vm_fault } from "./vm_fault.js";
import { vm_page_prot } from "./vma.js";

/**
 * Map a page whose reference the caller gives, unless somebody has mapped something: then drop it.
 *
 * Source: linux mm/memory.c, finish_fault() and set_pte_range().
 */
export const installOrDrop = routine(
  "set_pte_range",
  (k: Builder, vmf: vm_fault, entry: Pte, pfn: Expr<U64>, addRmap: () => void, counter: string) => {
    const installed = k.var(false, "installed");
    k.locked(vmf.ptl, () => {
      const now = k.read("vmf_pte_changed", vmf.pte);
      k.if(pte_none(now), () => {
        addRmap();
        k.write("set_ptes", vmf.pte, entry);
        installed.set(true);
      });
    });
    k.if(
      installed.get(),
      () => k.count(counter),
      () => {
        folio_put(k, pfn);
        k.count("faults.spurious");
      },
    );
  },
);

/** A fault on a mapping with a page cache. Source: linux mm/memory.c, do_fault(). */
export const do_fault = routine("do_fault", (k: Builder, opt: KernelOptions, vmf: vm_fault) => {
  k.if(
    vmf.write.and(vmf.vma.shared.not()),
    () => do_cow_fault(k, vmf),
    () => {
      do_shared_or_read_fault(k, vmf);
      if (opt.tunables.fault_around_pages > 1)
        k.if(vmf.write.not(), () => do_fault_around(k, opt, vmf, vmf.vma_start, vmf.vma_end));
    },
  );
});

/**
 * The first write to a private page of a file: a copy, before anybody has mapped the original here.
 *
 * Source: linux mm/memory.c, do_cow_fault().
 */
const do_cow_fault = routine("do_cow_fault", (k: Builder, vmf: vm_fault) => {
  const pfn = folio_prealloc(k);
  k.if(
    pfn.ne(0),
    () => {
      const source = filemap_fault(k, vmf.vma, vmf.vpn);
      k.if(
        source.ne(0),
        () => {
          k.copyFrame("copy_mc_user_highpage", source, pfn, vmf.vpn, vmf.mm.root);
          k.fence("__folio_mark_uptodate", "wmb");
          const entry = pte_mkdirty(pte_mkwrite(mk_pte(pfn, vm_page_prot(vmf.vma))));
          installOrDrop(
            k,
            vmf,
            entry,
            pfn,
            () => folio_add_new_anon_rmap(k, pfn, vmf.mm.id, vmf.vpn),
            "faults.cow",
          );
          folio_put(k, source);
        },
        () => {
          folio_put(k, pfn);
          vmf.oom.set(true);
        },
      );
    },
    () => vmf.oom.set(true),
  );
});

/**
 * Map the page of the file itself. A shared file hears of the first write, which makes the page dirty.
 *
 * Source: linux mm/memory.c, do_read_fault() and do_shared_fault().
 */
const do_shared_or_read_fault = routine("do_read_fault", (k: Builder, vmf: vm_fault) => {
  const pfn = filemap_fault(k, vmf.vma, vmf.vpn);
  const first = k.var(mk_pte(pfn, vm_page_prot(vmf.vma)), "entry");
  k.if(pfn.eq(0), () => vmf.oom.set(true));
  k.if(pfn.ne(0), () => {
    k.if(
      vmf.write,
      () => {
        k.if(vmf.vma.file, () => k.work("page_mkwrite"));
        folio_mark_dirty(k, pfn);
        first.set(pte_mkyoung(pte_mkdirty(pte_mkwrite(first.get()))));
      },
      () => first.set(pte_for_reading(k, vmf.vma, pfn)),
    );
    installOrDrop(
      k,
      vmf,
      first.get(),
      pfn,
      () => folio_add_rmap(k, pfn, "folio_add_file_rmap_ptes"),
      "faults.minor",
    );
  });
});
