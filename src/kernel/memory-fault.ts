/** Page faults: what a fault is, and those on entries that are absent. Part of Linux's mm/memory.c. */

import {
  type Bool,
  type Builder,
  type Expr,
  type ProgramSource,
  program,
  routine,
  type U64,
  type Var,
} from "../dsl/index.js";
import { handle_huge_fault, huge_page_came } from "./huge-fault.js";
import { alloc_anon_folio } from "./memory-alloc.js";
import { do_wp_page } from "./memory-cow.js";
import { do_fault, installOrDrop } from "./memory-fault-file.js";
import { do_numa_page } from "./memory-numa.js";
import { do_swap_page } from "./memory-swap.js";
import { current_mm, type Mm } from "./mm_types.js";
import type { KernelOptions } from "./options.js";
import { folio_add_new_anon_rmap } from "./page.js";
import { entryAt, PTE, ptdesc, pte_alloc } from "./pgtable.js";
import { mk_pte, type Pte, pte_mkdirty, pte_mkwrite, pte_none, pte_present } from "./pte.js";
import { handle_userfault } from "./userfaultfd_k.js";
import type { vm_fault } from "./vm_fault.js";
import {
  type FoundVma,
  find_vma,
  type Vma,
  vm_page_prot,
  vma_is_accessible,
  vma_is_anonymous,
} from "./vma.js";
import { zero_page } from "./zero_page.js";

/** Bits of the argument `access`. */
const ACCESS_WRITE = 1;
const ACCESS_FETCH = 2;

/**
 * The hardware found no entry, or one that does not allow the access. Status 1: neither does the mapping.
 *
 * Source: linux arch/x86/mm/fault.c, do_user_addr_fault(), by way of mmap_lock (per-VMA locks are left out).
 */
export function page_fault(opt: KernelOptions): ProgramSource {
  return program("page_fault", ["vpn", "access"], (k, { vpn, access }) => {
    const mm = current_mm(k);
    const failed = k.var(false, "failed");
    k.readLocked(mm.mmap_lock, () => {
      const found = find_vma(k, mm.id, vpn, "lock_mm_and_find_vma");
      const mapped = found.vma.exists.and(found.start.le(vpn));
      k.if(
        mapped.and(access_error(found.vma, access).not()),
        () => handle_mm_fault(k, opt, mm, found, vpn, access, failed),
        () => {
          k.count("faults.segv");
          failed.set(true);
        },
      );
    });
    k.return(failed.get().raw);
  });
}

/** Whether the mapping forbids the access. Source: linux arch/x86/mm/fault.c, access_error(). */
function access_error(vma: Vma, access: Expr<U64>): Expr<Bool> {
  const write = access.and(ACCESS_WRITE).ne(0);
  const fetch = access.and(ACCESS_FETCH).ne(0);
  const misses = write.and(vma.write.not()).or(fetch.and(vma.exec.not()));
  return misses.or(vma_is_accessible(vma).not());
}

/** Source: linux mm/memory.c, handle_mm_fault(). */
const handle_mm_fault = routine(
  "handle_mm_fault",
  (
    k: Builder,
    opt: KernelOptions,
    mm: Mm,
    found: FoundVma,
    vpn: Expr<U64>,
    access: Expr<U64>,
    failed: Var<Bool>,
  ) => {
    k.work("handle_mm_fault");
    const small = (): void => handleSmall(k, opt, mm, found, vpn, access, failed);
    if (opt.thp) {
      const write = k.copy(access.and(ACCESS_WRITE).ne(0), "write_huge");
      k.if(handle_huge_fault(k, opt, { mm, found, vpn, write, oom: failed }).not(), small);
    } else small();
  },
);

/** The rest of it, with a page table. Source: linux mm/memory.c, __handle_mm_fault(). */
function handleSmall(
  k: Builder,
  opt: KernelOptions,
  mm: Mm,
  found: FoundVma,
  vpn: Expr<U64>,
  access: Expr<U64>,
  failed: Var<Bool>,
): void {
  const table = pte_alloc(k, mm, vpn);
  const write = k.copy(access.and(ACCESS_WRITE).ne(0), "write");
  const pte = entryAt(k, table, vpn, PTE);
  const userfault = k.var(false, "userfault");
  const vmf: vm_fault = {
    mm,
    vma: found.vma,
    vma_start: found.start,
    vma_end: found.end,
    vpn,
    write,
    table,
    pte,
    ptl: ptdesc.at(table).ptl,
    oom: failed,
    userfault,
  };
  k.if(
    table.ne(0),
    () => handle_pte_fault(k, opt, vmf),
    () => noTable(k, opt, mm, vpn, failed),
  );
  k.if(failed.get(), () => k.count("faults.oom"));
  k.if(userfault.get(), () => handle_userfault(k, failed));
}

/** Memory is out, unless a large page has come in between: then the access is tried again. */
function noTable(k: Builder, opt: KernelOptions, mm: Mm, vpn: Expr<U64>, failed: Var<Bool>): void {
  if (opt.thp) k.if(huge_page_came(k, mm, vpn).not(), () => failed.set(true));
  else failed.set(true);
}

/**
 * The entry is looked at without its lock first; every path takes the lock and looks again.
 *
 * Source: linux mm/memory.c, handle_pte_fault() and do_pte_missing().
 */
const handle_pte_fault = routine("handle_pte_fault", (k: Builder, opt: KernelOptions, vmf: vm_fault) => {
  const orig_pte = k.read("orig_pte", vmf.pte);
  k.if(
    pte_none(orig_pte).not(),
    () =>
      k.if(
        orig_pte.protnone,
        () => do_numa_page(k, opt, vmf, orig_pte),
        () =>
          k.if(
            pte_present(orig_pte),
            () => do_wp_page(k, opt, vmf, orig_pte),
            () => do_swap_page(k, opt, vmf, orig_pte),
          ),
      ),
    () =>
      k.if(
        vma_is_anonymous(vmf.vma),
        () => do_anonymous_page(k, vmf),
        () => do_fault(k, opt, vmf),
      ),
  );
});

/** Source: linux mm/memory.c, do_anonymous_page(). A page that is only read is the shared page of zeroes. */
const do_anonymous_page = routine("do_anonymous_page", (k: Builder, vmf: vm_fault) => {
  const prot = vm_page_prot(vmf.vma);
  k.if(
    vmf.write,
    () => {
      const pfn = alloc_anon_folio(k);
      k.if(
        pfn.ne(0),
        () => {
          const entry = pte_mkdirty(pte_mkwrite(mk_pte(pfn, prot)));
          installOrDrop(
            k,
            vmf,
            entry,
            pfn,
            () => folio_add_new_anon_rmap(k, pfn, vmf.mm.id, vmf.vpn),
            "faults.minor",
          );
        },
        () => vmf.oom.set(true),
      );
    },
    () => {
      const pfn = zero_page(k);
      k.if(
        pfn.ne(0),
        () => do_read_zero(k, vmf, mk_pte(pfn, prot).with({ special: true })),
        () => vmf.oom.set(true),
      );
    },
  );
});

/** Map the page of zeroes unless somebody has mapped something. It has no reference counts. */
function do_read_zero(k: Builder, vmf: vm_fault, entry: Pte): void {
  k.locked(
    vmf.ptl,
    () => {
      const now = k.read("pte_none for zero_pfn", vmf.pte);
      k.if(
        pte_none(now),
        () => {
          k.write("set_pte_at zero_pfn", vmf.pte, entry);
          k.count("faults.minor");
        },
        () => k.count("faults.spurious"),
      );
    },
    "ptl for zero_pfn",
  );
}
