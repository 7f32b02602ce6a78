/** Moving a page to another frame behind one flush for a batch, as compaction and demotion do. Part of Linux's mm/migrate.c. */

import { type Bool, type Builder, type Expr, routine, type U64, type Var } from "../dsl/index.js";
import { folio_prealloc } from "./memory-alloc.js";
import type { KernelOptions } from "./options.js";
import { folio_add_new_anon_rmap, folio_mark_dirty, folio_put, folio_remove_rmap, page } from "./page.js";
import { type Pte, pte_t } from "./pte.js";
import { clearAndFlush, rmap_walk_anon_one } from "./rmap.js";
import { try_to_unmap_flush } from "./rmap-batch.js";

/** A page on its way. */
interface Journey {
  readonly src: Expr<U64>;
  /** Its entry, 0 before it was taken out; and the place, for the copy. */
  readonly pteval: Var<pte_t>;
  readonly root: Var<U64>;
  readonly vpn: Var<U64>;
}

/**
 * Move a private page that one address space maps and nobody else refers to; nothing happens when it is free by now.
 *
 * The copy comes behind the flush: a store through a translation that is still cached would be missing from it.
 * Source: linux mm/migrate.c, migrate_pages_batch(), for a batch of one page.
 */
export const migrate_pages_batch = routine(
  "migrate_pages_batch",
  (k: Builder, opt: KernelOptions, src: Expr<U64>) => {
    const references = k.read("folio_ref_count", page.at(src)._refcount);
    k.if(references.ne(0), () => {
      const got = k.cmpxchg("folio_isolate_lru", page.at(src)._refcount, references, references.add(1));
      k.if(got, () => migrate_folio(k, opt, src));
    });
  },
);

/** Source: linux mm/migrate.c, migrate_folio_unmap() and migrate_folio_move(). The caller's reference is dropped. */
const migrate_folio = routine("migrate_folio", (k: Builder, opt: KernelOptions, src: Expr<U64>) => {
  const fresh = folio_prealloc(k);
  const replaced = k.var(false, "replaced");
  k.if(fresh.ne(0), () =>
    k.writeLocked(page.at(src).folio_lock, () => {
      const journey = {
        src,
        pteval: k.var(pte_t.zero, "pteval"),
        root: k.var(0, "root"),
        vpn: k.var(0, "vpn"),
      };
      try_to_migrate(k, opt, journey);
      k.if(journey.pteval.get().ne(pte_t.zero), () => {
        if (!opt.fix["C-copy-before-flush"]) try_to_unmap_flush(k, opt);
        // The mapping's reference and that of this call. Somebody else who has one could write to the old frame.
        const references = k.read("folio_expected_ref_count", page.at(src)._refcount);
        const moves = k.copy(references.eq(2), "moves");
        k.if(moves, () => k.copyFrame("folio_mc_copy", src, fresh, journey.vpn.get(), journey.root.get()));
        if (opt.fix["C-copy-before-flush"]) try_to_unmap_flush(k, opt);
        remove_migration_ptes(k, journey, moves.select(fresh, src), replaced);
      });
    }),
  );
  k.if(
    replaced.get(),
    // The reference of the mapping that is gone.
    () => folio_put(k, src),
    () => k.if(fresh.ne(0), () => folio_put(k, fresh)),
  );
  folio_put(k, src);
});

/** What stands in the page table meanwhile. Source: linux include/linux/swapops.h, make_readable_migration_entry(). */
function make_migration_entry(pfn: Expr<U64>): Pte {
  return pte_t.of({ user: true, pfn });
}

/** Source: linux mm/rmap.c, try_to_migrate() with TTU_BATCH_FLUSH. */
const try_to_migrate = routine(
  "try_to_migrate",
  (k: Builder, opt: KernelOptions, { src, pteval, root, vpn }: Journey) => {
    rmap_walk_anon_one(k, src, (mapping) => {
      pteval.set(clearAndFlush(k, opt, mapping));
      k.if(pteval.get().dirty, () => folio_mark_dirty(k, src));
      k.write("set_pte_at migration", mapping.pte, make_migration_entry(src));
      root.set(mapping.mm.root);
      vpn.set(mapping.vpn);
    });
    k.window("unmapped for migration, not flushed");
  },
);

/** Map the page where it was, unless the mapping has gone. Source: linux mm/migrate.c, remove_migration_ptes(). */
const remove_migration_ptes = routine(
  "remove_migration_ptes",
  (k: Builder, { src, pteval }: Journey, target: Expr<U64>, replaced: Var<Bool>) => {
    const isEntry = (pte: Pte) => pte.eq(make_migration_entry(src));
    rmap_walk_anon_one(
      k,
      src,
      (mapping) => {
        const dst = k.copy(target, "dst");
        k.if(dst.ne(src), () => {
          folio_add_new_anon_rmap(k, dst, mapping.mm.id, mapping.vpn);
          folio_remove_rmap(k, src, "folio_remove_rmap_pte");
          replaced.set(true);
        });
        k.write("set_pte_at", mapping.pte, pteval.get().with({ pfn: dst }));
      },
      isEntry,
    );
  },
);
