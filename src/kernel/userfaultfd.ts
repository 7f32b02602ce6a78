/** Write protection that a monitor asks for and lifts again. A mapping is watched when its word says so. */

import {
  type Bool,
  type Builder,
  type Expr,
  type ProgramSource,
  program,
  routine,
  type U64,
} from "../dsl/index.js";
import { current_mm, type Mm } from "./mm_types.js";
import { protectStyle, tlb_finish_mmu, tlb_gather_mmu } from "./mmu_gather.js";
import type { GatherStyle } from "./mmu_gather-batch.js";
import { change_protection } from "./mprotect.js";
import type { KernelOptions } from "./options.js";
import { type FoundVma, for_each_vma_range } from "./vma.js";

/** UFFDIO_WRITEPROTECT_MODE_WP; without it, the protection is lifted. */
const MODE_WP = 1;

/**
 * ioctl(UFFDIO_WRITEPROTECT) on the running task's own address space.
 *
 * Source: linux fs/userfaultfd.c, userfaultfd_writeprotect(), and mm/userfaultfd.c, mwriteprotect_range().
 */
export function userfaultfd_writeprotect(opt: KernelOptions): ProgramSource {
  return program("userfaultfd_writeprotect", ["start", "end", "mode"], (k, { start, end, mode }) => {
    const mm = current_mm(k);
    const enable_wp = k.copy(mode.and(MODE_WP).ne(0), "enable_wp");
    const gathered = { ...protectStyle(opt), perTable: false };
    const perTable = { ...protectStyle(opt), perTable: true };
    const read = (style: GatherStyle): void =>
      k.readLocked(mm.mmap_lock, () => mwriteprotect_range(k, opt, mm, style, start, end, enable_wp));
    const write = (): void =>
      k.writeLocked(mm.mmap_lock, () => mwriteprotect_range(k, opt, mm, gathered, start, end, enable_wp));
    switch (opt.slots.protect) {
      case "write-lock":
        write();
        break;
      case "hybrid":
        k.if(
          end.sub(start).le(1n << BigInt(k.radixBits)),
          () => read(perTable),
          () => write(),
        );
        break;
      default:
        read(protectStyle(opt));
    }
  });
}

/** Source: linux mm/userfaultfd.c, mwriteprotect_range(). The caller holds mmap_lock, and need not run in the address space. */
export const mwriteprotect_range = routine(
  "mwriteprotect_range",
  (
    k: Builder,
    opt: KernelOptions,
    mm: Mm,
    style: GatherStyle,
    start: Expr<U64>,
    end: Expr<U64>,
    enable_wp: Expr<Bool>,
  ) => {
    for_each_vma_range(k, mm.id, start, end, (found) => {
      k.if(found.vma.uffd_wp, () => {
        k.work("uffd_wp_range");
        uffd_wp_range(k, opt, mm, style, found, enable_wp);
        k.if(enable_wp, () => k.promise(mm.root, found.start, found.end, "read"));
      });
    });
  },
);

/**
 * One gather for each mapping. Lifting the protection takes the write right away too where the mapping's entries start without it,
 * unless it is given back at once.
 *
 * Source: linux mm/userfaultfd.c, uffd_wp_range().
 */
const uffd_wp_range = routine(
  "uffd_wp_range",
  (k: Builder, opt: KernelOptions, mm: Mm, style: GatherStyle, found: FoundVma, enable_wp: Expr<Bool>) => {
    const upgrade = opt.fix["B-uffd-no-upgrade"] ? false : enable_wp.not();
    const tlb = tlb_gather_mmu(k, opt, mm, style);
    change_protection(k, opt, tlb, found.vma, found.start, found.end, {
      try_change_writable: upgrade,
      prot_numa: false,
      uffd_wp: enable_wp,
      uffd_wp_resolve: enable_wp.not(),
    });
    tlb_finish_mmu(k, opt, tlb);
  },
);
