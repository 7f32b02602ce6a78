/** The software side of the page table: walking down it, skipping what is absent, and building what is missing. */

import {
  type Builder,
  type Expr,
  type Field,
  type Operand,
  pteAt,
  record,
  routine,
  type SpinLock,
  spinlock,
  type U64,
  u64,
  type Var,
} from "../dsl/index.js";
import type { Mm } from "./mm_types.js";
import { padding } from "./padding.js";
import { type Pte, pte_t, table_entry } from "./pte.js";

/** struct ptdesc: a page that is a page table. Source: linux include/linux/mm_types.h. */
export const ptdesc = record("table", {
  ptl: spinlock("ptl"),
  /** The next table that the same gather will free, 0 at the end. */
  gatherNext: u64,
  /** The generation of its last change whose flush was put off; used by `deferred-gen` and by unified reclaim. */
  defer_tlb_gen: u64,
  padBehind: padding(5),
});

/** Levels of the page table, named after their entries. Linux's p4d is folded into the pgd. */
export const PTE = 0;
export const PMD = 1;
export const PUD = 2;
export const PGD = 3;
const ENTRY_NAMES = ["pte", "pmd", "pud", "pgd"] as const;

/** How many bits of a page number lie below an entry of this level. */
export function levelShift(k: Builder, level: number): number {
  return k.radixBits * level;
}

/** The entry for `vpn` in a table of this level. */
export function entryAt(k: Builder, table: Operand<U64>, vpn: Expr<U64>, level: number): Field<pte_t> {
  return pteAt(table, vpn.shr(levelShift(k, level)).and((1n << BigInt(k.radixBits)) - 1n), pte_t);
}

/** Where the entry of this level that covers `vpn` ends, but not behind `end`. */
export function addrEnd(k: Builder, vpn: Expr<U64>, level: number, end: Expr<U64>): Expr<U64> {
  const shift = levelShift(k, level);
  return vpn.shr(shift).add(1).shl(shift).min(end);
}

/** The start of what the entry of this level covers around `vpn`. */
export function addrStart(k: Builder, vpn: Expr<U64>, level: number): Expr<U64> {
  const shift = levelShift(k, level);
  return vpn.shr(shift).shl(shift);
}

/** One table on the way, and the part of the range that it covers. */
export interface TableInRange {
  readonly table: Expr<U64>;
  readonly start: Expr<U64>;
  readonly end: Expr<U64>;
}

/** A page of 2M or 1G on the way: the table that holds its entry, and the part of the range that it covers. */
export interface LeafInRange extends TableInRange {
  /** PMD or PUD. */
  readonly level: number;
  /** Look at the same place again: it has a table now, or somebody has changed it. */
  readonly again: () => void;
}

/** Where the search for tables stands: `table` is 0 when [addr, next) has none. */
interface Search {
  readonly addr: Var<U64>;
  readonly next: Var<U64>;
  readonly table: Var<U64>;
  /** The table that holds the entry for `table`. */
  readonly parent: Var<U64> | undefined;
  /** The level of a large page that was found instead, and the table with its entry; without it large pages are skipped. */
  readonly leaf: { readonly level: Var<U64>; readonly table: Var<U64> } | undefined;
}

/**
 * Visit the tables of one level that cover part of [start, end). What is absent is skipped at the level where it is.
 *
 * Source: linux mm/memory.c, the loops of zap_pmd_range() and its kin; flattened into one that starts at the root
 * again for every table, so a table costs one read more per level than Linux's nested loops.
 */
export function forEachTable(
  k: Builder,
  root: Expr<U64>,
  level: number,
  start: Expr<U64>,
  end: Expr<U64>,
  visit: (found: TableInRange) => void,
  parent?: Var<U64>,
  visitLeaf?: (found: LeafInRange) => void,
): void {
  const addr = k.var(start, "addr");
  const leaf = visitLeaf && { level: k.var(0, "leaf_level"), table: k.var(0, "leaf_table") };
  const search = { addr, next: k.var(0, "next"), table: k.var(0, "table"), parent, leaf };
  k.while(
    () => addr.get().lt(end),
    () => {
      search.table.set(0);
      walkDown(k, root, level, end, search);
      k.if(search.table.get().ne(0), () =>
        visit({ table: search.table.get(), start: addr.get(), end: search.next.get() }),
      );
      for (const at of leaf ? [PMD, PUD] : []) {
        k.if(leaf!.level.get().eq(at), () => {
          leaf!.level.set(0);
          const part = {
            table: leaf!.table.get(),
            start: addr.get(),
            end: k.copy(search.next.get(), "leaf_end"),
          };
          visitLeaf!({ ...part, level: at, again: () => search.next.set(addr.get()) });
        });
      }
      addr.set(search.next.get());
    },
  );
}

/** The PTE table for one page, 0 when there is none. Source: linux mm/rmap.c, mm_find_pmd(). */
export const mm_find_pmd = routine(
  "mm_find_pmd",
  (k: Builder, root: Expr<U64>, vpn: Expr<U64>): Expr<U64> => {
    const table = k.var(root, "pte_table");
    for (const level of [PGD, PUD, PMD]) {
      k.if(table.get().ne(0), () => {
        const value = k.read(ENTRY_NAMES[level]!, entryAt(k, table.get(), vpn, level));
        table.set(value.present.and(value.pse.not()).select(value.pfn, 0));
      });
    }
    return table.get();
  },
);

