/** struct mm_struct: an address space. Its mappings are in the machine's range map, under the same id. */

import {
  type Builder,
  bit,
  bits,
  bool,
  cpumask,
  type Expr,
  type RecordHandle,
  record,
  rwlock,
  spinlock,
  struct,
  type U64,
  u64,
} from "../dsl/index.js";
import { padding } from "./padding.js";
import { task_struct } from "./task.js";

/** The place of an address space in `mmlist`. `next` is a pointer, 0 at the end. */
export const mmlist_node = struct("mmlist_node", { listed: bit(0), next: bits(1, 40) });

/**
 * Source: linux include/linux/mm_types.h, struct mm_struct, and arch/x86/include/asm/mmu.h, mm_context_t.
 *
 * The locks, the context and the mask have cache lines of their own. Left out, because nothing here reads them:
 * map_count, the counters of resident and locked pages.
 */
export const mm_struct = record("mm", {
  /** Tasks that run in it. Whoever declares a task that exists at the start, or a new thread, adds 1. */
  mm_users: u64,
  /** 1 for all users together, and 1 for each CPU that borrows it while idle. */
  mm_count: u64,
  /** Table number of the root; 0 before the first use. */
  pgd: u64,
  /** Guards the upper levels of the page table; tables below have locks of their own. */
  page_table_lock: spinlock("page_table_lock"),
  /** Changes once, under mmap_lock and mmlist_lock. */
  mmlist: mmlist_node,
  padBeforeMmapLock: padding(3),
  mmap_lock: rwlock("mmap_lock"),
  /** Gathers that are open: page tables may be stricter than TLBs. */
  tlb_flush_pending: u64,
  /** Bit n: a page whose number is n modulo 64 may be pending. Only the variant `bloom` of the slot `pending` uses it. */
  tlb_pending_filter: u64,
  /** Every TLB has followed the changes up to this generation. Only `deferred-gen` and unified reclaim use it. */
  tlb_gen_completed: u64,
  /** Whether reclaim owes flushes of this address space, in the form of the variant: a flag, or counters. */
  tlb_flush_batched: u64,
  /** Who comes from a page to its entry holds it; who frees page tables writes. */
  anon_vma: rwlock("anon_vma"),
  padBeforeContext: padding(2),
  /** Never given out twice, unlike mm ids. */
  ctx_id: u64,
  /** Counts the changes that TLBs have to follow. */
  tlb_gen: u64,
  /** One PCID slot number on all CPUs, 0 for none; and whether some CPU may still use another one. Only `invlpgb` has them. */
  global_asid: u64,
  asid_transition: bool,
  padBeforeMask: padding(4),
  mm_cpumask: cpumask,
});

/** An address space at hand: its fields, its id, and the root of its page table. */
export interface Mm extends RecordHandle<typeof mm_struct> {
  readonly id: Expr<U64>;
  readonly root: Expr<U64>;
}

export function mmOf(id: Expr<U64>, root: Expr<U64>): Mm {
  return { ...mm_struct.at(id), id, root };
}

/** The address space of the running task. */
export function current_mm(k: Builder): Mm {
  const id = k.read("current->mm", task_struct.at(k.task()).mm);
  return mmOf(id, k.read("mm->pgd", mm_struct.at(id).pgd));
}

/** Everything behind the last page. */
export function taskSize(k: Builder): bigint {
  return 1n << BigInt(k.radixBits * k.levels);
}
