/** Changing the rights of mappings, and of the entries that exist already. */

import {
  type Bool,
  type Builder,
  bool,
  type Expr,
  type Operand,
  type ProgramSource,
  program,
  routine,
  type U64,
} from "../dsl/index.js";
import { change_huge_pmd, splitIfPmd, splitOrWhole } from "./huge_memory.js";
import { current_mm } from "./mm_types.js";
import { resetFilter } from "./mm_types-pending.js";
import {
  leaveTable,
  noteRaisedRight,
  protectStyle,
  tlb_finish_mmu,
  tlb_flush_pte_range,
  tlb_gather_mmu,
} from "./mmu_gather.js";
import type { mmu_gather } from "./mmu_gather-batch.js";
import type { KernelOptions } from "./options.js";
import { isExclusive, page } from "./page.js";
import { entryAt, forEachTable, type LeafInRange, PTE, ptdesc, type TableInRange } from "./pgtable.js";
import {
  cleanWriteProtected,
  lostPresentOrDirty,
  onlyRaised,
  PAGE_NONE,
  type Pte,
  pte_flags_need_flush,
  pte_mkuffd_wp,
  pte_mkwrite,
  pte_modify,
  pte_present,
  pte_t,
} from "./pte.js";
import { flush_tlb_batched_pending } from "./rmap-batch.js";
import { type FoundVma, for_each_vma_range, type Vma, vm_page_prot } from "./vma.js";

/** Rights as mprotect(2) takes them. */
const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXEC = 4;

/**
 * Whether a changed entry has to be flushed.
 *
 * Source: linux arch/x86/include/asm/tlbflush.h, pte_needs_flush().
 */
export function pte_needs_flush(opt: KernelOptions, before: Pte, after: Pte): Expr<Bool> {
  if (opt.fix["D-wrprotect-no-flush"]) return lostPresentOrDirty(before, after);
  const upstream = pte_flags_need_flush(before, after);
  switch (opt.slots["need-flush"]) {
    case "always":
      return before.present;
    case "skip-clean":
      return upstream.and(cleanWriteProtected(before, after).not());
    case "relaxed-raise":
      return upstream.and(onlyRaised(before, after).not());
    default:
      return upstream;
  }
}

/** mprotect(2). Source: linux mm/mprotect.c, do_mprotect_pkey(). */
export function mprotect(opt: KernelOptions): ProgramSource {
  return program("mprotect", ["start", "end", "prot"], (k, { start, end, prot }) => {
    const mm = current_mm(k);
    k.writeLocked(mm.mmap_lock, () => {
      resetFilter(k, opt, mm);
      const tlb = tlb_gather_mmu(k, opt, mm, protectStyle(opt));
      for_each_vma_range(k, mm.id, start, end, (found) => mprotect_fixup(k, opt, tlb, found, prot));
      tlb_finish_mmu(k, opt, tlb);
      // Nobody else has changed entries here since: faults and other calls wait for the lock.
      k.if(
        prot.eq(0),
        () => k.promise(mm.root, start, end, "none"),
        () => k.if(prot.and(PROT_WRITE).eq(0), () => k.promise(mm.root, start, end, "read")),
      );
    });
  });
}

/** Give one mapping, or a part of one, its new rights. Source: linux mm/mprotect.c, mprotect_fixup(). */
const mprotect_fixup = routine(
  "mprotect_fixup",
  (k: Builder, opt: KernelOptions, tlb: mmu_gather, found: FoundVma, prot: Expr<U64>) => {
    const { vma, start, end } = found;
    const read = prot.and(PROT_READ).ne(0);
    const exec = prot.and(PROT_EXEC).ne(0);
    const changed = k.copy(vma.with({ read, write: prot.and(PROT_WRITE).ne(0), exec }), "newflags");
    k.if(changed.ne(vma), () => {
      k.work("mprotect_fixup");
      k.setRange("vma_modify_flags", tlb.mm.id, start, end, changed.raw);
      change_protection(k, opt, tlb, changed, start, end, MPROTECT);
    });
  },
);

/**
 * What change_protection() does besides giving entries the rights of their mapping. Bits are known at assembly, or at run time.
 *
 * Source: linux include/linux/mm.h, MM_CP_*.
 */
export interface CpFlags {
  readonly try_change_writable: Operand<Bool>;
  /** Make entries inaccessible, so that the next access says which CPU wants the page. */
  readonly prot_numa: Operand<Bool>;
  readonly uffd_wp: Operand<Bool>;
  readonly uffd_wp_resolve: Operand<Bool>;
}
const MPROTECT: CpFlags = {
  try_change_writable: true,
  prot_numa: false,
  uffd_wp: false,
  uffd_wp_resolve: false,
};

/** Source: linux mm/mprotect.c, change_protection() down to change_pmd_range(). */
export const change_protection = routine(
  "change_protection",
  (
    k: Builder,
    opt: KernelOptions,
    tlb: mmu_gather,
    vma: Vma,
    start: Expr<U64>,
    end: Expr<U64>,
    cp_flags: CpFlags,
  ) => {
    const newprot = k.copy(
      bool.of(false).or(cp_flags.prot_numa).select(PAGE_NONE, vm_page_prot(vma)),
      "newprot",
    );
    const small = (found: TableInRange): void => {
      k.locked(ptdesc.at(found.table).ptl, () => {
        flush_tlb_batched_pending(k, opt, tlb.mm, found.table, tlb);
        k.forRange(
          found.start,
          found.end,
          1,
          (vpn) => change_pte(k, opt, tlb, { vma, table: found.table, vpn, newprot, cp_flags }),
          "vpn",
        );
        leaveTable(k, opt, tlb, found.table);
      });
      if (!tlb.opt.eager) k.window("protected, unlocked, TLBs still warm");
    };
    const large = (leaf: LeafInRange): void => changeOrSplit(k, opt, tlb, leaf, vma, newprot, cp_flags);
    forEachTable(k, tlb.mm.root, PTE, start, end, small, undefined, opt.thp ? large : undefined);
  },
);

