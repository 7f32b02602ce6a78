/** Taking mappings out of page tables, and the tables themselves. Part of Linux's mm/memory.c. */

import {
  type Bool,
  type Builder,
  bool,
  type Expr,
  type Field,
  routine,
  type U64,
  type Var,
} from "../dsl/index.js";
import { splitOrWhole, zap_huge_pmd } from "./huge_memory.js";
import type { Mm } from "./mm_types.js";
import {
  deferTable,
  pte_free_tlb,
  tlb_flush_mmu_free,
  tlb_flush_mmu_tlbonly,
  tlb_flush_pte_range,
  tlb_remove_page,
} from "./mmu_gather.js";
import { type mmu_gather, setFlag, tlb_flush_rmaps } from "./mmu_gather-batch.js";
import type { KernelOptions } from "./options.js";
import { folio_mark_dirty, folio_remove_rmap, page } from "./page.js";
import {
  addrStart,
  entryAt,
  forEachTable,
  levelShift,
  PGD,
  PMD,
  PTE,
  PUD,
  ptdesc,
  type TableInRange,
} from "./pgtable.js";
import { type Pte, pte_none, pte_t } from "./pte.js";
import { flush_tlb_batched_pending } from "./rmap-batch.js";
import { swap_free } from "./swapfile.js";
import { find_vma, for_each_vma_range } from "./vma.js";

/** Why zapping a table has to flush, and whether it also has to stop. */
interface Force {
  readonly flush: Var<Bool>;
  readonly stop: Var<Bool>;
}

/**
 * Take the mappings [start, end) out of one PTE table.
 *
 * Source: linux mm/memory.c, zap_pte_range(). Left out: freeing a table that MADV_DONTNEED left empty.
 */
const zap_pte_range = routine(
  "zap_pte_range",
  (k: Builder, opt: KernelOptions, tlb: mmu_gather, table: Expr<U64>, start: Expr<U64>, end: Expr<U64>) => {
    const addr = k.var(start, "addr");
    k.while(
      () => addr.get().lt(end),
      () => {
        const force = { flush: k.var(false, "force_flush"), stop: k.var(false, "force_break") };
        k.locked(ptdesc.at(table).ptl, () => {
          // Absent entries are taken for flushed; who had the lock meanwhile may have made some.
          const first = opt.fix["C-relock"] ? addr.get().eq(start) : bool.of(true);
          k.if(first, () => flush_tlb_batched_pending(k, opt, tlb.mm, table, tlb));
          k.while(
            () => addr.get().lt(end).and(force.stop.get().not()),
            () => {
              zap_present_ptes(k, opt, tlb, table, addr.get(), force);
              addr.set(addr.get().add(1));
            },
          );
          deferTable(k, opt, tlb, table);
          // A dirty page must not leave the reverse map while a TLB can still write to it.
          if (!tlb.opt.eager) {
            k.if(force.flush.get(), () => {
              tlb_flush_mmu_tlbonly(k, opt, tlb);
              tlb_flush_rmaps(k, tlb.state!);
            });
          }
        });
        if (!tlb.opt.eager) {
          k.window("unmapped, unlocked, TLBs still warm");
          // What is behind the flush is tlb_flush_mmu() in Linux; its own flush finds nothing left.
          k.if(force.flush.get(), () => tlb_flush_mmu_free(k, opt, tlb));
        }
      },
    );
  },
);

/**
 * Take one mapping out, if there is one, or what it has left behind.
 *
 * Source: linux mm/memory.c, zap_present_ptes(), zap_present_folio_ptes() and zap_nonpresent_ptes().
 */
const zap_present_ptes = routine(
  "zap_present_ptes",
  (k: Builder, opt: KernelOptions, tlb: mmu_gather, table: Expr<U64>, vpn: Expr<U64>, force: Force) => {
    const pte = entryAt(k, table, vpn, PTE);
    const seen = k.read("ptep_get", pte);
    k.if(seen.swap, () => {
      k.write("pte_clear_not_present_full", pte, pte_t.zero);
      swap_free(k, seen.pfn);
    });
    k.if(pte_none(seen).or(seen.swap).not(), () => {
      const ptent = clear_full_ptes(k, tlb, pte, seen);
      tlb_flush_pte_range(k, opt, tlb, vpn);
      k.if(ptent.special.not(), () => {
        const pfn = k.copy(ptent.pfn, "pfn");
        const delay_rmap = k.var(false, "delay_rmap");
        const flags = k.read("folio_test_anon", page.at(pfn).flags);
        k.if(flags.anon.not().and(ptent.dirty), () => {
          folio_mark_dirty(k, pfn);
          if (!opt.fix["B-zap-mkclean"] && !tlb.opt.eager) {
            delay_rmap.set(true);
            setFlag(tlb.state!, "delayed_rmap");
            force.flush.set(true);
          }
        });
        k.if(delay_rmap.get().not(), () => folio_remove_rmap(k, pfn, "folio_remove_rmap_ptes"));
        const full = tlb_remove_page(k, opt, tlb, pfn, delay_rmap.get());
        k.if(full, () => {
          force.flush.set(true);
          force.stop.set(true);
        });
      });
    });
  },
);

/** Clear an entry; gives what it was. Source: linux include/linux/pgtable.h, get_and_clear_full_ptes(). */
function clear_full_ptes(k: Builder, tlb: mmu_gather, pte: Field<pte_t>, seen: Pte): Pte {
  // The exchange takes along an A or D bit that the hardware has set since.
  if (!tlb.opt.fullmm) return k.xchg("ptep_get_and_clear", pte, pte_t.zero);
  k.write("ptep_get_and_clear_full", pte, pte_t.zero);
  return seen;
}

