/** Page-table entries as Linux names their bits, and the functions that build one from another. All are free. */

import { type Bool, bit, bits, type Expr, struct, type U64 } from "../dsl/index.js";

/**
 * One entry, at every level.
 *
 * Source: linux arch/x86/include/asm/pgtable_types.h. Simplified: no large pages, caching types or protection keys.
 * PROTNONE has a bit of its own, where x86 uses the bit of GLOBAL in entries that are not present.
 */
export const pte_t = struct("pte_t", {
  present: bit(0),
  write: bit(1),
  user: bit(2),
  accessed: bit(5),
  dirty: bit(6),
  pse: bit(7),
  global: bit(8),
  protnone: bit(9),
  uffd_wp: bit(10),
  soft_dirty: bit(11),
  pfn: bits(12, 40),
  /** Not present: the page is in swap, and `pfn` is its slot. */
  swap: bit(56),
  special: bit(58),
  /** Of a swap entry: no other refers to the slot. */
  swp_exclusive: bit(59),
  nx: bit(63),
});
export type pte_t = typeof pte_t;
export type Pte = Expr<pte_t>;

/** The bits whose change, in either direction, can leave a TLB entry that allows or forbids the wrong thing. */
const PROTECTION_BITS =
  (1n << 1n) | (1n << 2n) | (1n << 3n) | (1n << 4n) | (1n << 7n) | (1n << 8n) | (1n << 63n);
const ALL_BITS = (1n << 64n) - 1n;
const ACCESSED_DIRTY = (1n << 5n) | (1n << 6n);
const PRESENT_DIRTY = (1n << 0n) | (1n << 6n);

/** A stray A or D bit does not make an entry: some CPUs set one after the entry was cleared. */
export function pte_none(pte: Pte): Expr<Bool> {
  return pte.raw.and(~ACCESSED_DIRTY).eq(0);
}

/** Maps a page, be it one that the hardware may not see. */
export function pte_present(pte: Pte): Expr<Bool> {
  return pte.present.or(pte.protnone);
}

/** What an unmapped page leaves behind. Source: linux include/linux/swapops.h, swp_entry_to_pte(), and mm/rmap.c. */
export function swp_entry_to_pte(slot: Expr<U64>, exclusive: Expr<Bool>, before: Pte): Pte {
  const { uffd_wp, soft_dirty } = before;
  return pte_t.of({ swap: true, swp_exclusive: exclusive, pfn: slot, uffd_wp, soft_dirty });
}

export function pte_wrprotect(pte: Pte): Pte {
  return pte.with({ write: false });
}

/** Write-protected for userfaultfd, and marked so. */
export function pte_mkuffd_wp(pte: Pte): Pte {
  return pte.with({ uffd_wp: true, write: false });
}

/** Rights that let the hardware see nothing. */
export const PAGE_NONE: Pte = pte_t.of({ protnone: true, user: true, accessed: true, nx: true });

export function pte_mkwrite(pte: Pte): Pte {
  return pte.with({ write: true });
}

export function pte_mkyoung(pte: Pte): Pte {
  return pte.with({ accessed: true });
}

export function pte_mkdirty(pte: Pte): Pte {
  return pte.with({ dirty: true, soft_dirty: true });
}

export function pte_mkold(pte: Pte): Pte {
  return pte.with({ accessed: false });
}

export function pte_mkold_clean(pte: Pte): Pte {
  return pte.with({ accessed: false, dirty: false });
}

/** A first entry for a page, with the rights of `prot`. */
export function mk_pte(pfn: Expr<U64>, prot: Pte): Pte {
  return prot.with({ pfn });
}

/** `pte` with the rights of `prot`; frame, A, D and software bits stay. */
export function pte_modify(pte: Pte, prot: Pte): Pte {
  return pte.with({
    present: prot.present,
    write: prot.write,
    user: prot.user,
    protnone: prot.protnone,
    nx: prot.nx,
  });
}

/** An entry above the last level: it allows everything, the PTE decides. */
export function table_entry(table: Expr<U64>): Pte {
  return pte_t.of({ present: true, write: true, user: true, accessed: true, dirty: true, pfn: table });
}

/**
 * Whether a TLB may hold something from `before` that `after` does not allow.
 *
 * Gaining a right needs a flush too by this rule, although a stale entry would only fault once.
 * Source: linux arch/x86/include/asm/tlbflush.h, pte_flags_need_flush(); the frame is the same in all callers.
 */
export function pte_flags_need_flush(before: Pte, after: Pte): Expr<Bool> {
  const changed = before.raw.xor(after.raw);
  const cleared = changed.and(before.raw);
  return before.present.and(changed.and(PROTECTION_BITS).or(cleared.and(PRESENT_DIRTY)).ne(0));
}

/**
 * Nothing but the write right is lost, and no write has gone through the entry: a TLB that still grants it has D clear, so that its next
 * write looks at the page table again.
 *
 * Source: Nadav Amit, "mm: relaxed TLB flushes and other optimi." (2022-07-18), patch 12.
 */
export function cleanWriteProtected(before: Pte, after: Pte): Expr<Bool> {
  const lost = before.raw.xor(after.raw).and(PROTECTION_BITS | PRESENT_DIRTY);
  return lost
    .eq(1n << 1n)
    .and(before.write)
    .and(before.dirty.not());
}

/**
 * No right is lost: a TLB that forbids too much faults once, and the hardware drops what faulted.
 *
 * Source: the same series, the patch on permission promotions.
 */
export function onlyRaised(before: Pte, after: Pte): Expr<Bool> {
  const changed = before.raw.xor(after.raw);
  const lost = changed.and(before.raw).and(PRESENT_DIRTY);
  const raised = after.write.select(1n << 1n, 0).or(after.nx.select(0, 1n << 63n));
  return changed.and(PROTECTION_BITS).and(raised.xor(ALL_BITS)).or(lost).eq(0);
}

/** The mutant D-wrprotect-no-flush: only a lost PRESENT or D bit counts. */
export function lostPresentOrDirty(before: Pte, after: Pte): Expr<Bool> {
  const cleared = before.raw.xor(after.raw).and(before.raw);
  return before.present.and(cleared.and(PRESENT_DIRTY).ne(0));
}
