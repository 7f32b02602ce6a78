/** Faults on entries that are neither absent nor present: pages in swap, and pages on their way. Part of Linux's mm/memory.c. */

import { type Builder, type Expr, routine, type U64, u64, type Var } from "../dsl/index.js";
import { folio_prealloc } from "./memory-alloc.js";
import type { KernelOptions } from "./options.js";
import { anon_mapping, folio_mark_dirty, folio_put, page, page_flags } from "./page.js";
import { mk_pte, type Pte, pte_mkdirty, pte_mkwrite } from "./pte.js";
import { swap_cache_add_folio, swap_cache_get_folio, swap_free } from "./swapfile.js";
import type { vm_fault } from "./vm_fault.js";
import { vm_page_prot } from "./vma.js";

/**
 * Bring a page back: the one that is still in the swap cache, or a new one with what the slot holds.
 *
 * Source: linux mm/memory.c, do_swap_page().
 */
export const do_swap_page = routine(
  "do_swap_page",
  (k: Builder, opt: KernelOptions, vmf: vm_fault, orig_pte: Pte) => {
    k.if(
      orig_pte.swap,
      () => swapIn(k, opt, vmf, orig_pte),
      // A page on its way: the access is tried again.
      () => k.count("faults.spurious"),
    );
  },
);

function swapIn(k: Builder, opt: KernelOptions, vmf: vm_fault, orig_pte: Pte): void {
  const slot = k.copy(orig_pte.pfn, "slot");
  const folio = k.var(opt.fix["C-swapin-new-frame"] ? u64.of(0) : swap_cache_get_folio(k, slot), "folio");
  k.if(folio.get().eq(0), () => swapin_readahead(k, opt, vmf, slot, folio));
  const mapped = k.var(false, "mapped");
  k.if(folio.get().ne(0), () => {
    // Whoever is about to write the page out, or to let go of it, has the lock.
    k.writeLocked(page.at(folio.get()).folio_lock, () =>
      k.locked(vmf.ptl, () => {
        const now = k.read("pte_same", vmf.pte);
        k.if(now.eq(orig_pte), () => {
          mapSwapped(k, vmf, orig_pte, folio.get());
          mapped.set(true);
        });
      }),
    );
    k.if(
      mapped.get(),
      () => k.count("faults.major"),
      () => {
        folio_put(k, folio.get());
        k.count("faults.spurious");
      },
    );
  });
}

/** Read the slot into a new page. Source: linux mm/swap_state.c, swap_cluster_readahead(): of one page. */
const swapin_readahead = routine(
  "swapin_readahead",
  (k: Builder, opt: KernelOptions, vmf: vm_fault, slot: Expr<U64>, folio: Var<U64>) => {
    const fresh = folio_prealloc(k);
    k.if(
      fresh.eq(0),
      () => vmf.oom.set(true),
      () => {
        k.write("_mapcount", page.at(fresh)._mapcount, 0);
        k.work("swap_read_folio");
        k.fence("folio_mark_uptodate", "wmb");
        folio.set(opt.fix["C-swapin-new-frame"] ? fresh : swap_cache_add_folio(k, slot, fresh));
        k.if(folio.get().ne(fresh), () => folio_put(k, fresh));
      },
    );
  },
);

/** The entry for a page from swap; the slot is not needed any more. Source: linux mm/memory.c, do_swap_page() under the lock. */
const mapSwapped = routine("do_swap_page.map", (k: Builder, vmf: vm_fault, orig_pte: Pte, pfn: Expr<U64>) => {
  const exclusive = k.copy(orig_pte.swp_exclusive, "exclusive");
  swap_free(k, orig_pte.pfn);
  // Swap has forgotten the content.
  folio_mark_dirty(k, pfn);
  k.write("folio_add_anon_rmap", page.at(pfn).mapping, anon_mapping.of({ mm: vmf.mm.id, vpn: vmf.vpn }));
  k.or(
    "flags",
    page.at(pfn).flags,
    page_flags.of({ anon: true, anon_exclusive: exclusive, swapbacked: true }),
  );
  k.add("_mapcount", page.at(pfn)._mapcount, 1);
  const { uffd_wp, soft_dirty } = orig_pte;
  const entry = k.var(mk_pte(pfn, vm_page_prot(vmf.vma)).with({ uffd_wp, soft_dirty }), "entry");
  k.if(vmf.write.and(exclusive).and(uffd_wp.not()), () => entry.set(pte_mkdirty(pte_mkwrite(entry.get()))));
  k.write("set_ptes", vmf.pte, entry.get());
});