/**
 * Take the mappings [start, end) out of an address space, whatever is between them.
 *
 * Source: linux mm/memory.c, unmap_page_range().
 */
export const unmap_page_range = routine(
  "unmap_page_range",
  (k: Builder, opt: KernelOptions, tlb: mmu_gather, start: Expr<U64>, end: Expr<U64>) => {
    forEachTable(
      k,
      tlb.mm.root,
      PTE,
      start,
      end,
      (found) => zap_pte_range(k, opt, tlb, found.table, found.start, found.end),
      undefined,
      opt.thp
        ? (leaf) => splitOrWhole(k, opt, tlb.mm, leaf, () => zap_huge_pmd(k, opt, tlb, leaf))
        : undefined,
    );
  },
);

/** The same for each mapping of the range. Source: linux mm/memory.c, unmap_vmas(). */
export const unmap_vmas = routine(
  "unmap_vmas",
  (k: Builder, opt: KernelOptions, tlb: mmu_gather, start: Expr<U64>, end: Expr<U64>) => {
    for_each_vma_range(k, tlb.mm.id, start, end, (vma) => unmap_page_range(k, opt, tlb, vma.start, vma.end));
  },
);

/** How far the tables of a range may be freed: nothing is mapped in [floor, start) and [end, ceiling). */
export interface Bounds {
  readonly floor: Expr<U64>;
  readonly ceiling: Expr<U64>;
}

/**
 * Free the tables that cover part of [start, end) and nothing outside of floor and ceiling.
 *
 * Reclaim comes to tables from pages and holds no mmap_lock, so it is kept out meanwhile.
 * Source: linux mm/memory.c, free_pgd_range(). All tables of a level go before those of the level above. Linux keeps reclaim out
 * by unlinking the mapping from its anon_vma, in free_pgtables().
 */
export const free_pgd_range = routine(
  "free_pgd_range",
  (k: Builder, opt: KernelOptions, tlb: mmu_gather, start: Expr<U64>, end: Expr<U64>, bounds: Bounds) => {
    k.writeLocked(tlb.mm.anon_vma, () => {
      free_pte_range(k, opt, tlb, start, end, bounds);
      free_pmd_range(k, opt, tlb, start, end, bounds);
      free_pud_range(k, opt, tlb, start, end, bounds);
    });
  },
);

function tableFreer(name: string, label: string, level: number) {
  return routine(
    name,
    (k: Builder, opt: KernelOptions, tlb: mmu_gather, start: Expr<U64>, end: Expr<U64>, bounds: Bounds) => {
      const span = 1n << BigInt(levelShift(k, level + 1));
      const rounded = addrStart(k, start, level + 1);
      const from = k.copy(rounded.lt(bounds.floor).select(rounded.add(span), rounded), "from");
      const last = addrStart(k, end.add(span - 1n), level + 1);
      const limit = addrStart(k, bounds.ceiling, level + 1);
      const to = k.copy(last.gt(limit).select(last.sub(span), last), "to");
      const parent = k.var(0, "parent");
      const free = ({ table, start: covered }: TableInRange): void => {
        k.write(label, entryAt(k, parent.get(), covered, level + 1), pte_t.zero);
        pte_free_tlb(k, opt, tlb, table, covered);
      };
      forEachTable(k, tlb.mm.root, level, from, to, free, parent);
    },
  );
}

/** Source: linux mm/memory.c, free_pte_range(). */
const free_pte_range = tableFreer("free_pte_range", "pmd_clear", PTE);
/** Source: linux mm/memory.c, free_pmd_range(). */
const free_pmd_range = tableFreer("free_pmd_range", "pud_clear", PMD);
/** Source: linux mm/memory.c, free_pud_range(). */
const free_pud_range = tableFreer("free_pud_range", "p4d_clear", PUD);

/**
 * How far the neighbours of [start, end) are away, as far as that decides which tables can be freed.
 *
 * Linux has the neighbours at hand from the mapping tree; here they are looked up. Only mappings outside of the range
 * count, so it does not matter whether those inside are still there.
 * Source: linux mm/vma.c, vms_gather_munmap_vmas(), unmap_start and unmap_end.
 */
export const tableBounds = routine(
  "vma_prev_next",
  (k: Builder, mm: Mm, start: Expr<U64>, end: Expr<U64>): Bounds => {
    const next = find_vma(k, mm.id, end, "vma_next");
    const whole = 1n << BigInt(levelShift(k, PGD + 1));
    const ceiling = k.var(whole, "ceiling");
    // A mapping that goes on behind the range begins there once the range is cut out of it.
    k.if(next.vma.exists, () => ceiling.set(next.start.max(end)));

    // A neighbour in the range of a table keeps that table and all above it, so the search goes outwards.
    const floor = k.var(start, "floor");
    const search = (level: number): void => {
      const from = k.copy(addrStart(k, start, level + 1), "from");
      const clear = k.var(true, "clear");
      k.if(from.lt(start), () => {
        const prev = find_vma(k, mm.id, from, `vma_prev level ${level}`);
        clear.set(prev.vma.exists.not().or(prev.start.ge(start)));
      });
      k.if(clear.get(), () => {
        floor.set(from);
        return level < PUD ? search(level + 1) : undefined;
      });
    };
    search(PTE);
    return { floor: floor.get(), ceiling: ceiling.get() };
  },
);
