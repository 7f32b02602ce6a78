/** Copying page tables for fork: private pages become shared and write-protected. Part of Linux's mm/memory.c. */

import { type Bool, type Builder, type Expr, type Field, routine, type U64, type Var } from "../dsl/index.js";
import { splitIfPmd } from "./huge_memory.js";
import type { Mm } from "./mm_types.js";
import type { KernelOptions } from "./options.js";
import { folio_add_rmap, folio_get, page, page_flags } from "./page.js";
import {
  entryAt,
  forEachTable,
  type LeafInRange,
  PTE,
  ptdesc,
  pte_alloc,
  type TableInRange,
} from "./pgtable.js";
import { type Pte, pte_none, pte_t, pte_wrprotect } from "./pte.js";
import { swap_dup_entry } from "./swapfile.js";

/**
 * Copy the entries of [start, end), a private mapping. `failed` becomes true when memory is out.
 *
 * Source: linux mm/memory.c, copy_page_range() and copy_pte_range(). Simplified: Linux skips private file mappings
 * that were never written to; here every private mapping is copied. A 2M page is split, where Linux shares it; one of 1G stays behind.
 */
export const copy_page_range = routine(
  "copy_page_range",
  (
    k: Builder,
    opt: KernelOptions,
    child: Mm,
    parent: Mm,
    start: Expr<U64>,
    end: Expr<U64>,
    failed: Var<Bool>,
  ) => {
    const large = (leaf: LeafInRange): void => splitIfPmd(k, opt, parent, leaf);
    const small = (source: TableInRange): void => {
      const target = pte_alloc(k, child, source.start);
      k.if(
        target.eq(0),
        () => failed.set(true),
        () =>
          k.locked(
            ptdesc.at(target).ptl,
            () =>
              k.locked(
                ptdesc.at(source.table).ptl,
                () =>
                  k.forRange(
                    source.start,
                    source.end,
                    1,
                    (vpn) => copy_present_pte(k, target, source.table, vpn),
                    "vpn",
                  ),
                "src_ptl",
              ),
            "dst_ptl",
          ),
      );
    };
    forEachTable(k, parent.root, PTE, start, end, small, undefined, opt.thp ? large : undefined);
  },
);

/** A page in swap: one entry more refers to its slot. Source: linux mm/memory.c, copy_nonpresent_pte(). */
const copy_nonpresent_pte = routine(
  "copy_nonpresent_pte",
  (k: Builder, src_pte: Field<pte_t>, dst_pte: Field<pte_t>, pte: Pte) => {
    const shared = pte.with({ swp_exclusive: false });
    swap_dup_entry(k, pte.pfn);
    k.if(pte.swp_exclusive, () => k.write("set_pte_at source", src_pte, shared));
    k.write("set_pte_at", dst_pte, shared);
  },
);

/**
 * One entry: both sides lose the write right, and the page counts one more user.
 *
 * Source: linux mm/memory.c, copy_present_ptes() and __copy_present_ptes().
 */
const copy_present_pte = routine(
  "copy_present_ptes",
  (k: Builder, target: Expr<U64>, source: Expr<U64>, vpn: Expr<U64>) => {
    const src_pte = entryAt(k, source, vpn, PTE);
    const pte = k.read("ptep_get", src_pte);
    k.if(pte.swap, () => copy_nonpresent_pte(k, src_pte, entryAt(k, target, vpn, PTE), pte));
    k.if(pte_none(pte).or(pte.swap).not(), () => {
      k.if(pte.special.not(), () => {
        const pfn = k.copy(pte.pfn, "pfn");
        folio_get(k, pfn);
        folio_add_rmap(k, pfn, "folio_try_dup_anon_rmap_pte");
        const flags = k.read("PageAnonExclusive", page.at(pfn).flags);
        k.if(flags.anon_exclusive, () =>
          k.and(
            "ClearPageAnonExclusive",
            page.at(pfn).flags,
            page_flags.ones.with({ anon_exclusive: false }),
          ),
        );
      });
      k.if(pte.write, () => k.and("ptep_set_wrprotect", src_pte, pte_t.ones.with({ write: false })));
      k.write("set_ptes", entryAt(k, target, vpn, PTE), pte_wrprotect(pte));
    });
  },
);
