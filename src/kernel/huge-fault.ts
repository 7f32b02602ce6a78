/** Faults that large pages serve. Part of Linux's mm/huge_memory.c, and of mm/hugetlb.c for 1G. */

import { type Bool, type Builder, type Expr, routine, type U64, type Var } from "../dsl/index.js";
import { hugeLock, hugeSpan, initPage } from "./huge_memory.js";
import type { Mm } from "./mm_types.js";
import type { KernelOptions } from "./options.js";
import { page, page_flags } from "./page.js";
import { addrStart, entryAt, forEachTable, PMD, PTE, PUD, tableFor } from "./pgtable.js";
import { mk_pte, type Pte, pte_mkdirty, pte_mkwrite, pte_mkyoung } from "./pte.js";
import { type FoundVma, HUGE, type Vma, vm_page_prot, vma_is_anonymous } from "./vma.js";

/** What is known of the fault. */
export interface HugeFault {
  readonly mm: Mm;
  readonly found: FoundVma;
  readonly vpn: Expr<U64>;
  readonly write: Expr<Bool>;
  readonly oom: Var<Bool>;
}

/** Whether the mapping may have 2M pages. Source: linux include/linux/huge_mm.h, thp_vma_allowable_order(). */
function thp_vma_allowable_order(opt: KernelOptions, vma: Vma): Expr<Bool> {
  return opt.slots.thp === "always"
    ? vma.file_id.eq(HUGE.default).or(vma.file_id.eq(HUGE.advised))
    : vma.file_id.eq(HUGE.advised);
}

/** Deals with the fault if a large page is there, or may be. Source: linux mm/memory.c, __handle_mm_fault(), create_huge_pmd(). */
export const handle_huge_fault = routine(
  "__handle_mm_fault.huge",
  (k: Builder, opt: KernelOptions, fault: HugeFault): Expr<Bool> => {
    const handled = k.var(false, "handled");
    const { vma } = fault.found;
    k.if(vma_is_anonymous(vma), () => {
      const allowed = k.copy(thp_vma_allowable_order(opt, vma), "allowed");
      k.if(
        vma.file_id.eq(HUGE.gigantic),
        () => atLevel(k, fault, PUD, allowed.or(true), handled),
        () => atLevel(k, fault, PMD, allowed, handled),
      );
    });
    return handled.get();
  },
);

function atLevel(k: Builder, fault: HugeFault, level: number, allowed: Expr<Bool>, handled: Var<Bool>): void {
  const { mm, found, vpn } = fault;
  const base = k.copy(addrStart(k, vpn, level), "haddr");
  const fits = found.start.le(base).and(found.end.ge(base.add(hugeSpan(k, level))));
  const table = tableFor(k, mm, vpn, level);
  k.if(table.ne(0), () => {
    const seen = k.read(`vmf->orig_pmd level ${level}`, entryAt(k, table, vpn, level));
    k.if(
      seen.raw.eq(0),
      () => k.if(allowed.and(fits), () => do_huge_pmd_anonymous_page(k, fault, table, base, level, handled)),
      () =>
        k.if(seen.pse, () => {
          huge_pmd_set_accessed(k, fault, table, base, level);
          handled.set(true);
        }),
    );
  });
}

const HUGE_ANON = { anon: true, anon_exclusive: true, swapbacked: true } as const;

/**
 * The first access: a large page of zeroes, unless somebody was faster. Without 2M in a row it is left to small pages.
 *
 * Source: linux mm/huge_memory.c, do_huge_pmd_anonymous_page(). Simplified: a read gets a page of its own too, where Linux maps one that is
 * shared and read-only.
 */
const do_huge_pmd_anonymous_page = routine(
  "do_huge_pmd_anonymous_page",
  (
    k: Builder,
    { mm, found, write, oom }: HugeFault,
    table: Expr<U64>,
    base: Expr<U64>,
    level: number,
    handled: Var<Bool>,
  ) => {
    k.work("alloc_anon_folio");
    const head = k.allocBlock("vma_alloc_anon_folio_pmd", level);
    const fail = (): void => {
      k.count("faults.oom");
      oom.set(true);
      handled.set(true);
    };
    const fallBack = (): void => (level === PUD ? fail() : undefined);
    k.if(
      head.ne(0),
      () => {
        k.forRange(0, hugeSpan(k, level), 1, (i) => k.zeroFrame("folio_zero_user", head.add(i)), "i");
        k.fence("__folio_mark_uptodate", "wmb");
        const installed = k.var(false, "installed");
        const entry = entryAt(k, table, base, level);
        k.locked(hugeLock(mm, table, level), () => {
          const now = k.read("pmd_none", entry);
          k.if(now.raw.eq(0), () => {
            initPage(k, mm, head, base);
            k.write(
              "SetPageAnonExclusive",
              page.at(head).flags,
              page_flags.of({ ...HUGE_ANON, order: level }),
            );
            const pmd = mk_pte(head, vm_page_prot(found.vma)).with({ pse: true, write: found.vma.write });
            k.write("set_pmd_at", entry, writeSelects(write, pmd));
            installed.set(true);
          });
        });
        k.if(
          installed.get(),
          () => k.count("faults.minor"),
          () => {
            k.freeBlock("folio_put", head, level);
            k.count("faults.spurious");
          },
        );
        handled.set(true);
      },
      fallBack,
    );
  },
);

/** A store makes the entry dirty beforehand. */
function writeSelects(write: Expr<Bool>, pmd: Pte): Pte {
  return pmd.with({ dirty: write, soft_dirty: write });
}

/**
 * The page is there: somebody was faster, or it was write-protected and is this mapping's alone.
 *
 * Source: linux mm/huge_memory.c, huge_pmd_set_accessed() and do_huge_pmd_wp_page(). One that is being split is looked at again.
 */
const huge_pmd_set_accessed = routine(
  "do_huge_pmd_wp_page",
  (k: Builder, { mm, write }: HugeFault, table: Expr<U64>, base: Expr<U64>, level: number) => {
    const entry = entryAt(k, table, base, level);
    k.locked(hugeLock(mm, table, level), () => {
      const now = k.read("pmd_same", entry);
      k.if(
        now.pse.and(now.present).and(write),
        () => {
          k.write("pmdp_set_access_flags", entry, pte_mkyoung(pte_mkdirty(pte_mkwrite(now))));
          k.if(
            now.write,
            () => k.count("faults.spurious"),
            () => k.count("faults.minor"),
          );
        },
        () => k.count("faults.spurious"),
      );
    });
  },
);

/** Whether a large page has come to `vpn` while the fault looked for a page table. Source: linux mm/memory.c, pte_offset_map_rw_nolock() failing. */
export const huge_page_came = routine("pmd_trans_huge", (k: Builder, mm: Mm, vpn: Expr<U64>): Expr<Bool> => {
  const came = k.var(false, "came");
  const noTable = (): void => {};
  forEachTable(k, mm.root, PTE, vpn, vpn.add(1), noTable, undefined, () => came.set(true));
  return came.get();
});
