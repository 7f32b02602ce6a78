/** Reclaim: pages are unmapped, written out, and freed together behind one flush. Linux has it in mm/vmscan.c. */

import {
  type Bool,
  type Builder,
  type Expr,
  type ProgramSource,
  program,
  routine,
  type U64,
  type Var,
} from "../dsl/index.js";
import type { KernelOptions } from "./options.js";
import { folio_get, folio_put, free_frozen_pages, page, page_flags } from "./page.js";
import { try_to_unmap } from "./rmap.js";
import { try_to_unmap_flush, try_to_unmap_flush_dirty } from "./rmap-batch.js";
import { __remove_mapping, folio_alloc_swap, folio_free_swap } from "./swapfile.js";

/**
 * Reclaim the private pages among the frames [start, end), whoever has them, as a background reclaimer does.
 *
 * Source: linux mm/damon/paddr.c, damon_pa_pageout(), with kswapd's frees; there is no list of least recently used pages here.
 */
export function reclaim(opt: KernelOptions): ProgramSource {
  return program("reclaim", ["start", "end"], (k, { start, end }) => {
    const folio_list = k.var(0, "folio_list");
    k.forRange(start, end, 1, (pfn) => damon_get_folio(k, pfn, folio_list), "pfn");
    reclaim_pages(k, opt, folio_list);
  });
}

/** Put one page into the list, if it is one that can be reclaimed. Source: linux mm/damon/ops-common.c, damon_get_folio(). */
export const damon_get_folio = routine("damon_get_folio", (k: Builder, pfn: Expr<U64>, list: Var<U64>) => {
  const references = k.read("folio_ref_count", page.at(pfn)._refcount);
  k.if(references.ne(0), () => {
    const got = k.cmpxchg("folio_try_get", page.at(pfn)._refcount, references, references.add(1));
    k.if(got, () => {
      folio_isolate_lru(k, pfn, list);
      folio_put(k, pfn);
    });
  });
});

/**
 * Take a page that the caller has a reference to out of the list that reclaim takes pages from, into a list of the caller's.
 *
 * The list holds a reference of its own. Nothing happens when somebody else has the page, or it is not private memory.
 * Source: linux mm/vmscan.c, folio_isolate_lru().
 */
export const folio_isolate_lru = routine(
  "folio_isolate_lru",
  (k: Builder, pfn: Expr<U64>, list: Var<U64>) => {
    const flags = k.read("folio_test_lru", page.at(pfn).flags);
    k.if(flags.lru.and(flags.anon), () => {
      const isolated = k.cmpxchg(
        "folio_test_clear_lru",
        page.at(pfn).flags,
        flags,
        flags.with({ lru: false }),
      );
      k.if(isolated, () => {
        folio_get(k, pfn);
        k.write("list_add", page.at(pfn).lru, list.get());
        list.set(pfn);
      });
    });
  },
);

/** Put a page back that was not freed. Source: linux mm/vmscan.c, folio_putback_lru(). */
export const folio_putback_lru = routine("folio_putback_lru", (k: Builder, pfn: Expr<U64>) => {
  k.or("folio_set_lru", page.at(pfn).flags, page_flags.of({ lru: true }));
  folio_put(k, pfn);
});

/** Reclaim what can be of a list, and put the others back. Source: linux mm/vmscan.c, reclaim_pages(), reclaim_folio_list(). */
export const reclaim_pages = routine("reclaim_pages", (k: Builder, opt: KernelOptions, list: Var<U64>) => {
  const kept = k.var(0, "ret_folios");
  shrink_folio_list(k, opt, list, kept);
  forEachLinked(k, kept, (pfn) => folio_putback_lru(k, pfn));
});

/** Empty a list. */
function forEachLinked(k: Builder, list: Var<U64>, visit: (pfn: Expr<U64>) => void): void {
  k.while(
    () => list.get().ne(0),
    () => {
      const pfn = k.copy(list.get(), "pfn");
      list.set(k.read("lru_to_folio", page.at(pfn).lru));
      visit(pfn);
    },
  );
}

