/** Soft-dirty tracking: whoever wants to know which pages are written takes the write right away first. */

import {
  type Builder,
  type Expr,
  type ProgramSource,
  program,
  routine,
  type U64,
  u64,
} from "../dsl/index.js";
import { splitIfPmd } from "./huge_memory.js";
import { current_mm, type Mm, taskSize } from "./mm_types.js";
import {
  dec_tlb_flush_pending,
  deferGeneration,
  inc_tlb_flush_pending,
  noteDeferred,
} from "./mm_types-pending.js";
import type { KernelOptions } from "./options.js";
import { entryAt, forEachTable, type LeafInRange, PTE, ptdesc, type TableInRange } from "./pgtable.js";
import { pte_t, pte_wrprotect } from "./pte.js";
import { flush_tlb_mm } from "./tlb.js";
import { for_each_vma_range } from "./vma.js";

/**
 * Writing 4 to /proc/self/clear_refs: from now on a write to a page sets its soft-dirty bit again.
 *
 * Source: linux fs/proc/task_mmu.c, clear_refs_write(). Until 5.11 it held mmap_lock for reading while it changed entries.
 */
export function clear_refs(opt: KernelOptions): ProgramSource {
  return program("clear_refs", [], (k) => {
    const mm = current_mm(k);
    const end = u64.of(taskSize(k));
    k.writeLocked(mm.mmap_lock, (held) => {
      for_each_vma_range(k, mm.id, 0, end, ({ vma, start, end: last }) => {
        k.if(vma.soft_dirty.not(), () =>
          k.setRange("vm_flags_clear", mm.id, start, last, vma.with({ soft_dirty: true }).raw),
        );
      });
      if (opt.fix["B-softdirty-read-lock"] || opt.fix["B-softdirty-no-flush"]) {
        held.downgrade("mmap_write_downgrade");
      }
      inc_tlb_flush_pending(k, opt, mm);
      clear_refs_pte_range(k, opt, mm, end);
      if (!opt.fix["B-softdirty-no-flush"]) flush_tlb_mm(k, opt, mm);
      dec_tlb_flush_pending(k, opt, mm);
      // A write that needs no fault any more is one that the tracking would miss.
      k.promise(mm.root, 0, end, "read");
    });
  });
}

/** Source: linux fs/proc/task_mmu.c, clear_refs_pte_range() for the whole address space. Simplified: large pages are split. */
const clear_refs_pte_range = routine(
  "clear_refs_pte_range",
  (k: Builder, opt: KernelOptions, mm: Mm, end: Expr<U64>) => {
    const small = ({ table, start, end: last }: TableInRange): void => {
      k.locked(ptdesc.at(table).ptl, () => {
        k.forRange(start, last, 1, (vpn) => clear_soft_dirty(k, opt, mm, table, vpn), "vpn");
        if (opt.generations) deferGeneration(k, mm, table);
      });
      k.window("tracked, unlocked, TLBs still warm");
    };
    const large = (leaf: LeafInRange): void => splitIfPmd(k, opt, mm, leaf);
    forEachTable(k, mm.root, PTE, u64.of(0), end, small, undefined, opt.thp ? large : undefined);
  },
);

/** Source: linux fs/proc/task_mmu.c, clear_soft_dirty(). Left out: pages pinned for devices stay as they are. */
const clear_soft_dirty = routine(
  "clear_soft_dirty",
  (k: Builder, opt: KernelOptions, mm: Mm, table: Expr<U64>, vpn: Expr<U64>) => {
    const pte = entryAt(k, table, vpn, PTE);
    const seen = k.read("ptep_get", pte);
    k.if(seen.present, () => {
      const old = k.xchg("ptep_modify_prot_start", pte, pte_t.zero);
      k.write("ptep_modify_prot_commit", pte, pte_wrprotect(old).with({ soft_dirty: false }));
      noteDeferred(k, opt, mm, vpn);
    });
  },
);
