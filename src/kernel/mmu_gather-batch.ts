/** What a gather holds: the hull of what it changed, and the pages and tables that wait for its flush. */

import {
  type Bool,
  type Builder,
  bit,
  type Expr,
  routine,
  struct,
  type U64,
  type Var,
} from "../dsl/index.js";
import type { Mm } from "./mm_types.js";
import type { KernelOptions } from "./options.js";
import { encoded_page, folio_remove_rmap, folio_unref, page } from "./page.js";
import { ptdesc } from "./pgtable.js";

export interface GatherStyle {
  /** Flush at every change and free at once: nothing is ever gathered. */
  readonly eager: boolean;
  /** Nobody can run in the address space any more. */
  readonly fullmm: boolean;
  /** Flush what a table's entries need before its lock is dropped; no unless said. */
  readonly perTable?: boolean;
}

/**
 * A gather; Linux has it on the stack, here its state is in registers.
 *
 * Source: linux include/asm-generic/tlb.h, struct mmu_gather.
 */
export interface mmu_gather {
  readonly mm: Mm;
  readonly opt: GatherStyle;
  /** Absent in the eager style. */
  readonly state: GatherState | undefined;
}

/** The bit-fields of struct mmu_gather. Source: linux include/asm-generic/tlb.h. */
export const gather_flags = struct("gather_flags", {
  cleared_ptes: bit(0),
  freed_tables: bit(1),
  fullmm: bit(2),
  delayed_rmap: bit(3),
  /** Levels of large pages among what was changed. */
  cleared_pmds: bit(5),
  cleared_puds: bit(6),
  /** Something changed since the last generation of this gather. */
  ungenerated: bit(4),
});
type GatherFlag =
  | "cleared_ptes"
  | "cleared_pmds"
  | "cleared_puds"
  | "freed_tables"
  | "fullmm"
  | "delayed_rmap"
  | "ungenerated";

/** Set one flag of a gather, or clear it. */
export function setFlag(tlb: GatherState, flag: GatherFlag, value = true): void {
  tlb.flags.set(tlb.flags.get().with({ [flag]: value }));
}

/** Units: start and end are page numbers, end exclusive. */
export interface GatherState {
  readonly start: Var<U64>;
  readonly end: Var<U64>;
  readonly flags: Var<typeof gather_flags>;
  /** Last page gathered, 0 for none; the others hang behind it. */
  readonly pages: Var<U64>;
  /** A page that hangs in a list already, so that this gather cannot list it: a word of encoded_page, or 0. */
  readonly straggler: Var<U64>;
  /** Entries left in the active batch, and batches after the first. */
  readonly room: Var<U64>;
  readonly batch_count: Var<U64>;
  /** Last table gathered, 0 for none, and entries left in the table batch. */
  readonly tables: Var<U64>;
  readonly tableRoom: Var<U64>;
  /** Pages whose entries gained a right and nothing else, first and end; present where other CPUs are not told of them. */
  readonly raised: { readonly first: Var<U64>; readonly end: Var<U64> } | undefined;
  /** Present where generations are kept. */
  readonly gens: GatherGenerations | undefined;
}

/** The generations that a gather has raised, and those that it relies on. */
export interface GatherGenerations {
  /** Nobody else's are between these two; `last` is 0 when nothing is deferred. */
  readonly first: Var<U64>;
  readonly last: Var<U64>;
  /** The latest one of somebody else's that has to be complete when the gather is finished; kept under unified reclaim. */
  readonly relied: Var<U64>;
}

export function emptyGenerations(k: Builder): GatherGenerations {
  return { first: k.var(1, "first_gen"), last: k.var(0, "last_gen"), relied: k.var(0, "relied_gen") };
}

/**
 * Keep a page until after the flush. Gives true when nothing more fits, so that the caller must flush now.
 *
 * The link of a page can serve one list only. A page that two gathers drop at the same time, or one gather twice,
 * waits by itself instead, and counts as running out of room: rare, and it costs one early flush.
 * Source: linux mm/mmu_gather.c, __tlb_remove_folio_pages_size().
 */
export const __tlb_remove_page = routine(
  "__tlb_remove_page",
  (k: Builder, opt: KernelOptions, tlb: GatherState, pfn: Expr<U64>, delay_rmap: Expr<Bool>): Expr<Bool> => {
    const full = k.var(false, "full");
    const entry = encoded_page.of({ linked: true, delay_rmap, next: tlb.pages.get() });
    const linked = k.cmpxchg("encode_page", page.at(pfn).gatherLink, encoded_page.zero, entry);
    k.if(
      linked,
      () => {
        tlb.pages.set(pfn);
        tlb.room.set(tlb.room.get().sub(1));
        k.if(tlb.room.get().eq(0), () => tlb_next_batch(k, opt, tlb, full));
      },
      () => {
        tlb.straggler.set(encoded_page.of({ linked: true, delay_rmap, next: pfn }).raw);
        full.set(true);
      },
    );
    return full.get();
  },
);