/**
 * Unmap, write out and free. Frames are freed a batch at a time, each batch behind a flush; what cannot be freed goes to `kept`,
 * and nothing of it is let go before everything is flushed.
 *
 * Source: linux mm/vmscan.c, shrink_folio_list(). Simplified: it waits for a locked page, where Linux passes it over; references
 * of the hardware do not save a page.
 */
export const shrink_folio_list = routine(
  "shrink_folio_list",
  (k: Builder, opt: KernelOptions, list: Var<U64>, kept: Var<U64>) => {
    const free = k.var(0, "free_folios");
    const room = k.var(opt.tunables.FOLIO_BATCH_SIZE, "room");
    forEachLinked(k, list, (pfn) => {
      const freeable = k.var(false, "freeable");
      k.work("shrink_folio_list");
      k.writeLocked(page.at(pfn).folio_lock, () => pageout_locked(k, opt, pfn, freeable));
      k.if(
        freeable.get(),
        () => {
          k.write("folio_batch_add", page.at(pfn).lru, free.get());
          free.set(pfn);
          room.set(room.get().sub(1));
        },
        () => {
          k.write("list_add ret_folios", page.at(pfn).lru, kept.get());
          kept.set(pfn);
        },
      );
      k.if(room.get().eq(0), () => {
        freeBatch(k, opt, free);
        room.set(opt.tunables.FOLIO_BATCH_SIZE);
      });
    });
    freeBatch(k, opt, free);
  },
);

/** Flush for everything that was unmapped, then free. Source: linux mm/vmscan.c, try_to_unmap_flush() and free_unref_folios(). */
const freeBatch = routine("free_unref_folios", (k: Builder, opt: KernelOptions, free: Var<U64>) => {
  if (!opt.fix["C-free-before-flush"]) try_to_unmap_flush(k, opt);
  forEachLinked(k, free, (pfn) => free_frozen_pages(k, pfn));
  if (opt.fix["C-free-before-flush"]) try_to_unmap_flush(k, opt);
});

/** What is done with one page while it is locked. Source: linux mm/vmscan.c, the loop in shrink_folio_list(). */
export const pageout_locked = routine(
  "shrink_folio_list.locked",
  (k: Builder, opt: KernelOptions, pfn: Expr<U64>, freeable: Var<Bool>) => {
    unmap_locked(k, opt, pfn);
    const mapped = k.read("folio_mapped again", page.at(pfn)._mapcount);
    k.if(
      mapped.eq(0),
      () => {
        const flags = k.read("folio_test_dirty", page.at(pfn).flags);
        k.if(flags.dirty.and(flags.swapcache), () => pageout(k, opt, pfn));
        freeable.set(__remove_mapping(k, pfn));
      },
      () => folio_free_swap(k, pfn),
    );
  },
);

/** A page that is mapped gets a place in swap, if it needs one, and loses its mappings. Source: linux mm/vmscan.c, shrink_folio_list(). */
const unmap_locked = routine("shrink_folio_list.unmap", (k: Builder, opt: KernelOptions, pfn: Expr<U64>) => {
  const mapped = k.read("folio_mapped", page.at(pfn)._mapcount);
  k.if(mapped.ne(0), () => {
    add_to_swap(k, pfn);
    try_to_unmap(k, opt, pfn);
  });
});

/** Source: linux mm/vmscan.c, shrink_folio_list(), where it calls folio_alloc_swap(). */
const add_to_swap = routine("shrink_folio_list.swap", (k: Builder, pfn: Expr<U64>) => {
  const { swapbacked, swapcache } = k.read("folio_test_swapbacked", page.at(pfn).flags);
  k.if(swapbacked.and(swapcache.not()), () => folio_alloc_swap(k, pfn));
});

/**
 * Write a page to swap. Whoever stored to it has done so by now, or will fault.
 *
 * Source: linux mm/vmscan.c, pageout(). Simplified: the device is done when the call returns, as zram is.
 */
const pageout = routine("pageout", (k: Builder, opt: KernelOptions, pfn: Expr<U64>) => {
  try_to_unmap_flush_dirty(k, opt);
  k.and("folio_clear_dirty_for_io", page.at(pfn).flags, page_flags.ones.with({ dirty: false }));
  k.judgeClean("swap_writeout", pfn);
  k.mightSleep("swap_writeout");
  k.work("swap_writeout");
});
