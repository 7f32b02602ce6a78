/** The frame of zeroes that every private page is until its first write. */

import { type Builder, type Expr, record, routine, type U64, u64 } from "../dsl/index.js";
import { padding } from "./padding.js";

/** Source: linux mm/mm_init.c, zero_page_pfn. */
export const zero_page_pfn = record("global", { zero_pfn: u64, padBehindZeroPfn: padding(7) });

/**
 * The number of that frame, made at its first use; 0 when memory is out.
 *
 * Source: linux include/linux/pgtable.h, my_zero_pfn(); Linux makes the page when it boots.
 */
export const zero_page = routine("my_zero_pfn", (k: Builder): Expr<U64> => {
  const { zero_pfn } = zero_page_pfn.at();
  const pfn = k.var(k.read("zero_pfn", zero_pfn), "zero_pfn");
  k.if(pfn.get().eq(0), () => {
    const fresh = k.allocFrame("init_zero_pfn");
    k.if(fresh.ne(0), () => {
      k.zeroFrame("clear_page", fresh);
      const first = k.cmpxchg("publish zero_pfn", zero_pfn, 0, fresh);
      k.if(
        first,
        () => pfn.set(fresh),
        () => {
          k.freeFrame("free_page", fresh);
          pfn.set(k.read("zero_pfn again", zero_pfn));
        },
      );
    });
  });
  return pfn.get();
});
