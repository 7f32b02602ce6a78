/** What a write fault does about flushes that are pending. Part of Linux's mm/memory.c. */

import { type Bool, type Builder, type Expr, routine, type U64 } from "../dsl/index.js";
import { filterBit, mm_tlb_flush_pending } from "./mm_types-pending.js";
import type { KernelOptions } from "./options.js";
import { page } from "./page.js";
import { ptdesc } from "./pgtable.js";
import { flush_tlb_page } from "./tlb.js";
import type { vm_fault } from "./vm_fault.js";

/**
 * Another CPU may still have the page writable, by a flush that somebody owes. Under the page-table lock, before it is decided
 * whether the page is copied: behind a copy, a store to the old frame would be lost.
 *
 * Source: linux mm/memory.c, do_wp_page() since 5.13, and what was proposed in its place in December 2020.
 */
export const flushIfPending = routine(
  "do_wp_page.pending",
  (k: Builder, opt: KernelOptions, vmf: vm_fault) => {
    switch (opt.slots.pending) {
      case "uffd-armed":
        k.if(vmf.vma.uffd_wp, () => k.if(mm_tlb_flush_pending(k, vmf.mm), () => flush(k, opt, vmf)));
        break;
      case "any":
        k.if(mm_tlb_flush_pending(k, vmf.mm), () => flush(k, opt, vmf));
        break;
      case "armed-or-softdirty":
        k.if(watched(vmf), () => k.if(mm_tlb_flush_pending(k, vmf.mm), () => flush(k, opt, vmf)));
        break;
      case "bloom":
        k.if(watched(vmf), () => k.if(mm_tlb_flush_pending(k, vmf.mm), () => flushIfInFilter(k, opt, vmf)));
        break;
      case "deferred-gen":
        flushIfDeferred(k, opt, vmf);
        break;
      default:
    }
  },
);

function flush(k: Builder, opt: KernelOptions, vmf: vm_fault): void {
  k.count("flushes.onWriteFault");
  flush_tlb_page(k, opt, vmf.mm, vmf.vpn);
}

/** Entries of this mapping may lose the write right under mmap_lock for reading. */
function watched(vmf: vm_fault): Expr<Bool> {
  return vmf.vma.uffd_wp.or(vmf.vma.soft_dirty);
}

function flushIfInFilter(k: Builder, opt: KernelOptions, vmf: vm_fault): void {
  const filter = k.read("tlb_pending_filter", vmf.mm.tlb_pending_filter);
  k.if(filter.and(filterBit(vmf.vpn)).ne(0), () => flush(k, opt, vmf));
}

function flushIfDeferred(k: Builder, opt: KernelOptions, vmf: vm_fault): void {
  const { defer_tlb_gen } = ptdesc.at(vmf.table);
  const deferred = k.read("defer_tlb_gen", defer_tlb_gen);
  k.if(deferred.ne(0), () => {
    const completed = k.read("tlb_gen_completed", vmf.mm.tlb_gen_completed);
    k.if(deferred.gt(completed), () => flush(k, opt, vmf));
    // Nothing is owed for this table any more, and a table that is used again starts without a generation.
    k.write("clear defer_tlb_gen", defer_tlb_gen, 0);
  });
}

/**
 * Variant `copy-only`: the page will be copied. A page that is reused needs no flush, since old and new writers share the frame.
 *
 * Source: Yu Zhao in the thread "mm/userfaultfd: fix memory corruption due to writeprotect" (2020-12); his condition was the number
 * of mappings, which is not what do_wp_page() decided by.
 */
export const flushBeforeCopy = routine(
  "do_wp_page.pending_copy",
  (k: Builder, opt: KernelOptions, vmf: vm_fault, pfn: Expr<U64>) => {
    if (opt.slots.pending !== "copy-only") return;
    k.if(watched(vmf), () => {
      const flushPage = (): void => k.if(mm_tlb_flush_pending(k, vmf.mm), () => flush(k, opt, vmf));
      k.if(copies(k, opt, pfn), flushPage);
    });
  },
);

function copies(k: Builder, opt: KernelOptions, pfn: Expr<U64>): Expr<Bool> {
  if (!opt.fix["B-v5-refcount"]) return k.var(true, "copies").get();
  const flags = k.read("PageAnon", page.at(pfn).flags);
  return flags.anon.not().or(k.read("page_mapcount", page.at(pfn)._mapcount).gt(1));
}