/** Source: linux include/linux/pgtable.h, pgd_offset() to pmd_offset(). */
const walkDown = routine(
  "pmd_offset",
  (k: Builder, root: Expr<U64>, level: number, end: Expr<U64>, search: Search) => {
    const vpn = search.addr.get();
    const descend = (from: Expr<U64>, at: number): void => {
      const value = k.read(ENTRY_NAMES[at]!, entryAt(k, from, vpn, at));
      const found = (): void => {
        search.parent?.set(from);
        search.table.set(value.pfn);
        search.next.set(addrEnd(k, vpn, at, end));
      };
      k.if(
        at === PGD ? value.present : value.present.and(value.pse.not()),
        () => (at === level + 1 ? found() : descend(value.pfn, at - 1)),
        () => {
          search.next.set(addrEnd(k, vpn, at, end));
          const { leaf } = search;
          return leaf && at < PGD ? noteLeaf(k, value, from, at, leaf) : undefined;
        },
      );
    };
    descend(root, PGD);
  },
);

function noteLeaf(
  k: Builder,
  value: Pte,
  table: Expr<U64>,
  level: number,
  leaf: { readonly level: Var<U64>; readonly table: Var<U64> },
): void {
  k.if(value.pse, () => {
    leaf.level.set(level);
    leaf.table.set(table);
  });
}

/** A routine that gives the table below an entry of `level`, and builds it when it is absent; 0 when memory is out, or a large page is there. */
function tableAllocator(
  name: string,
  level: number,
  lockOf: (mm: Mm, table: Expr<U64>) => SpinLock<string>,
): (k: Builder, mm: Mm, table: Expr<U64>, vpn: Expr<U64>) => Expr<U64> {
  return routine(name, (k: Builder, mm: Mm, table: Expr<U64>, vpn: Expr<U64>) => {
    const entry = entryAt(k, table, vpn, level);
    const below = k.var(0, "below");
    const value = k.read(ENTRY_NAMES[level]!, entry);
    k.if(
      value.present.or(value.pse),
      () => below.set(value.pse.select(0, value.pfn)),
      () => {
        const base = addrStart(k, vpn, level);
        const fresh = k.allocTable("pagetable_alloc", { root: mm.root, level: level - 1, base });
        k.if(fresh.ne(0), () => {
          below.set(fresh);
          k.locked(lockOf(mm, table), () => {
            const again = k.read(`${ENTRY_NAMES[level]}_none`, entry);
            k.if(
              again.present,
              () => below.set(again.pse.select(0, again.pfn)),
              () => {
                // The zeroes of the new table must be visible before the way to it is.
                k.fence("smp_wmb", "wmb");
                k.write(`${ENTRY_NAMES[level]}_populate`, entry, table_entry(fresh));
              },
            );
          });
          k.if(below.get().ne(fresh), () => k.freeTable("pagetable_free", fresh));
        });
      },
    );
    return below.get();
  });
}

const pageTableLock = (mm: Mm): SpinLock<string> => mm.page_table_lock;
/** Source: linux mm/memory.c, __pud_alloc(); the fifth level does not exist here. */
const pud_alloc = tableAllocator("pud_alloc", PGD, pageTableLock);
/** Source: linux mm/memory.c, __pmd_alloc(). */
const pmd_alloc = tableAllocator("pmd_alloc", PUD, pageTableLock);
/** Source: linux mm/memory.c, __pte_alloc() and pmd_install(): the lock is that of the table of pmds. */
const __pte_alloc = tableAllocator("__pte_alloc", PMD, (_mm, table) => ptdesc.at(table).ptl);

/** The table that holds the entries of a level, PMD or PUD, built as far as it is missing; 0 as above. Source: linux mm/memory.c, __handle_mm_fault(). */
export const tableFor = routine(
  "__handle_mm_fault.table",
  (k: Builder, mm: Mm, vpn: Expr<U64>, level: number): Expr<U64> => {
    const puds = pud_alloc(k, mm, mm.root, vpn);
    const table = k.var(puds, "upper");
    const below = (): void => k.if(puds.ne(0), () => table.set(pmd_alloc(k, mm, puds, vpn)));
    for (const descend of level === PMD ? [below] : []) descend();
    return table.get();
  },
);

/**
 * The PTE table for `vpn`, built with everything above it when absent; 0 when memory is out.
 *
 * Source: linux mm/memory.c, __handle_mm_fault() down to pte_alloc().
 */
export const pte_alloc = routine("pte_alloc", (k: Builder, mm: Mm, vpn: Expr<U64>): Expr<U64> => {
  const table = k.var(0, "table");
  k.if(mm.root.ne(0), () => {
    const puds = pud_alloc(k, mm, mm.root, vpn);
    k.if(puds.ne(0), () => {
      const pmds = pmd_alloc(k, mm, puds, vpn);
      k.if(pmds.ne(0), () => table.set(__pte_alloc(k, mm, pmds, vpn)));
    });
  });
  return table.get();
});