/** Source: linux mm/mmu_gather.c, tlb_next_batch(). Simplified: getting a page for a batch never fails. */
function tlb_next_batch(k: Builder, opt: KernelOptions, tlb: GatherState, full: Var<Bool>): void {
  const { MAX_GATHER_BATCH, MAX_GATHER_BATCH_COUNT } = opt.tunables;
  // The delayed pages are searched for in two batches only.
  const delayed = tlb.flags.get().delayed_rmap.and(tlb.batch_count.get().ne(0));
  k.if(
    delayed.or(tlb.batch_count.get().ge(MAX_GATHER_BATCH_COUNT)),
    () => full.set(true),
    () => {
      tlb.batch_count.set(tlb.batch_count.get().add(1));
      tlb.room.set(MAX_GATHER_BATCH - 1);
    },
  );
}

/**
 * Remove the delayed pages from the reverse map, now that no TLB can write to them.
 *
 * Source: linux mm/mmu_gather.c, tlb_flush_rmaps().
 */
export const tlb_flush_rmaps = routine("tlb_flush_rmaps", (k: Builder, tlb: GatherState) => {
  k.if(tlb.flags.get().delayed_rmap, () => {
    const pfn = k.var(tlb.pages.get(), "pfn");
    k.while(
      () => pfn.get().ne(0),
      () => {
        const link = k.read("encoded_page_flags", page.at(pfn.get()).gatherLink);
        k.if(link.delay_rmap, () => folio_remove_rmap(k, pfn.get(), "folio_remove_rmap_ptes"));
        pfn.set(link.next);
      },
    );
    const straggler = encoded_page.as(tlb.straggler.get());
    k.if(straggler.delay_rmap, () => folio_remove_rmap(k, straggler.next, "folio_remove_rmap_ptes alone"));
    setFlag(tlb, "delayed_rmap", false);
  });
});

/** Drop the references of all pages gathered. Source: linux mm/mmu_gather.c, tlb_batch_pages_flush(). */
export const tlb_batch_pages_flush = routine(
  "tlb_batch_pages_flush",
  (k: Builder, opt: KernelOptions, tlb: GatherState) => {
    k.while(
      () => tlb.pages.get().ne(0),
      () => {
        const pfn = k.copy(tlb.pages.get(), "pfn");
        const link = k.read("encoded_page_ptr", page.at(pfn).gatherLink);
        // The page may be listed by somebody else from here on.
        k.write("unlink", page.at(pfn).gatherLink, encoded_page.zero);
        tlb.pages.set(link.next);
        folio_unref(k, opt, pfn);
      },
    );
    k.if(tlb.straggler.get().ne(0), () => {
      folio_unref(k, opt, encoded_page.as(tlb.straggler.get()).next);
      tlb.straggler.set(0);
    });
    // Back to the batch on the stack. It counts as full one entry early, because a large folio needs two.
    tlb.room.set(opt.tunables.MMU_GATHER_BUNDLE - 1);
    tlb.batch_count.set(0);
  },
);

/** Keep a page table until after the flush. Source: linux mm/mmu_gather.c, tlb_remove_table(). */
export const tlb_remove_table = routine(
  "tlb_remove_table",
  (k: Builder, tlb: GatherState, table: Expr<U64>) => {
    k.write("batch->tables", ptdesc.at(table).gatherNext, tlb.tables.get());
    tlb.tables.set(table);
    tlb.tableRoom.set(tlb.tableRoom.get().sub(1));
  },
);

/**
 * Free the page tables gathered.
 *
 * Source: linux mm/mmu_gather.c, tlb_table_flush(). Simplified: Linux waits for an RCU grace period first, for the
 * sake of software walkers that take no lock; there are none here.
 */
export const tlb_table_free = routine(
  "tlb_remove_table_free",
  (k: Builder, opt: KernelOptions, tlb: GatherState) => {
    k.while(
      () => tlb.tables.get().ne(0),
      () => {
        const table = k.copy(tlb.tables.get(), "table");
        tlb.tables.set(k.read("batch->tables", ptdesc.at(table).gatherNext));
        k.freeTable("__tlb_remove_table", table);
      },
    );
    tlb.tableRoom.set(opt.tunables.MAX_TABLE_BATCH);
  },
);
