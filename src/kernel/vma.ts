/** A mapping (VMA) as one word in the range map of its address space, and what follows from its flags. */

import {
  type Bool,
  type Builder,
  bit,
  bits,
  type Expr,
  type Operand,
  routine,
  struct,
  type U64,
  u64,
  type Var,
} from "../dsl/index.js";
import { type Pte, pte_t } from "./pte.js";

/**
 * Units: `pgoff` is the file's page minus the page number, mod 2^44, so that neighbours of one file merge.
 * Source: linux include/linux/mm_types.h, struct vm_area_struct.
 */
export const vm_area_struct = struct("vm_area_struct", {
  exists: bit(0),
  read: bit(1),
  write: bit(2),
  exec: bit(3),
  shared: bit(4),
  file: bit(5),
  uffd_wp: bit(6),
  soft_dirty: bit(7),
  file_id: bits(8, 12),
  pgoff: bits(20, 44),
});
export type vm_area_struct = typeof vm_area_struct;
export type Vma = Expr<vm_area_struct>;

/** What brk maps: private, anonymous, readable and writable. */
export const heap_vma = vm_area_struct.of({ exists: true, read: true, write: true });

/** What `file_id` says of private memory. Linux has flags: VM_HUGEPAGE, VM_NOHUGEPAGE, and hugetlb with pages of 1G. */
export const HUGE = { default: 0, advised: 1, refused: 2, gigantic: 3 } as const;

/** Some right is left. On x86 every right includes reading. */
export function vma_is_accessible(vma: Vma): Expr<Bool> {
  return vma.read.or(vma.write).or(vma.exec);
}

/** Private and anonymous. Shared memory without a file is a page cache of its own, as in Linux. */
export function vma_is_anonymous(vma: Vma): Expr<Bool> {
  return vma.shared.or(vma.file).not();
}

/**
 * Rights of a new entry before anybody has written: private pages and pages of files start write-protected.
 *
 * Source: linux mm/mmap.c, vma_set_page_prot(); a shared file always wants to hear of the first write.
 */
export function vm_page_prot(vma: Vma): Pte {
  const accessible = vma_is_accessible(vma);
  return pte_t.of({
    present: accessible,
    protnone: accessible.not(),
    write: vma.write.and(vma.shared).and(vma.file.not()),
    user: true,
    accessed: true,
    nx: vma.exec.not(),
  });
}

/** The page-cache key of a page: file id above 44 bits of page index. */
export function page_cache_key(vma: Vma, vpn: Expr<U64>): Expr<U64> {
  return vma.file_id.shl(44).or(vpn.add(vma.pgoff).and((1n << 44n) - 1n));
}

/** Where the mapping would have the page of a file with this key, in or out of its range. Source: linux mm/internal.h, vma_address(). */
export function vma_address(vma: Vma, key: Expr<U64>): Expr<U64> {
  return key.sub(vma.pgoff).and((1n << 44n) - 1n);
}

export interface FoundVma {
  readonly vma: Vma;
  readonly start: Expr<U64>;
  readonly end: Expr<U64>;
}

/** The first mapping that ends behind `vpn`; `exists` is false when there is none. */
export function find_vma(k: Builder, mm: Expr<U64>, vpn: Operand<U64>, label = "find_vma"): FoundVma {
  const { value, start, end } = k.findRange(label, mm, vpn);
  return { vma: vm_area_struct.as(value), start, end };
}

/** Visit the mappings that meet [start, end), each cut to it, in rising order. The body may change them. */
export function for_each_vma_range(
  k: Builder,
  mm: Expr<U64>,
  start: Operand<U64>,
  end: Expr<U64>,
  body: (found: FoundVma) => void,
): void {
  // What is visited last ends where the search goes on.
  const cut = { start: k.var(0, "vma_start"), end: k.var(u64.of(0).add(start), "vma_end") };
  let vma: Vma;
  k.while(
    () => {
      vma = vma_find(k, mm, end, cut);
      return vma.exists.and(cut.start.get().lt(cut.end.get()));
    },
    () => {
      body({ vma, start: cut.start.get(), end: cut.end.get() });
      k.breakIf(cut.end.get().ge(end));
    },
  );
}

/** The next mapping behind `cut.end`; `cut` becomes the part of it before `end`. Source: linux mm/mmap.c, vma_next(). */
const vma_find = routine(
  "vma_find",
  (k: Builder, mm: Expr<U64>, end: Expr<U64>, cut: { start: Var<U64>; end: Var<U64> }): Vma => {
    const found = find_vma(k, mm, cut.end.get(), "vma_find");
    cut.start.set(found.start.max(cut.end.get()));
    cut.end.set(found.end.min(end));
    return found.vma;
  },
);
