/** Mapping, unmapping and moving the break. Linux has the first half in mm/mmap.c and the second in mm/vma.c. */

import {
  type Bool,
  type Builder,
  type Expr,
  type ProgramSource,
  program,
  routine,
  type U64,
  u64,
} from "../dsl/index.js";
import { type Bounds, free_pgd_range, tableBounds, unmap_page_range, unmap_vmas } from "./memory-zap.js";
import { current_mm, type Mm, taskSize } from "./mm_types.js";
import { resetFilter } from "./mm_types-pending.js";
import { tlb_finish_mmu, tlb_gather_mmu } from "./mmu_gather.js";
import type { mmu_gather } from "./mmu_gather-batch.js";
import type { KernelOptions } from "./options.js";
import { vma_link_file } from "./rmap-file.js";
import { type FoundVma, find_vma, heap_vma, vm_area_struct } from "./vma.js";

/** Whether anything is mapped in [start, end). Source: linux mm/vma.c, vma_find() of do_vmi_munmap(). */
const isMapped = routine("vma_find", (k: Builder, mm: Mm, start: Expr<U64>, end: Expr<U64>): Expr<Bool> => {
  const first = find_vma(k, mm.id, start);
  return k.copy(first.vma.exists.and(first.start.lt(end)), "mapped");
});

/**
 * Take the pages and the tables of [start, end) away, flush, free.
 *
 * Source: linux mm/vma.c, unmap_region().
 */
export const unmap_region = routine(
  "unmap_region",
  (k: Builder, opt: KernelOptions, mm: Mm, start: Expr<U64>, end: Expr<U64>, bounds: Bounds) => {
    const tlb = tlb_gather_mmu(k, opt, mm, { eager: opt.slots.unmap === "eager", fullmm: false });
    unmap_page_range(k, opt, tlb, start, end);
    free_pgd_range(k, opt, tlb, start, end, bounds);
    tlb_finish_mmu(k, opt, tlb);
  },
);

/**
 * Unmap [start, end) of the running task's address space. Other readers may come in once the mappings are gone.
 *
 * Source: linux mm/vma.c, do_vmi_align_munmap() and vms_complete_munmap_vmas().
 */
const do_vmi_align_munmap = routine(
  "do_vmi_align_munmap",
  (k: Builder, opt: KernelOptions, mm: Mm, start: Expr<U64>, end: Expr<U64>) => {
    k.writeLocked(mm.mmap_lock, (held) => {
      resetFilter(k, opt, mm);
      const found = isMapped(k, mm, start, end);
      const floor = k.var(start, "floor");
      const ceiling = k.var(end, "ceiling");
      k.if(found, () => {
        k.work("vms_gather_munmap_vmas");
        const bounds = tableBounds(k, mm, start, end);
        floor.set(bounds.floor);
        ceiling.set(bounds.ceiling);
        k.setRange("vma_iter_clear_gfp", mm.id, start, end, 0);
      });
      held.downgrade("mmap_write_downgrade");
      k.if(found, () => {
        unmap_region(k, opt, mm, start, end, { floor: floor.get(), ceiling: ceiling.get() });
        // Before the lock is dropped: behind it, somebody may map here again and owe a flush of his own.
        k.promise(mm.root, start, end, "none");
      });
    });
  },
);

/** munmap(2). */
export function munmap(opt: KernelOptions): ProgramSource {
  return program("munmap", ["start", "end"], (k, { start, end }) => {
    do_vmi_align_munmap(k, opt, current_mm(k), start, end);
  });
}

/**
 * mmap(2) with an address: what was mapped there goes first, under the same lock.
 *
 * Source: linux mm/mmap.c, do_mmap(), and mm/vma.c, mmap_region().
 */
export function mmap(opt: KernelOptions): ProgramSource {
  return program("mmap", ["start", "end", "value"], (k, { start, end, value }) => {
    const mm = current_mm(k);
    k.writeLocked(mm.mmap_lock, () => {
      resetFilter(k, opt, mm);
      k.if(isMapped(k, mm, start, end), () => {
        k.work("vms_gather_munmap_vmas");
        unmap_region(k, opt, mm, start, end, tableBounds(k, mm, start, end));
        k.promise(mm.root, start, end, "none");
      });
      k.work("mmap_region");
      vma_link_file(k, mm, vm_area_struct.as(value));
      k.setRange("vma_iter_store_new", mm.id, start, end, value);
    });
  });
}

