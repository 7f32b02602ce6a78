/** Making one 2M page of small ones. */

import { type Bool, type Builder, type Expr, type Field, routine, type U64, type Var } from "../dsl/index.js";
import { hugeLock, hugeSpan, initPage } from "./huge_memory.js";
import type { Mm } from "./mm_types.js";
import type { KernelOptions } from "./options.js";
import { folio_put, folio_remove_rmap, isExclusive, page, page_flags } from "./page.js";
import { addrStart, entryAt, forEachTable, PMD, PTE, ptdesc } from "./pgtable.js";
import { mk_pte, type Pte, pte_mkdirty, pte_none, pte_t } from "./pte.js";
import { flush_tlb_batched_pending } from "./rmap-batch.js";
import { flush_tlb_mm_range } from "./tlb.js";
import { for_each_vma_range, type Vma, vm_page_prot, vma_is_anonymous } from "./vma.js";

/** MADV_COLLAPSE for every whole 2M of private mappings in [start, end). Source: linux mm/khugepaged.c, madvise_collapse(). */
export const madvise_collapse = routine(
  "madvise_collapse",
  (k: Builder, opt: KernelOptions, mm: Mm, start: Expr<U64>, end: Expr<U64>) => {
    const span = hugeSpan(k, PMD);
    k.writeLocked(mm.mmap_lock, () =>
      for_each_vma_range(k, mm.id, start, end, (found) => {
        k.if(vma_is_anonymous(found.vma), () => {
          const addr = k.var(addrStart(k, found.start.add(span - 1n), PMD), "addr");
          k.while(
            () => addr.get().add(span).le(found.end),
            () => {
              collapse_huge_page(k, opt, mm, found.vma, addr.get());
              addr.set(addr.get().add(span));
            },
          );
        });
      }),
    );
  },
);

/**
 * Copy the pages of one page table into one large page, in the place of the table. mmap_lock is held for writing, so nobody faults.
 *
 * The way to the table goes first, and every CPU forgets the small pages, before any of them is copied.
 * Source: linux mm/khugepaged.c, collapse_huge_page(). Simplified: only if all pages that exist are this mapping's alone and nobody else
 * refers to them; the page table is freed, where Linux keeps it for a split.
 */
const collapse_huge_page = routine(
  "collapse_huge_page",
  (k: Builder, opt: KernelOptions, mm: Mm, vma: Vma, base: Expr<U64>) => {
    const end = k.copy(base.add(hugeSpan(k, PMD)), "end");
    const upper = k.var(0, "pmd_table");
    const collapse = (table: Expr<U64>): void => {
      const head = k.allocBlock("alloc_charge_folio", PMD);
      k.if(head.ne(0), () => {
        const done = k.var(false, "result");
        k.writeLocked(mm.anon_vma, () => {
          const entry = entryAt(k, upper.get(), base, PMD);
          const pmd = pmdp_collapse_flush(k, opt, mm, upper.get(), entry, base, end);
          k.locked(ptdesc.at(table).ptl, () => {
            flush_tlb_batched_pending(k, opt, mm, table);
            __collapse_huge_page_isolate(k, table, base, end, done);
            k.if(done.get(), () => __collapse_huge_page_copy(k, mm, table, base, end, head));
          });
          k.window("copied into a large page, not mapped");
          if (opt.fix["B-collapse-no-flush"]) flush_tlb_mm_range(k, opt, mm, base, end, 0, true);
          k.locked(hugeLock(mm, upper.get(), PMD), () =>
            k.if(
              done.get(),
              () => mapLarge(k, mm, vma, entry, base, head),
              () => k.write("pmd_populate back", entry, pmd),
            ),
          );
          k.if(done.get(), () => k.freeTable("pte_free", table));
        });
        k.if(done.get().not(), () => k.freeBlock("folio_put", head, PMD));
      });
    };
    forEachTable(k, mm.root, PTE, base, end, ({ table }) => collapse(table), upper);
  },
);

/** Unhook the page table, and make every CPU forget it and its pages. Source: linux mm/pgtable-generic.c, pmdp_collapse_flush(). */
const pmdp_collapse_flush = routine(
  "pmdp_collapse_flush",
  (
    k: Builder,
    opt: KernelOptions,
    mm: Mm,
    upper: Expr<U64>,
    entry: Field<pte_t>,
    base: Expr<U64>,
    end: Expr<U64>,
  ): Pte => {
    const old = k.var(pte_t.zero, "_pmd");
    k.locked(hugeLock(mm, upper, PMD), () => {
      old.set(k.xchg("pmdp_huge_get_and_clear", entry, pte_t.zero));
      if (!opt.fix["B-collapse-no-flush"]) flush_tlb_mm_range(k, opt, mm, base, end, 0, true);
    });
    return old.get();
  },
);

/** Source: linux mm/khugepaged.c, __collapse_huge_page_isolate(). */
const __collapse_huge_page_isolate = routine(
  "__collapse_huge_page_isolate",
  (k: Builder, table: Expr<U64>, base: Expr<U64>, end: Expr<U64>, done: Var<Bool>) => {
    done.set(true);
    k.forRange(
      base,
      end,
      1,
      (vpn) => {
        const pte = k.read("ptep_get", entryAt(k, table, vpn, PTE));
        k.if(pte_none(pte).or(pte.present.and(pte.special)).not(), () => {
          k.if(
            pte.present,
            () => {
              const flags = k.read("PageAnonExclusive", page.at(pte.pfn).flags);
              const references = k.read("folio_ref_count", page.at(pte.pfn)._refcount);
              k.if(isExclusive(flags).and(flags.swapcache.not()).and(references.eq(1)).not(), () =>
                done.set(false),
              );
            },
            () => done.set(false),
          );
        });
      },
      "vpn",
    );
  },
);

/** Source: linux mm/khugepaged.c, __collapse_huge_page_copy() and __collapse_huge_page_copy_succeeded(). */
const __collapse_huge_page_copy = routine(
  "__collapse_huge_page_copy",
  (k: Builder, mm: Mm, table: Expr<U64>, base: Expr<U64>, end: Expr<U64>, head: Expr<U64>) => {
    k.forRange(
      base,
      end,
      1,
      (vpn) => {
        const pte = k.read("ptep_get", entryAt(k, table, vpn, PTE));
        const target = k.copy(vpn.sub(base).add(head), "target");
        k.if(
          pte.present.and(pte.special.not()),
          () => {
            k.copyFrame("copy_mc_user_highpage", pte.pfn, target, vpn, mm.root);
            k.write("ptep_clear", entryAt(k, table, vpn, PTE), pte_t.zero);
            folio_remove_rmap(k, pte.pfn, "folio_remove_rmap_pte");
            folio_put(k, pte.pfn);
          },
          () => {
            k.zeroFrame("clear_user_highpage", target);
            k.write("ptep_clear none", entryAt(k, table, vpn, PTE), pte_t.zero);
          },
        );
      },
      "vpn",
    );
  },
);

const LARGE_ANON = page_flags.of({ anon: true, anon_exclusive: true, swapbacked: true, order: PMD });

function mapLarge(k: Builder, mm: Mm, vma: Vma, entry: Field<pte_t>, base: Expr<U64>, head: Expr<U64>): void {
  initPage(k, mm, head, base);
  k.write("SetPageAnonExclusive", page.at(head).flags, LARGE_ANON);
  k.fence("smp_wmb", "wmb");
  const pmd = mk_pte(head, vm_page_prot(vma)).with({ pse: true, write: vma.write });
  k.write("set_pmd_at", entry, pte_mkdirty(pmd));
}
