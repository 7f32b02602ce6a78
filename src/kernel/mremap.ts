/** Moving a mapping to another address, and making it longer or shorter. */

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
import { splitIfPmd } from "./huge_memory.js";
import { tableBounds } from "./memory-zap.js";
import { current_mm, type Mm } from "./mm_types.js";
import { resetFilter } from "./mm_types-pending.js";
import { unmap_region } from "./mmap.js";
import type { KernelOptions } from "./options.js";
import { anon_mapping, page } from "./page.js";
import { addrEnd, entryAt, forEachTable, PMD, PTE, ptdesc, pte_alloc } from "./pgtable.js";
import { type Pte, pte_none, pte_present, pte_t } from "./pte.js";
import { flush_tlb_batched_pending } from "./rmap-batch.js";
import { flush_tlb_mm_range } from "./tlb.js";
import { find_vma, type Vma, vm_area_struct, vma_is_anonymous } from "./vma.js";

/**
 * mremap(2) of `pages` pages at `start`, which become `newPages` at `newStart`: the same place, or one that overlaps the old one nowhere.
 *
 * Source: linux mm/mremap.c, do_mremap(). Simplified: what is mapped at the new place goes first, as with MREMAP_FIXED; a mapping that ends
 * before `pages` gives only what it has.
 */
export function mremap(opt: KernelOptions): ProgramSource {
  return program("mremap", ["start", "pages", "newStart", "newPages"], (k, args) => {
    const { start, newStart, newPages } = args;
    const mm = current_mm(k);
    k.writeLocked(mm.mmap_lock, () => {
      resetFilter(k, opt, mm);
      const { word, pages } = vma_to_resize(k, mm, args);
      k.if(word.ne(0), () => {
        k.work("mmap_region");
        const isMoved = k.copy(start.ne(newStart), "is_moved");
        // What stands in the way; in place also what is lost. The new mapping is there before the old one goes, or they would lose tables.
        const common = isMoved.select(0, pages.min(newPages));
        const last = isMoved.select(newPages, pages.max(newPages));
        unmap(k, opt, mm, newStart.add(common), newStart.add(last));
        k.setRange("copy_vma", mm.id, newStart, newStart.add(newPages), word);
        k.if(isMoved, () => move_vma(k, opt, mm, { ...args, pages }));
      });
    });
  });
}

/** The mapping as it will be, 0 for none, and as many of its pages as there are. Source: linux mm/mremap.c, vma_to_resize(). */
const vma_to_resize = routine(
  "vma_to_resize",
  (k: Builder, mm: Mm, args: Move): { word: Expr<U64>; pages: Expr<U64> } => {
    const { start, newStart } = args;
    const found = find_vma(k, mm.id, start, "vma_lookup");
    const word = k.var(0, "new_word");
    k.if(found.vma.exists.and(found.start.le(start)), () =>
      word.set(movedVma(found.vma, start, newStart).raw),
    );
    return { word: word.get(), pages: k.copy(args.pages.min(found.end.sub(start)), "old_len") };
  },
);

/** The same mapping at another address. Memory without a file has no offset that would move. */
function movedVma(vma: Vma, start: Expr<U64>, newStart: Expr<U64>): Vma {
  const offset = vma.pgoff
    .add(start)
    .sub(newStart)
    .and((1n << 44n) - 1n);
  return vm_area_struct.as(vma_is_anonymous(vma).select(vma.raw, vma.with({ pgoff: offset }).raw));
}

type Move = Readonly<Record<"start" | "pages" | "newStart" | "newPages", Expr<U64>>>;

/** Source: linux mm/mremap.c, move_vma(). */
const move_vma = routine(
  "move_vma",
  (k: Builder, opt: KernelOptions, mm: Mm, { start, pages, newStart, newPages }: Move) => {
    const end = k.copy(start.add(pages.min(newPages)), "old_end");
    move_page_tables(k, opt, mm, start, end, newStart);
    unmap(k, opt, mm, start, start.add(pages));
    k.promise(mm.root, start, start.add(pages), "none");
  },
);

/** Source: linux mm/vma.c, do_vmi_munmap(), with mmap_lock held for writing to the end. */
const unmap = routine(
  "do_vmi_munmap",
  (k: Builder, opt: KernelOptions, mm: Mm, start: Expr<U64>, end: Expr<U64>) => {
    const first = find_vma(k, mm.id, start, "vma_find");
    k.if(first.vma.exists.and(first.start.lt(end)), () => {
      const bounds = tableBounds(k, mm, start, end);
      k.setRange("vma_iter_clear_gfp", mm.id, start, end, 0);
      unmap_region(k, opt, mm, start, end, bounds);
      k.promise(mm.root, start, end, "none");
    });
  },
);

/**
 * Move the entries of [start, end) to `newStart`, a table at a time.
 *
 * Reclaim finds a page by its address, so it waits until the page has the new one.
 * Source: linux mm/mremap.c, move_page_tables(). Simplified: tables of a whole aligned range are not moved as they are
 * (move_normal_pmd()). When memory is out, the pages that have no table at the new place stay, and go with the old mapping.
 */