/** brk(2): the heap ends at `newEnd` from now on. Source: linux mm/mmap.c, brk() and do_brk_flags(). */
export function brk(opt: KernelOptions): ProgramSource {
  return program("brk", ["oldEnd", "newEnd"], (k, { oldEnd, newEnd }) => {
    const mm = current_mm(k);
    k.if(
      newEnd.lt(oldEnd),
      () => do_vmi_align_munmap(k, opt, mm, newEnd, oldEnd),
      () =>
        k.writeLocked(mm.mmap_lock, () => {
          const taken = isMapped(k, mm, oldEnd, newEnd);
          k.if(newEnd.gt(oldEnd).and(taken.not()), () => {
            k.work("do_brk_flags");
            k.setRange("vma_iter_store_gfp", mm.id, oldEnd, newEnd, heap_vma.raw);
          });
        }),
    );
  });
}

/**
 * A mapping that existed before the recording began: there is nothing to unmap and nobody to tell.
 *
 * Source: none; it stands for what the program loader did.
 */
export function image(_opt: KernelOptions): ProgramSource {
  return program("image", ["start", "end", "value"], (k, { start, end, value }) => {
    const mm = current_mm(k);
    k.writeLocked(mm.mmap_lock, () => {
      vma_link_file(k, mm, vm_area_struct.as(value));
      k.setRange("vma_iter_store_new", mm.id, start, end, value);
    });
  });
}

/**
 * Empty an address space that nobody can run in any more: all pages, all tables below the root, all mappings.
 *
 * Source: linux mm/mmap.c, exit_mmap().
 */
export const exit_mmap = routine("exit_mmap", (k: Builder, opt: KernelOptions, mm: Mm) => {
  const tlb = tlb_gather_mmu(k, opt, mm, { eager: opt.slots.unmap === "eager", fullmm: true });
  const everything = u64.of(taskSize(k));
  k.readLocked(mm.mmap_lock, () => unmap_vmas(k, opt, tlb, u64.of(0), everything));
  k.writeLocked(mm.mmap_lock, () => {
    free_pgtables(k, opt, tlb);
    tlb_finish_mmu(k, opt, tlb);
    k.setRange("__mt_destroy", mm.id, 0, everything, 0);
  });
});

/**
 * The same for the address space that is running, which stays in use.
 *
 * Source: linux fs/exec.c, exec_mmap(). Simplified: Linux builds a new address space, loads it and empties the old
 * one; here the old one is emptied and used again, which takes the same flush.
 */
export const exec_mmap = routine("exec_mmap", (k: Builder, opt: KernelOptions, mm: Mm) => {
  k.writeLocked(mm.mmap_lock, () => {
    const tlb = tlb_gather_mmu(k, opt, mm, { eager: opt.slots.unmap === "eager", fullmm: false });
    const everything = u64.of(taskSize(k));
    unmap_vmas(k, opt, tlb, u64.of(0), everything);
    free_pgtables(k, opt, tlb);
    tlb_finish_mmu(k, opt, tlb);
    k.setRange("__mt_destroy", mm.id, 0, everything, 0);
    k.promise(mm.root, 0, everything, "none");
  });
});

/** Free the tables of every mapping, each up to the next one. Source: linux mm/memory.c, free_pgtables(). */
const free_pgtables = routine("free_pgtables", (k: Builder, opt: KernelOptions, tlb: mmu_gather) => {
  const vma = k.var(vm_area_struct.zero, "vma");
  const start = k.var(0, "vma_start");
  const end = k.var(0, "vma_end");
  const take = (found: FoundVma): void => {
    vma.set(found.vma);
    start.set(found.start);
    end.set(found.end);
  };
  take(find_vma(k, tlb.mm.id, 0, "vma_first"));
  k.while(
    () => vma.get().exists,
    () => {
      const next = find_vma(k, tlb.mm.id, end.get(), "vma_next");
      const ceiling = k.var(taskSize(k), "ceiling");
      k.if(next.vma.exists, () => ceiling.set(next.start));
      free_pgd_range(k, opt, tlb, start.get(), end.get(), { floor: u64.of(0), ceiling: ceiling.get() });
      take(next);
    },
  );
});