interface PteChange {
  readonly vma: Vma;
  readonly table: Expr<U64>;
  readonly vpn: Expr<U64>;
  readonly newprot: Pte;
  readonly cp_flags: CpFlags;
}

/** Simplified: for userfaultfd a large page is split, and NUMA balancing leaves it alone; Linux has both for large pages as they are. */
function changeOrSplit(
  k: Builder,
  opt: KernelOptions,
  tlb: mmu_gather,
  leaf: LeafInRange,
  vma: Vma,
  newprot: Pte,
  cp_flags: CpFlags,
): void {
  const watched = bool.of(false).or(cp_flags.uffd_wp).or(cp_flags.uffd_wp_resolve);
  const whole = (): void => changeLarge(k, opt, tlb, leaf, vma, newprot, cp_flags);
  k.if(bool.of(false).or(cp_flags.prot_numa).not(), () =>
    k.if(
      watched,
      () => splitIfPmd(k, opt, tlb.mm, leaf),
      () => splitOrWhole(k, opt, tlb.mm, leaf, whole),
    ),
  );
}

/** A large page is this mapping's alone, so that the write right can be given at once. */
function changeLarge(
  k: Builder,
  opt: KernelOptions,
  tlb: mmu_gather,
  leaf: LeafInRange,
  vma: Vma,
  newprot: Pte,
  cp_flags: CpFlags,
): void {
  const tries = bool.of(false).or(cp_flags.try_change_writable).and(vma.write);
  const change = (old: Pte): Pte => {
    const pmd = pte_modify(old, newprot);
    return pmd.with({ write: pmd.write.or(tries) });
  };
  change_huge_pmd(k, opt, tlb, leaf, change, (before, after) => pte_needs_flush(opt, before, after));
}

/** One turn of the loop in change_pte_range(). Source: linux mm/mprotect.c. */
const change_pte = routine(
  "change_pte_range",
  (k: Builder, opt: KernelOptions, tlb: mmu_gather, { vma, table, vpn, newprot, cp_flags }: PteChange) => {
    const pte = entryAt(k, table, vpn, PTE);
    const seen = k.read("oldpte", pte);
    const numa = bool.of(false).or(cp_flags.prot_numa);
    const changes = numa.select(seen.present, pte_present(seen));
    k.if(changes, () => {
      const oldpte = k.var(seen, "oldpte");
      // No entry while the new one is computed, so that no A or D bit of the hardware gets lost.
      if (!opt.fix["D-plain-rmw"]) oldpte.set(k.xchg("ptep_modify_prot_start", pte, pte_t.zero));
      const ptent = k.var(pte_modify(oldpte.get(), newprot), "ptent");
      k.if(bool.of(false).or(cp_flags.uffd_wp), () => ptent.set(pte_mkuffd_wp(ptent.get())));
      k.if(bool.of(false).or(cp_flags.uffd_wp_resolve), () =>
        ptent.set(ptent.get().with({ uffd_wp: false })),
      );
      k.if(bool.of(false).or(cp_flags.try_change_writable), () =>
        k.if(can_change_pte_writable(k, opt, vma, ptent.get()), () => ptent.set(pte_mkwrite(ptent.get()))),
      );
      k.write("ptep_modify_prot_commit", pte, ptent.get());
      k.if(
        pte_needs_flush(opt, oldpte.get(), ptent.get()),
        () => tlb_flush_pte_range(k, opt, tlb, vpn),
        () => {
          k.count("flushes.avoided.need-flush");
          if (opt.slots["need-flush"] === "relaxed-raise")
            k.if(onlyRaised(oldpte.get(), ptent.get()), () => noteRaisedRight(k, tlb, vpn));
        },
      );
    });
  },
);

/**
 * Whether the write right can be given at once instead of at the first write.
 *
 * Source: linux mm/mprotect.c, can_change_pte_writable() and vma_wants_manual_pte_write_upgrade().
 */
const can_change_pte_writable = routine(
  "can_change_pte_writable",
  (k: Builder, opt: KernelOptions, vma: Vma, ptent: Pte): Expr<Bool> => {
    const can = k.var(false, "can_write");
    const untracked = opt.fix["D-writable-untracked"]
      ? bool.of(true)
      : vma.soft_dirty.not().or(ptent.soft_dirty);
    const unarmed = opt.fix["D-writable-armed"] ? bool.of(true) : ptent.uffd_wp.not();
    const heard = untracked.and(unarmed);
    k.if(vma.write.and(ptent.write.not()).and(ptent.protnone.not()).and(heard), () => {
      k.if(
        vma.shared,
        // A page of a file that is dirty has told its file system already.
        () => can.set(opt.fix["D-writable-clean-file"] ? true : ptent.dirty),
        () =>
          k.if(ptent.special.not(), () => {
            if (opt.fix["cow-by-refcount"]) return;
            const flags = k.read("PageAnonExclusive", page.at(ptent.pfn).flags);
            can.set(opt.fix["D-writable-shared-page"] ? true : isExclusive(flags));
          }),
      );
    });
    return can.get();
  },
);
