/** Moving a page to another frame. */

import { type Bool, type Builder, type Expr, routine, type U64, type Var } from "../dsl/index.js";
import { folio_prealloc } from "./memory-alloc.js";
import type { KernelOptions } from "./options.js";
import { folio_add_new_anon_rmap, folio_put, folio_remove_rmap, page } from "./page.js";
import { ptep_clear_flush } from "./pgtable-generic.js";
import { mk_pte, type Pte, pte_t } from "./pte.js";
import type { vm_fault } from "./vm_fault.js";
import { vm_page_prot } from "./vma.js";

/**
 * What stands in the page table while a page is on its way. It keeps the mapping's reference to the old frame. Whoever finds it
 * faults again until the page has arrived.
 *
 * Source: linux include/linux/swapops.h, make_readable_migration_entry().
 */
function make_migration_entry(pfn: Expr<U64>): Pte {
  return pte_t.of({ user: true, pfn });
}

/**
 * Move the page of a hinting fault into another frame. The caller has taken a reference, which goes here.
 *
 * Source: linux mm/migrate.c, migrate_misplaced_folio() down to migrate_folio_move(). Simplified: the page has this mapping only.
 */
export const migrate_misplaced_folio = routine(
  "migrate_misplaced_folio",
  (k: Builder, opt: KernelOptions, vmf: vm_fault, orig_pte: Pte) => {
    const old = k.copy(orig_pte.pfn, "src");
    const unmapped = k.var(false, "unmapped");
    const replaced = k.var(false, "replaced");
    const fresh = folio_prealloc(k);
    k.if(fresh.ne(0), () => {
      try_to_migrate_one(k, opt, vmf, orig_pte, unmapped);
      k.if(unmapped.get(), () => {
        const moved = k.var(fresh, "dst");
        // The mapping's reference and the caller's. Somebody else who has one could write to the old frame.
        const references = k.read("folio_expected_ref_count", page.at(old)._refcount);
        k.if(
          references.eq(2),
          () => k.copyFrame("folio_mc_copy", old, fresh, vmf.vpn, vmf.mm.root),
          () => moved.set(old),
        );
        k.window("copied, old frame still writable elsewhere");
        remove_migration_pte(k, vmf, old, moved.get(), replaced);
        k.count("faults.minor");
      });
      k.if(
        replaced.get(),
        // The reference of the mapping that is gone.
        () => folio_put(k, old),
        () => folio_put(k, fresh),
      );
    });
    k.if(fresh.eq(0), () => vmf.oom.set(true));
    folio_put(k, old);
  },
);

/** Take the entry out, flush, mark its place. Source: linux mm/rmap.c, try_to_migrate_one(). */
const try_to_migrate_one = routine(
  "try_to_migrate_one",
  (k: Builder, opt: KernelOptions, vmf: vm_fault, orig_pte: Pte, unmapped: Var<Bool>) => {
    k.locked(vmf.ptl, () => {
      const now = k.read("pte_same", vmf.pte);
      k.if(
        now.eq(orig_pte),
        () => {
          ptep_clear_flush(k, opt, vmf.mm, vmf.vpn, vmf.pte);
          k.write("set_pte_at", vmf.pte, make_migration_entry(orig_pte.pfn));
          unmapped.set(true);
        },
        () => k.count("faults.spurious"),
      );
    });
  },
);

/**
 * Map the page again, in its new frame or in the old one, unless the mapping has gone meanwhile.
 *
 * Source: linux mm/migrate.c, remove_migration_pte().
 */
const remove_migration_pte = routine(
  "remove_migration_pte",
  (k: Builder, vmf: vm_fault, old: Expr<U64>, dst: Expr<U64>, replaced: Var<Bool>) => {
    k.locked(vmf.ptl, () => {
      const now = k.read("is_migration_entry", vmf.pte);
      k.if(now.eq(make_migration_entry(old)), () => {
        k.if(dst.ne(old), () => {
          folio_add_new_anon_rmap(k, dst, vmf.mm.id, vmf.vpn);
          folio_remove_rmap(k, old, "folio_remove_rmap_pte");
          replaced.set(true);
        });
        k.write("set_pte_at", vmf.pte, mk_pte(dst, vm_page_prot(vmf.vma)));
      });
    });
  },
);
