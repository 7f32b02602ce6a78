/** Faults on entries that exist: write-protected pages, and faults that somebody has settled. Part of mm/memory.c. */

import { type Bool, type Builder, type Expr, routine, type U64, type Var } from "../dsl/index.js";
import { folio_prealloc } from "./memory-alloc.js";
import { flushBeforeCopy, flushIfPending } from "./memory-pending.js";
import type { KernelOptions } from "./options.js";
import {
  anon_mapping,
  folio_add_new_anon_rmap,
  folio_get,
  folio_mark_dirty,
  folio_put,
  folio_remove_rmap,
  isExclusive,
  page,
  page_flags,
} from "./page.js";
import { mk_pte, type Pte, pte_mkdirty, pte_mkwrite, pte_mkyoung, pte_t } from "./pte.js";
import { flush_tlb_page } from "./tlb.js";
import { userfaultfd_pte_wp } from "./userfaultfd_k.js";
import type { vm_fault } from "./vm_fault.js";
import { vm_page_prot } from "./vma.js";

/** How a fault on an entry that exists goes on after the lock was dropped. */
interface Verdict {
  readonly copy: Var<Bool>;
  readonly notify: Var<Bool>;
}

/**
 * The entry exists. Either it allows the access by now, or it is a write to a write-protected page.
 *
 * Source: linux mm/memory.c, the second half of handle_pte_fault(), and do_wp_page().
 */
export const do_wp_page = routine(
  "do_wp_page",
  (k: Builder, opt: KernelOptions, vmf: vm_fault, orig_pte: Pte) => {
    const verdict = { copy: k.var(false, "copy"), notify: k.var(false, "notify") };
    k.locked(vmf.ptl, () => {
      const now = k.read("pte_same", vmf.pte);
      k.if(
        now.ne(orig_pte).or(vmf.write.not()).or(now.present.not()),
        () => k.count("faults.spurious"),
        () =>
          k.if(
            now.write,
            () => {
              // The TLB had an older entry, which the hardware has dropped by now.
              k.write("ptep_set_access_flags", vmf.pte, pte_mkyoung(pte_mkdirty(now)));
              k.count("faults.spurious");
            },
            () =>
              k.if(
                userfaultfd_pte_wp(vmf.vma, now),
                () => vmf.userfault.set(true),
                () => writeProtected(k, opt, vmf, orig_pte, verdict),
              ),
          ),
      );
    });
    k.if(verdict.notify.get(), () => wp_page_shared(k, vmf, orig_pte));
    k.if(verdict.copy.get(), () => wp_page_copy(k, opt, vmf, orig_pte));
  },
);

/** Decide under the lock: share, reuse or copy. Source: linux mm/memory.c, do_wp_page(), wp_can_reuse_anon_folio(). */
const writeProtected = routine(
  "do_wp_page.decide",
  (k: Builder, opt: KernelOptions, vmf: vm_fault, orig_pte: Pte, verdict: Verdict) => {
    const pfn = orig_pte.pfn;
    flushIfPending(k, opt, vmf);
    k.if(
      vmf.vma.shared,
      () => verdict.notify.set(true),
      () =>
        k.if(
          orig_pte.special,
          () => verdict.copy.set(true),
          () => {
            const reuse = wp_can_reuse_anon_folio(k, opt, vmf, pfn);
            k.if(
              reuse,
              () => wp_page_reuse(k, vmf, orig_pte),
              () => {
                flushBeforeCopy(k, opt, vmf, pfn);
                // The page must not go away, nor become reusable, while it is copied.
                folio_get(k, pfn);
                verdict.copy.set(true);
              },
            );
          },
        ),
    );
  },
);

/**
 * Whether a private page belongs to this mapping alone.
 *
 * Source: linux mm/memory.c, do_wp_page() and wp_can_reuse_anon_folio(). From 5.8 to 5.18 only the references counted.
 */
