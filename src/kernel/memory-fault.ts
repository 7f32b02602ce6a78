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
import { filemap_fault } from "./filemap.js";
import { alloc_anon_folio, folio_prealloc } from "./memory-alloc.js";
import { do_fault_around } from "./memory-around.js";
import { do_wp_page } from "./memory-cow.js";
import { do_numa_page } from "./memory-numa.js";
import { do_swap_page } from "./memory-swap.js";
import { current_mm, type Mm } from "./mm_types.js";
import type { KernelOptions } from "./options.js";
import { folio_add_new_anon_rmap, folio_add_rmap, folio_mark_dirty, folio_put } from "./page.js";
import { entryAt, PTE, ptdesc, pte_alloc } from "./pgtable.js";
import { mk_pte, type Pte, pte_mkdirty, pte_mkwrite, pte_mkyoung, pte_none, pte_present } from "./pte.js";
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
      () => failed.set(true),
    );
    k.if(failed.get(), () => k.count("faults.oom"));
    k.if(userfault.get(), () => handle_userfault(k, failed));
  },
);

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

/**
 * Map a page whose reference the caller gives, unless somebody has mapped something: then drop it.
 *
 * Source: linux mm/memory.c, finish_fault() and set_pte_range().
 */
const installOrDrop = routine(
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
const do_fault = routine("do_fault", (k: Builder, opt: KernelOptions, vmf: vm_fault) => {
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
    k.if(vmf.write, () => {
      k.if(vmf.vma.file, () => k.work("page_mkwrite"));
      folio_mark_dirty(k, pfn);
      first.set(pte_mkyoung(pte_mkdirty(pte_mkwrite(first.get()))));
    });
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
