/** KSM: pages with equal contents become one page that nobody may write to. */

import {
  type Bool,
  type Builder,
  bool,
  type Expr,
  type ProgramSource,
  program,
  routine,
  type U64,
  type Var,
} from "../dsl/index.js";
import { current_mm, type Mm } from "./mm_types.js";
import { mm_tlb_flush_pending } from "./mm_types-pending.js";
import type { KernelOptions } from "./options.js";
import { folio_add_rmap, folio_get, folio_put, folio_remove_rmap, page, page_flags } from "./page.js";
import { entryAt, forEachTable, PTE, ptdesc } from "./pgtable.js";
import { ptep_clear_flush } from "./pgtable-generic.js";
import { mk_pte, type Pte, pte_t, pte_wrprotect } from "./pte.js";
import { find_vma, vm_page_prot, vma_is_anonymous } from "./vma.js";

/** One page of a private mapping, as KSM works on it. */
interface Candidate {
  readonly mm: Mm;
  readonly vpn: Expr<U64>;
  readonly table: Expr<U64>;
  readonly pfn: Expr<U64>;
}

/**
 * Replace the page at `vpn` of the running task's address space by the equal page `kpage`; 0 makes the page itself one that others
 * can be replaced by. Stands for a turn of the KSM thread.
 *
 * Source: linux mm/ksm.c, try_to_merge_with_ksm_page(). Simplified: contents are equal whenever they are compared.
 */
export function ksm_merge(opt: KernelOptions): ProgramSource {
  return program("ksm_merge", ["vpn", "kpage"], (k, { vpn, kpage }) => {
    const mm = current_mm(k);
    k.readLocked(mm.mmap_lock, () => {
      const found = find_vma(k, mm.id, vpn, "find_mergeable_vma");
      k.if(found.vma.exists.and(found.start.le(vpn)).and(vma_is_anonymous(found.vma)), () => {
        const prot = k.copy(vm_page_prot(found.vma), "vm_page_prot");
        forEachTable(k, mm.root, PTE, vpn, vpn.add(1), ({ table }) => {
          const seen = k.read("get_mergeable_page", entryAt(k, table, vpn, PTE));
          k.if(seen.present.and(seen.special.not()), () =>
            try_to_merge_one_page(k, opt, { mm, vpn, table, pfn: k.copy(seen.pfn, "pfn") }, kpage, prot),
          );
        });
      });
    });
  });
}

/** Source: linux mm/ksm.c, try_to_merge_one_page(). */
export const try_to_merge_one_page = routine(
  "try_to_merge_one_page",
  (k: Builder, opt: KernelOptions, candidate: Candidate, kpage: Expr<U64>, prot: Pte) => {
    const orig_pte = k.var(pte_t.zero, "orig_pte");
    write_protect_page(k, opt, candidate, orig_pte);
    k.if(orig_pte.get().ne(pte_t.zero), () => {
      k.if(kpage.ne(0), () => {
        // From here on, a store to the old page is missing from the page that replaces it.
        k.copyFrame("pages_identical", candidate.pfn, kpage, candidate.vpn, candidate.mm.root);
        k.window("compared, old frame still writable elsewhere");
        replace_page(k, opt, candidate, kpage, orig_pte.get(), prot);
      });
    });
  },
);

/**
 * Make sure that nobody can write to the page; `orig_pte` becomes its entry, or stays 0 when somebody else uses the page.
 *
 * Source: linux mm/ksm.c, write_protect_page().
 */
const write_protect_page = routine(
  "write_protect_page",
  (k: Builder, opt: KernelOptions, { mm, vpn, table, pfn }: Candidate, orig_pte: Var<pte_t>) => {
    k.locked(ptdesc.at(table).ptl, () => {
      const pte = entryAt(k, table, vpn, PTE);
      const entry = k.read("ptep_get", pte);
      k.if(entry.present.and(entry.pfn.eq(pfn)), () => {
        k.if(
          may_be_written(k, opt, mm, entry),
          () => {
            const old = ptep_clear_flush(k, opt, mm, vpn, pte);
            const references = k.read("folio_ref_count", page.at(pfn)._refcount);
            const mappings = k.read("folio_mapcount", page.at(pfn)._mapcount);
            k.if(
              references.eq(mappings),
              () => {
                const shared = page_flags.ones.with({ anon_exclusive: false });
                k.and("folio_try_share_anon_rmap_pte", page.at(pfn).flags, shared);
                orig_pte.set(pte_wrprotect(old).with({ dirty: false }));
                k.write("set_pte_at", pte, orig_pte.get());
              },
              () => k.write("set_pte_at old", pte, old),
            );
          },
          () => orig_pte.set(entry),
        );
      });
    });
  },
);

/**
 * Whether a TLB may have the entry writable. One that is neither writable nor dirty may still be both there, by flushes that are
 * pending: one of whoever took the write right, one of whoever took the dirty bit.
 *
 * Source: linux mm/ksm.c, write_protect_page(), its long condition.
 */
const may_be_written = routine(
  "write_protect_page.may_be_written",
  (k: Builder, opt: KernelOptions, mm: Mm, entry: Pte): Expr<Bool> => {
    const may = k.var(entry.write.or(entry.dirty), "may_be_written");
    if (!opt.fix["cow-by-refcount"]) {
      const flags = k.read("PageAnonExclusive", page.at(entry.pfn).flags);
      may.set(may.get().or(flags.anon_exclusive));
    }
    const pending = opt.fix["B-ksm"] ? bool.of(false) : mm_tlb_flush_pending(k, mm);
    may.set(may.get().or(pending));
    return may.get();
  },
);

/** Source: linux mm/ksm.c, replace_page(). */
const replace_page = routine(
  "replace_page",
  (
    k: Builder,
    opt: KernelOptions,
    { mm, vpn, table, pfn }: Candidate,
    kpage: Expr<U64>,
    orig_pte: Pte,
    prot: Pte,
  ) => {
    const replaced = k.var(false, "replaced");
    k.locked(ptdesc.at(table).ptl, () => {
      const pte = entryAt(k, table, vpn, PTE);
      const now = k.read("pte_same", pte);
      k.if(now.eq(orig_pte), () => {
        folio_get(k, kpage);
        folio_add_rmap(k, kpage, "folio_add_anon_rmap_pte");
        ptep_clear_flush(k, opt, mm, vpn, pte);
        k.write("set_pte_at", pte, pte_wrprotect(mk_pte(kpage, prot)));
        folio_remove_rmap(k, pfn, "folio_remove_rmap_pte");
        replaced.set(true);
      });
    });
    k.if(replaced.get(), () => folio_put(k, pfn));
  },
);