const wp_can_reuse_anon_folio = routine(
  "wp_can_reuse_anon_folio",
  (k: Builder, opt: KernelOptions, vmf: vm_fault, pfn: Expr<U64>): Expr<Bool> => {
    const reuse = k.var(false, "reuse");
    const flags = k.read("folio_test_anon", page.at(pfn).flags);
    if (!opt.fix["cow-by-refcount"]) reuse.set(isExclusive(flags));
    k.if(flags.anon.and(reuse.get().not()), () => {
      const references = k.read("folio_ref_count", page.at(pfn)._refcount);
      k.if(references.eq(1), () => {
        k.or("SetPageAnonExclusive", page.at(pfn).flags, page_flags.of({ anon_exclusive: true }));
        const mapping = anon_mapping.of({ mm: vmf.mm.id, vpn: vmf.vpn });
        k.write("folio_move_anon_rmap", page.at(pfn).mapping, mapping);
        reuse.set(true);
      });
    });
    return reuse.get();
  },
);

/** Give the write right back. Nobody needs a flush: a TLB that still says no will ask again. Source: mm/memory.c. */
const wp_page_reuse = routine("wp_page_reuse", (k: Builder, vmf: vm_fault, orig_pte: Pte) => {
  k.write("ptep_set_access_flags", vmf.pte, pte_mkwrite(pte_mkdirty(pte_mkyoung(orig_pte))));
  k.count("faults.minor");
});

/** The first write to a page of a shared file: tell the file system, look again. Source: linux mm/memory.c. */
const wp_page_shared = routine("wp_page_shared", (k: Builder, vmf: vm_fault, orig_pte: Pte) => {
  k.if(vmf.vma.file, () => k.work("page_mkwrite"));
  k.locked(vmf.ptl, () => {
    const now = k.read("pte_same", vmf.pte);
    k.if(
      now.eq(orig_pte),
      () => {
        folio_mark_dirty(k, orig_pte.pfn);
        wp_page_reuse(k, vmf, orig_pte);
      },
      () => k.count("faults.spurious"),
    );
  });
});

/**
 * Copy without the lock, then replace the entry: clear, flush, and only then the new one.
 *
 * Source: linux mm/memory.c, wp_page_copy().
 */
const wp_page_copy = routine(
  "wp_page_copy",
  (k: Builder, opt: KernelOptions, vmf: vm_fault, orig_pte: Pte) => {
    const old = k.copy(orig_pte.pfn, "old_folio");
    const counted = k.copy(orig_pte.special.not(), "counted");
    const fresh = folio_prealloc(k);
    k.if(
      fresh.eq(0),
      () => vmf.oom.set(true),
      () => {
        k.if(
          counted,
          () => k.copyFrame("__wp_page_copy_user", old, fresh, vmf.vpn, vmf.mm.root),
          () => k.zeroFrame("clear_user_highpage", fresh),
        );
        k.fence("__folio_mark_uptodate", "wmb");
        k.window("copied, old frame still writable elsewhere");
        const copied = k.var(false, "page_copied");
        replaceEntry(k, opt, vmf, orig_pte, fresh, copied);
        k.if(
          copied.get(),
          () => {
            k.count("faults.cow");
            // The reference of the mapping that is gone.
            k.if(counted, () => folio_put(k, old));
          },
          () => {
            k.count("faults.spurious");
            folio_put(k, fresh);
          },
        );
      },
    );
    k.if(counted, () => folio_put(k, old));
  },
);

/** The locked half of wp_page_copy(). Source: linux mm/memory.c, and mm/pgtable-generic.c, ptep_clear_flush(). */
const replaceEntry = routine(
  "wp_page_copy.locked",
  (k: Builder, opt: KernelOptions, vmf: vm_fault, orig_pte: Pte, fresh: Expr<U64>, copied: Var<Bool>) => {
    k.locked(vmf.ptl, () => {
      const now = k.read("pte_same", vmf.pte);
      const same = opt.fix["cow-no-recheck"] ? now.present : now.eq(orig_pte);
      k.if(same, () => {
        k.xchg("ptep_clear_flush", vmf.pte, pte_t.zero);
        if (!opt.fix["cow-no-flush"]) flush_tlb_page(k, opt, vmf.mm, vmf.vpn);
        folio_add_new_anon_rmap(k, fresh, vmf.mm.id, vmf.vpn);
        k.write("set_pte_at", vmf.pte, pte_mkdirty(pte_mkwrite(mk_pte(fresh, vm_page_prot(vmf.vma)))));
        k.if(orig_pte.special.not(), () => folio_remove_rmap(k, orig_pte.pfn, "folio_remove_rmap_pte"));
        copied.set(true);
      });
    });
  },
);
