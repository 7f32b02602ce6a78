/** Filling pages from outside: UFFDIO_COPY, UFFDIO_ZEROPAGE and UFFDIO_CONTINUE. Part of Linux's mm/userfaultfd.c. */

import {
  type Builder,
  type Expr,
  type ProgramSource,
  program,
  routine,
  type U64,
  type Var,
} from "../dsl/index.js";
import { filemap_fault } from "./filemap.js";
import { alloc_anon_folio, folio_prealloc } from "./memory-alloc.js";
import { current_mm, type Mm } from "./mm_types.js";
import type { KernelOptions } from "./options.js";
import { folio_add_new_anon_rmap, folio_add_rmap, folio_put } from "./page.js";
import { entryAt, PTE, ptdesc, pte_alloc } from "./pgtable.js";
import { mk_pte, type Pte, pte_mkdirty, pte_mkold_clean, pte_mkwrite, pte_none } from "./pte.js";
import { find_vma, type Vma, vm_page_prot, vma_is_anonymous } from "./vma.js";
import { zero_page } from "./zero_page.js";

/** What the `op` of uffd_fill asks for. */
const UFFDIO_COPY = 0;
const UFFDIO_ZEROPAGE = 1;

/**
 * Map the pages [start, end) of the running task's address space, as the monitor of a userfaultfd asks. Status 1: it stopped where
 * nothing is mapped, or where something is filled in already.
 *
 * Source: linux mm/userfaultfd.c, mfill_atomic(). Left out: huge pages, and the copy's second try without the lock.
 */
export function uffd_fill(opt: KernelOptions): ProgramSource {
  return program("uffd_fill", ["start", "end", "op", "wp"], (k, { start, end, op, wp }) => {
    const mm = current_mm(k);
    const addr = k.var(start, "addr");
    k.readLocked(mm.mmap_lock, () => {
      k.while(
        () => addr.get().lt(end),
        () => {
          const found = find_vma(k, mm.id, addr.get(), "uffd_mfill_lock");
          const filled = k.var(0, "filled");
          k.if(found.vma.exists.and(found.start.le(addr.get())), () =>
            mfill_atomic_pte(k, opt, mm, found.vma, addr.get(), op, wp, filled),
          );
          k.breakIf(filled.get().eq(0));
          addr.set(addr.get().add(1));
        },
      );
    });
    k.return(addr.get().lt(end).raw);
  });
}

/** Source: linux mm/userfaultfd.c, mfill_atomic_pte(). */
const mfill_atomic_pte = routine(
  "mfill_atomic_pte",
  (
    k: Builder,
    opt: KernelOptions,
    mm: Mm,
    vma: Vma,
    vpn: Expr<U64>,
    op: Expr<U64>,
    wp: Expr<U64>,
    filled: Var<U64>,
  ) => {
    k.work("mfill_atomic");
    k.if(
      vma_is_anonymous(vma),
      () =>
        k.if(
          op.eq(UFFDIO_COPY),
          () => mfill_atomic_pte_copy(k, opt, mm, vma, vpn, wp, filled),
          () => k.if(op.eq(UFFDIO_ZEROPAGE), () => mfill_atomic_pte_zeropage(k, opt, mm, vma, vpn, filled)),
        ),
      () => mfill_atomic_pte_continue(k, opt, mm, vma, vpn, wp, filled),
    );
  },
);

/**
 * The A and D bits of an entry that nobody has used yet.
 *
 * Linux sets both. Under the proposed hints a page is as it is, unless the monitor says what will happen to it.
 * Source: linux mm/userfaultfd.c, mfill_atomic_install_pte(); the hints: Nadav Amit's mails of June and July 2022.
 */
function likely(opt: KernelOptions, entry: Pte): Pte {
  switch (opt.slots["uffd-hint"]) {
    case "unhinted":
      return pte_mkold_clean(entry);
    case "access-likely":
      return entry;
    default:
      return pte_mkdirty(entry);
  }
}

