/** Flushes that reclaim owes: for itself, until pages are written out or freed; and for others, who rely on absent entries. */

import {
  type Bool,
  type Builder,
  bool,
  cpumask,
  type Expr,
  type Field,
  record,
  routine,
  type U64,
} from "../dsl/index.js";
import type { Mm } from "./mm_types.js";
import type { mmu_gather } from "./mmu_gather-batch.js";
import { hasBatches, type KernelOptions } from "./options.js";
import { ptdesc } from "./pgtable.js";
import type { Pte } from "./pte.js";
import { flushUnmapped, noteUnmapped } from "./rmap-batch-unified.js";
import { flush_tlb_mm, flush_tlb_mm_range } from "./tlb.js";
import { arch_tlbbatch_add_pending, arch_tlbbatch_flush } from "./tlb-batch.js";
import { cpumask_any_but_this } from "./tlb-multi.js";
import { TLB_FLUSH_ALL } from "./tlbflush.js";

/**
 * What a task owes: the CPUs to flush, whether there is anything, and whether a page of it was dirty.
 *
 * Source: linux include/linux/mm_types_task.h, struct tlbflush_unmap_batch.
 */
export const tlbflush_unmap_batch = record("task", {
  ubc_cpumask: cpumask,
  ubc_flush_required: bool,
  ubc_writable: bool,
});

/** Where `flushed` begins in `tlb_flush_batched`; the epoch stands behind it. Source: linux mm/rmap.c. */
const TLB_FLUSH_BATCH_FLUSHED_SHIFT = 16n;
const EPOCH_SHIFT = 32n;

function pendingMask(opt: KernelOptions): bigint {
  return (1n << BigInt(opt.tunables.TLB_FLUSH_BATCH_PENDING_BITS)) - 1n;
}

/** Source: linux mm/rmap.c, should_defer_flush(): not when no other CPU could have the translation. */
export const should_defer_flush = routine(
  "should_defer_flush",
  (k: Builder, opt: KernelOptions, mm: Mm): Expr<Bool> => {
    if (opt.slots.reclaim === "eager" || !hasBatches(opt)) return bool.of(false);
    return opt.slots.shootdown === "tlbi" ? bool.of(true) : cpumask_any_but_this(k, mm.mm_cpumask);
  },
);

/** Whether a TLB may hold the entry. Source: linux arch/x86/include/asm/pgtable.h, pte_accessible(). */
const pte_accessible = routine("pte_accessible", (k: Builder, mm: Mm, pte: Pte): Expr<Bool> => {
  const accessible = k.var(pte.present, "accessible");
  // An entry without rights may still have them in a TLB, as long as a gather is open.
  k.if(pte.protnone, () => accessible.set(k.read("mm_tlb_flush_pending", mm.tlb_flush_pending).ne(0)));
  return accessible.get();
});

/** An entry that was taken out, its table locked. */
export interface Unmapped {
  readonly mm: Mm;
  readonly table: Expr<U64>;
  readonly vpn: Expr<U64>;
}

/**
 * The entry `pteval` of a table is gone and its flush is put off: remember whom to flush, and tell who comes to the table next.
 *
 * Source: linux mm/rmap.c, set_tlb_ubc_flush_pending().
 */
export const set_tlb_ubc_flush_pending = routine(
  "set_tlb_ubc_flush_pending",
  (k: Builder, opt: KernelOptions, { mm, table, vpn }: Unmapped, pteval: Pte) => {
    const ubc = tlbflush_unmap_batch.at(k.task());
    k.if(pte_accessible(k, mm, pteval), () => {
      if (opt.slots.reclaim === "unified") noteUnmapped(k, mm, table, vpn, ubc.ubc_cpumask);
      else {
        const add = (): void => arch_tlbbatch_add_pending(k, opt, ubc.ubc_cpumask, mm, vpn);
        if (opt.fix["C-batch-one-mm"]) k.if(k.read("already", ubc.ubc_flush_required).not(), add);
        else add();
        k.write("flush_required", ubc.ubc_flush_required, true);
        k.fence("barrier", "cbar");
        if (opt.slots.reclaim === "batched-flag") setFlag(k, opt, mm.tlb_flush_batched, true);
        else countPending(k, opt, mm.tlb_flush_batched);
      }
      // Whoever has a writable translation that is dirty can store without a look at the entry.
      k.if(pteval.dirty, () => k.write("writable", ubc.ubc_writable, true));
    });
  },
);

/** Source: linux mm/rmap.c, set_tlb_ubc_flush_pending() since 5.17. */
function countPending(k: Builder, opt: KernelOptions, batched: Field<U64>): void {
  const large = pendingMask(opt) / 2n;
  if (opt.fix["C-counter-overflow"]) {
    k.add("atomic_inc", batched, 1);
    return;
  }
  const done = k.var(false, "counted");
  k.while(
    () => done.get().not(),
    () => {
      const batch = k.read("batch", batched);
      k.if(
        batch.and(pendingMask(opt)).gt(large),
        // `pending` must not catch up with `flushed` by wrapping, so both start anew.
        () => done.set(k.cmpxchg("reset pending", batched, batch, nextEpoch(opt, batch).or(1))),
        () => {
          k.add("atomic_inc", batched, 1);
          done.set(true);
        },
      );
    },
  );
}

/** The word behind a reset: Linux's is the same every time. */
function nextEpoch(opt: KernelOptions, batch: Expr<U64>): Expr<U64> {
  const epochs = (1n << BigInt(opt.tunables.TLB_FLUSH_BATCH_EPOCH_BITS)) - 1n;
  return batch.shr(EPOCH_SHIFT).add(1).and(epochs).shl(EPOCH_SHIFT);
}

