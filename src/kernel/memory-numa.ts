/** Faults on entries that NUMA balancing has made inaccessible. Part of Linux's mm/memory.c. */

import { type Builder, routine } from "../dsl/index.js";
import { migrate_misplaced_folio } from "./migrate.js";
import type { KernelOptions } from "./options.js";
import { folio_get, page } from "./page.js";
import { type Pte, pte_modify } from "./pte.js";
import type { vm_fault } from "./vm_fault.js";
import { vm_page_prot } from "./vma.js";

/**
 * The access says which CPU wants the page: bring it here, or give the entry its rights back.
 *
 * Source: linux mm/memory.c, do_numa_page(). Simplified: a frame has no node, so every private page is in the wrong place.
 */
export const do_numa_page = routine(
  "do_numa_page",
  (k: Builder, opt: KernelOptions, vmf: vm_fault, orig_pte: Pte) => {
    const migrate = k.var(false, "migrate");
    k.locked(vmf.ptl, () => {
      const now = k.read("pte_same", vmf.pte);
      k.if(
        now.ne(orig_pte),
        () => k.count("faults.spurious"),
        () => {
          const flags = k.read("folio_test_anon", page.at(orig_pte.pfn).flags);
          const mappings = k.read("folio_mapcount", page.at(orig_pte.pfn)._mapcount);
          migrate.set(flags.anon.and(mappings.eq(1)).and(orig_pte.special.not()));
          k.if(
            migrate.get(),
            // Taken off its list, so that nobody else moves it.
            () => folio_get(k, orig_pte.pfn, "folio_isolate_lru"),
            () => {
              k.write("set_pte_at", vmf.pte, pte_modify(orig_pte, vm_page_prot(vmf.vma)));
              k.count("faults.minor");
            },
          );
        },
      );
    });
    k.if(migrate.get(), () => migrate_misplaced_folio(k, opt, vmf, orig_pte));
  },
);