const move_page_tables = routine(
  "move_page_tables",
  (k: Builder, opt: KernelOptions, mm: Mm, start: Expr<U64>, end: Expr<U64>, newStart: Expr<U64>) => {
    if (opt.thp) splitAll(k, opt, mm, start, end);
    forEachTable(k, mm.root, PTE, start, end, (found) => {
      const old_addr = k.var(found.start, "old_addr");
      k.while(
        () => old_addr.get().lt(found.end),
        () => {
          // As far as one table reaches at the new place, too.
          const new_addr = k.copy(old_addr.get().sub(start).add(newStart), "new_addr");
          const room = addrEnd(k, new_addr, PMD, new_addr.add(found.end).sub(old_addr.get())).sub(new_addr);
          const old_end = k.copy(old_addr.get().add(room), "extent_end");
          const table = pte_alloc(k, mm, new_addr);
          k.if(
            table.ne(0),
            () =>
              move_ptes(k, opt, mm, {
                from: found.table,
                to: table,
                old_addr: old_addr.get(),
                old_end,
                new_addr,
              }),
            () => k.count("faults.oom"),
          );
          old_addr.set(old_end);
        },
      );
    });
  },
);

/** Simplified: Linux moves a large page as it is if both places are aligned. */
function splitAll(k: Builder, opt: KernelOptions, mm: Mm, start: Expr<U64>, end: Expr<U64>): void {
  const noTable = (): void => {};
  forEachTable(k, mm.root, PTE, start, end, noTable, undefined, (leaf) => splitIfPmd(k, opt, mm, leaf));
}

interface Extent {
  readonly from: Expr<U64>;
  readonly to: Expr<U64>;
  readonly old_addr: Expr<U64>;
  readonly old_end: Expr<U64>;
  readonly new_addr: Expr<U64>;
}

/**
 * The entries of one table. They are flushed before the lock of the new table is dropped: from then on somebody else may take a page
 * from its new place and free it, with a flush of that place only.
 *
 * Source: linux mm/mremap.c, move_ptes(). Until 4.19 the flush came behind the locks.
 */
const move_ptes = routine("move_ptes", (k: Builder, opt: KernelOptions, mm: Mm, extent: Extent) => {
  const { from, to, old_addr, old_end } = extent;
  const force_flush = k.var(false, "force_flush");
  const flush = (): void =>
    k.if(force_flush.get(), () => flush_tlb_mm_range(k, opt, mm, old_addr, old_end, 0, false));
  const moveAll = (): void => {
    moveUnderLocks(k, opt, mm, extent, force_flush);
    if (!opt.fix["B-mremap-flush-late"]) flush();
  };
  k.if(
    from.eq(to),
    () => k.locked(ptdesc.at(from).ptl, moveAll, "ptl of both"),
    () => k.locked(ptdesc.at(from).ptl, () => k.locked(ptdesc.at(to).ptl, moveAll, "new_ptl"), "old_ptl"),
  );
  k.window("moved, both locks dropped");
  if (opt.fix["B-mremap-flush-late"]) flush();
});

/** Source: linux mm/mremap.c, the loop of move_ptes(). */
const moveUnderLocks = routine(
  "move_ptes.locked",
  (k: Builder, opt: KernelOptions, mm: Mm, extent: Extent, force_flush: Var<Bool>) => {
    const { from, to, old_addr, old_end, new_addr } = extent;
    flush_tlb_batched_pending(k, opt, mm, from);
    k.forRange(
      old_addr,
      old_end,
      1,
      (vpn) => {
        const target = k.copy(vpn.sub(old_addr).add(new_addr), "target");
        const old_pte = entryAt(k, from, vpn, PTE);
        const seen = k.read("ptep_get", old_pte);
        k.if(pte_none(seen).not(), () => {
          const pte = k.xchg("ptep_get_and_clear", old_pte, pte_t.zero);
          k.if(pte_present(pte), () => force_flush.set(true));
          tellReclaim(k, mm, pte, vpn, target);
          k.write("set_pte_at", entryAt(k, to, target, PTE), pte.with({ soft_dirty: true }));
        });
      },
      "vpn",
    );
  },
);

/** Source: none; Linux finds a private page by its place in the mapping, which moves along. */
const tellReclaim = routine(
  "folio->mapping",
  (k: Builder, mm: Mm, pte: Pte, vpn: Expr<U64>, target: Expr<U64>) => {
    k.if(pte_present(pte).and(pte.special.not()), () => {
      const { mapping } = page.at(pte.pfn);
      const before = k.read("folio->mapping", mapping);
      k.if(before.eq(anon_mapping.of({ mm: mm.id, vpn })), () =>
        k.write("folio->mapping moves", mapping, anon_mapping.of({ mm: mm.id, vpn: target })),
      );
    });
  },
);