/** Source: linux mm/userfaultfd.c, mfill_atomic_pte_copy(). */
const mfill_atomic_pte_copy = routine(
  "mfill_atomic_pte_copy",
  (k: Builder, opt: KernelOptions, mm: Mm, vma: Vma, vpn: Expr<U64>, wp: Expr<U64>, filled: Var<U64>) => {
    const pfn = folio_prealloc(k);
    k.if(pfn.ne(0), () => {
      k.work("mfill_copy_folio");
      k.fence("__folio_mark_uptodate", "wmb");
      const entry = likely(opt, mk_pte(pfn, vm_page_prot(vma)));
      const writable = vma.write.and(wp.eq(0)).select(pte_mkwrite(entry), entry);
      install(k, mm, vpn, writable.with({ uffd_wp: wp.ne(0) }), filled, () =>
        folio_add_new_anon_rmap(k, pfn, mm.id, vpn),
      );
      k.if(filled.get().eq(0), () => folio_put(k, pfn));
    });
  },
);

/**
 * The shared page of zeroes; or, when a write is likely, a page of its own, which saves the copy later.
 *
 * Source: linux mm/userfaultfd.c, mfill_atomic_pte_zeropage().
 */
const mfill_atomic_pte_zeropage = routine(
  "mfill_atomic_pte_zeropage",
  (k: Builder, opt: KernelOptions, mm: Mm, vma: Vma, vpn: Expr<U64>, filled: Var<U64>) => {
    if (opt.slots["uffd-hint"] !== "write-likely") {
      const zero = zero_page(k);
      const entry = mk_pte(zero, vm_page_prot(vma)).with({ special: true });
      install(k, mm, vpn, opt.slots["uffd-hint"] === "unhinted" ? pte_mkold_clean(entry) : entry, filled);
      return;
    }
    const pfn = alloc_anon_folio(k);
    k.if(pfn.ne(0), () => {
      const entry = likely(opt, mk_pte(pfn, vm_page_prot(vma)));
      install(k, mm, vpn, vma.write.select(pte_mkwrite(entry), entry), filled, () =>
        folio_add_new_anon_rmap(k, pfn, mm.id, vpn),
      );
      k.if(filled.get().eq(0), () => folio_put(k, pfn));
    });
  },
);

/**
 * A page of the page cache that somebody has filled through another mapping.
 *
 * Source: linux mm/userfaultfd.c, mfill_atomic_pte_continue().
 */
const mfill_atomic_pte_continue = routine(
  "mfill_atomic_pte_continue",
  (k: Builder, opt: KernelOptions, mm: Mm, vma: Vma, vpn: Expr<U64>, wp: Expr<U64>, filled: Var<U64>) => {
    const pfn = filemap_fault(k, vma, vpn);
    k.if(pfn.ne(0), () => {
      const entry = likely(opt, mk_pte(pfn, vm_page_prot(vma)));
      const writable = vma.write.and(vma.shared).and(wp.eq(0));
      const rights = writable.select(pte_mkwrite(entry), entry);
      install(k, mm, vpn, rights.with({ uffd_wp: wp.ne(0) }), filled, () =>
        folio_add_rmap(k, pfn, "folio_add_file_rmap_pte"),
      );
      k.if(filled.get().eq(0), () => folio_put(k, pfn));
    });
  },
);

/** Put an entry where none is; nothing was cached, so nothing is flushed. Source: linux mfill_atomic_install_pte(). */
function install(
  k: Builder,
  mm: Mm,
  vpn: Expr<U64>,
  entry: Pte,
  filled: Var<U64>,
  addRmap: () => void = () => {},
): void {
  const table = pte_alloc(k, mm, vpn);
  k.if(table.ne(0), () => {
    const pte = entryAt(k, table, vpn, PTE);
    k.locked(ptdesc.at(table).ptl, () => {
      const now = k.read("ptep_get", pte);
      k.if(pte_none(now), () => {
        addRmap();
        k.write("set_pte_at", pte, entry);
        k.count("faults.uffd");
        filled.set(1);
      });
    });
  });
}