/** Both halves of a flag that a compiler stores one after the other. */
const LOW_HALF = 0x00ffn;
const HIGH_HALF = 0xff00n;

/** Source: linux mm/rmap.c before 5.17, tlb_flush_batched as a plain bool. */
function setFlag(k: Builder, opt: KernelOptions, batched: Field<U64>, value: boolean): void {
  const label = `tlb_flush_batched = ${value}`;
  if (!opt.fix["C-flag-torn"]) {
    k.write(label, batched, value ? 1 : 0);
    return;
  }
  for (const half of [LOW_HALF, HIGH_HALF]) {
    const name = `${label} (${half === LOW_HALF ? "low" : "high"} half)`;
    value ? k.or(name, batched, half) : k.and(name, batched, ~half & ((1n << 64n) - 1n));
  }
}

/** Flush what this task owes. Interrupts are on. Source: linux mm/rmap.c, try_to_unmap_flush(). */
export const try_to_unmap_flush = routine("try_to_unmap_flush", (k: Builder, opt: KernelOptions) => {
  if (opt.slots.reclaim === "eager" || !hasBatches(opt)) return;
  const ubc = tlbflush_unmap_batch.at(k.task());
  if (opt.slots.reclaim === "unified") {
    flushUnmapped(k, opt, ubc.ubc_cpumask);
    k.write("writable = false", ubc.ubc_writable, false);
    return;
  }
  const flush_required = k.read("flush_required", ubc.ubc_flush_required);
  k.if(flush_required, () => {
    arch_tlbbatch_flush(k, opt, ubc.ubc_cpumask);
    k.write("flush_required = false", ubc.ubc_flush_required, false);
    k.write("writable = false", ubc.ubc_writable, false);
  });
});

/** The same before a dirty page is written out. Source: linux mm/rmap.c, try_to_unmap_flush_dirty(). */
export const try_to_unmap_flush_dirty = routine(
  "try_to_unmap_flush_dirty",
  (k: Builder, opt: KernelOptions) => {
    if (opt.fix["C-io-before-flush"] || opt.slots.reclaim === "eager") return;
    const writable = k.read("writable", tlbflush_unmap_batch.at(k.task()).ubc_writable);
    k.if(writable, () => try_to_unmap_flush(k, opt));
  },
);

/**
 * Before somebody relies on what the entries of a table say, under its lock: flush what reclaim owes for them.
 *
 * `tlb`: a gather that will be finished before anybody hears of it may do it then, under unified reclaim.
 * Source: linux mm/rmap.c, flush_tlb_batched_pending().
 */
export const flush_tlb_batched_pending = routine(
  "flush_tlb_batched_pending",
  (k: Builder, opt: KernelOptions, mm: Mm, table: Expr<U64>, tlb?: mmu_gather) => {
    if (opt.fix["C-no-pending-check"]) return;
    switch (opt.slots.reclaim) {
      case "eager":
        return;
      case "batched-flag":
        return flushFlagged(k, opt, mm);
      case "batched-counters":
        return flushCounted(k, opt, mm);
      case "unified":
        return flushDeferred(k, opt, mm, table, tlb);
    }
  },
);

/** Source: linux mm/rmap.c before 5.17, flush_tlb_batched_pending(). */
function flushFlagged(k: Builder, opt: KernelOptions, mm: Mm): void {
  const batched = k.read("tlb_flush_batched", mm.tlb_flush_batched);
  k.if(batched.ne(0), () => {
    if (opt.fix["C-flag-early"]) setFlag(k, opt, mm.tlb_flush_batched, false);
    flush_tlb_mm(k, opt, mm);
    k.fence("barrier", opt.tunables.tlb_flush_batched_barrier);
    k.window("flushed, flag still set");
    if (!opt.fix["C-flag-early"]) setFlag(k, opt, mm.tlb_flush_batched, false);
  });
}

/** Source: linux mm/rmap.c, flush_tlb_batched_pending() since 5.17. */
function flushCounted(k: Builder, opt: KernelOptions, mm: Mm): void {
  const batch = k.read("tlb_flush_batched", mm.tlb_flush_batched);
  const pending = batch.and(pendingMask(opt));
  const flushed = batch.shr(TLB_FLUSH_BATCH_FLUSHED_SHIFT).and(pendingMask(opt));
  k.if(pending.ne(flushed), () => {
    if (opt.fix["C-batch-dsb-only"]) k.dsb("dsb ish");
    else flush_tlb_mm(k, opt, mm);
    k.window("flushed, counters not told");
    // When somebody has added to it meanwhile, the next one flushes again.
    const epoch = batch.shr(EPOCH_SHIFT).shl(EPOCH_SHIFT);
    const caughtUp = epoch.or(pending).or(pending.shl(TLB_FLUSH_BATCH_FLUSHED_SHIFT));
    k.cmpxchg("flushed = pending", mm.tlb_flush_batched, batch, caughtUp);
  });
}

/** Source: none; unified reclaim. */
function flushDeferred(k: Builder, opt: KernelOptions, mm: Mm, table: Expr<U64>, tlb?: mmu_gather): void {
  const deferred_gen = k.read("defer_tlb_gen", ptdesc.at(table).defer_tlb_gen);
  const relied = tlb?.state?.gens?.relied;
  const later = (): void => k.if(deferred_gen.gt(relied!.get()), () => relied!.set(deferred_gen));
  const now = (): void => {
    const completed = k.read("tlb_gen_completed", mm.tlb_gen_completed);
    k.if(deferred_gen.gt(completed), () => {
      const covered = { first: deferred_gen, last: deferred_gen };
      flush_tlb_mm_range(k, opt, mm, 0, TLB_FLUSH_ALL, 0, false, covered);
    });
  };
  relied === undefined ? now() : later();
}
