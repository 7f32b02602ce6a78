/** The address spaces that may share pages with others, for who looks for all entries of a page. */

import { type Builder, type Expr, record, routine, spinlock, type U64, u64 } from "../dsl/index.js";
import { type Mm, mm_struct, mmlist_node } from "./mm_types.js";
import { mmId, mmPointer } from "./tlbflush.js";

/**
 * A list from `first` on, 0 when it is empty. Nobody is ever taken out, so that it is walked without the lock; one that has ended has no
 * page table.
 *
 * Source: linux mm/rmap.c. Simplified: Linux has a tree of mappings for each file (i_mmap), and one for each family of forked address
 * spaces (anon_vma); here one list for all of them leads to address spaces, whose mappings and page tables say the rest.
 */
export const mmlist = record("global", { mmlist_lock: spinlock("mmlist_lock"), first: u64 });

/**
 * Others may map pages of `mm` from now on. Its mmap_lock is held for writing, or nobody knows of it yet.
 *
 * Source: none; in the place of Linux's vma_interval_tree_insert() and anon_vma_fork().
 */
export const mmlist_add = routine("mmlist_add", (k: Builder, mm: Mm) => {
  const before = k.read("mmlist", mm.mmlist);
  k.if(before.listed.not(), () =>
    k.locked(mmlist.at().mmlist_lock, () => {
      const next = k.read("mmlist.first", mmlist.at().first);
      k.write("mmlist = next", mm.mmlist, mmlist_node.of({ listed: true, next }));
      k.fence("smp_wmb", "wmb");
      k.write("mmlist.first = mm", mmlist.at().first, mmPointer(mm.id));
    }),
  );
});

/** The first one as a pointer, 0 when there is none. */
export function mmlist_first(k: Builder): Expr<U64> {
  return k.read("mmlist.first", mmlist.at().first);
}

/** The one behind `pointer`, 0 when it is the last. */
export function mmlist_next(k: Builder, pointer: Expr<U64>): Expr<U64> {
  return k.read("mmlist.next", mm_struct.at(mmId(pointer)).mmlist).next;
}
