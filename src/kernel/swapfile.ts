/** Swap: slots, who refers to each, and the page that still has a slot's content. Linux has it in mm/swapfile.c and mm/swap_state.c. */

import {
  type Bool,
  type Builder,
  bits,
  type Expr,
  record,
  routine,
  spinlock,
  struct,
  type U64,
  u64,
} from "../dsl/index.js";
import { folio_get, folio_put, page, page_flags } from "./page.js";

/**
 * Slots are never given out twice, so that no list of free ones is needed; what a slot holds is forgotten when nobody refers to it.
 *
 * Source: linux include/linux/swap.h, struct swap_cluster_info: one lock for all slots here, one for each 512 there.
 */
export const swap_info = record("global", { swap_lock: spinlock("swap_lock"), lastSlot: u64 });

/** One slot: the entries that refer to it, and the page in the swap cache. Source: linux mm/swap_table.h and swap_map. */
const swap_slot = struct("swap_slot", { count: bits(0, 12), pfn: bits(12, 40) });

/** Above the keys of all files: those have 12 bits of file id over 44 bits of page index. */
const SWAP_KEYS = 1n << 56n;

function keyOf(slot: Expr<U64>): Expr<U64> {
  return slot.or(SWAP_KEYS);
}

/**
 * Give a locked page a slot, and put it into the swap cache, which holds a reference. It has to be written out from now on.
 *
 * Source: linux mm/swapfile.c, folio_alloc_swap(). Simplified: swap is never full.
 */
export const folio_alloc_swap = routine("folio_alloc_swap", (k: Builder, pfn: Expr<U64>) => {
  const { swap_lock, lastSlot } = swap_info.at();
  const slot = k.addReturn("get_swap_pages", lastSlot, 1);
  folio_get(k, pfn, "folio_ref_add");
  k.write("folio->swap", page.at(pfn).swap, slot);
  k.locked(swap_lock, () => {
    k.or("folio_set_swapcache", page.at(pfn).flags, page_flags.of({ swapcache: true, dirty: true }));
    k.cacheStore("__swap_cache_add_folio", keyOf(slot), swap_slot.of({ pfn }).raw);
  });
});

/** One more entry refers to the slot of a page. False when the page is in swap no longer. Source: linux mm/swapfile.c, swap_duplicate(). */
export const swap_duplicate = routine(
  "swap_duplicate",
  (k: Builder, slot: Expr<U64>, pfn: Expr<U64>): Expr<Bool> => {
    const cached = k.var(false, "cached");
    k.locked(swap_info.at().swap_lock, () => {
      const found = swap_slot.as(k.cacheLoad("swap_table", keyOf(slot)));
      cached.set(found.pfn.eq(pfn));
      k.if(cached.get(), () =>
        k.cacheStore("count + 1", keyOf(slot), found.with({ count: found.count.add(1) }).raw),
      );
    });
    return cached.get();
  },
);

/** One more entry refers to a slot that some entry refers to. Source: linux mm/swapfile.c, swap_duplicate(), for fork. */
export const swap_dup_entry = routine("swap_dup_entry_direct", (k: Builder, slot: Expr<U64>) => {
  k.locked(swap_info.at().swap_lock, () => {
    const found = swap_slot.as(k.cacheLoad("swap_table", keyOf(slot)));
    k.cacheStore("count + 1", keyOf(slot), found.with({ count: found.count.add(1) }).raw);
  });
});

/**
 * One entry less refers to the slot; the last one frees it, and lets go of the page in the swap cache.
 *
 * Source: linux mm/swapfile.c, swap_put_entries_direct() and folio_free_swap(). Simplified: Linux keeps a page in the swap cache
 * as long as there is room, in order not to write it out again.
 */
export const swap_free = routine("swap_free", (k: Builder, slot: Expr<U64>) => {
  const cached = k.var(0, "cached");
  k.locked(swap_info.at().swap_lock, () => {
    const found = swap_slot.as(k.cacheLoad("swap_table", keyOf(slot)));
    k.if(
      found.count.le(1),
      () => {
        cached.set(found.pfn);
        k.cacheStore("free slot", keyOf(slot), 0);
        k.if(cached.get().ne(0), () => clearSwapcache(k, cached.get()));
      },
      () => k.cacheStore("count - 1", keyOf(slot), found.with({ count: found.count.sub(1) }).raw),
    );
  });
  k.if(cached.get().ne(0), () => folio_put(k, cached.get()));
});

/** Free the slot of a locked page that no entry refers to. Source: linux mm/swapfile.c, folio_free_swap(). */
export const folio_free_swap = routine("folio_free_swap", (k: Builder, pfn: Expr<U64>) => {
  const freed = k.var(false, "freed");
  const slot = k.read("folio->swap", page.at(pfn).swap);
  k.locked(swap_info.at().swap_lock, () => {
    const found = swap_slot.as(k.cacheLoad("swap_table", keyOf(slot)));
    freed.set(found.pfn.eq(pfn).and(found.count.eq(0)));
    k.if(freed.get(), () => {
      k.cacheStore("free slot", keyOf(slot), 0);
      clearSwapcache(k, pfn);
    });
  });
  k.if(freed.get(), () => folio_put(k, pfn));
});

function clearSwapcache(k: Builder, pfn: Expr<U64>): void {
  k.and("folio_clear_swapcache", page.at(pfn).flags, page_flags.ones.with({ swapcache: false }));
}

/** The page that still has the slot's content, with a reference for the caller; 0 when none has. Source: linux mm/swap_state.c. */
export const swap_cache_get_folio = routine(
  "swap_cache_get_folio",
  (k: Builder, slot: Expr<U64>): Expr<U64> => {
    const folio = k.var(0, "folio");
    k.locked(swap_info.at().swap_lock, () => {
      folio.set(swap_slot.as(k.cacheLoad("swap_table", keyOf(slot))).pfn);
      k.if(folio.get().ne(0), () => folio_get(k, folio.get()));
    });
    return folio.get();
  },
);

/**
 * Put a page that was read from a slot into the swap cache, unless there is one, or the slot is free by now.
 *
 * Gives the page that is in the cache, with a reference for the caller; 0 when the slot is free.
 * Source: linux mm/swap_state.c, __swap_cache_prepare_and_add().
 */
export const swap_cache_add_folio = routine(
  "swap_cache_add_folio",
  (k: Builder, slot: Expr<U64>, fresh: Expr<U64>): Expr<U64> => {
    const folio = k.var(0, "folio");
    k.write("folio->swap", page.at(fresh).swap, slot);
    k.locked(swap_info.at().swap_lock, () => {
      const found = swap_slot.as(k.cacheLoad("swap_table", keyOf(slot)));
      folio.set(found.pfn);
      k.if(found.pfn.eq(0).and(found.count.ne(0)), () => {
        folio_get(k, fresh, "folio_ref_add");
        k.write(
          "folio->flags",
          page.at(fresh).flags,
          page_flags.of({ anon: true, swapbacked: true, swapcache: true, lru: true }),
        );
        k.cacheStore("__swap_cache_add_folio", keyOf(slot), found.with({ pfn: fresh }).raw);
        folio.set(fresh);
      });
      k.if(folio.get().ne(0).and(folio.get().ne(fresh)), () => folio_get(k, folio.get()));
    });
    return folio.get();
  },
);

/**
 * Take a locked page that nobody maps out of the swap cache, if the caller and the cache are the only ones that refer to it.
 *
 * Tells whether it has; then nobody refers to the page.
 * Source: linux mm/vmscan.c, __remove_mapping().
 */
export const __remove_mapping = routine("__remove_mapping", (k: Builder, pfn: Expr<U64>): Expr<Bool> => {
  const frozen = k.var(false, "frozen");
  const slot = k.read("folio->swap", page.at(pfn).swap);
  k.locked(swap_info.at().swap_lock, () => {
    const flags = k.read("folio_test_swapcache", page.at(pfn).flags);
    const references = flags.swapcache.select(2, 1);
    frozen.set(k.cmpxchg("folio_ref_freeze", page.at(pfn)._refcount, references, 0));
    k.if(frozen.get().and(flags.swapcache), () => {
      const found = swap_slot.as(k.cacheLoad("swap_table", keyOf(slot)));
      k.cacheStore(
        "__swap_cache_del_folio",
        keyOf(slot),
        found.count.eq(0).select(0, found.with({ pfn: 0 }).raw),
      );
    });
  });
  return frozen.get();
});
