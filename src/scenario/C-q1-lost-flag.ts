/**
 * C2, the question that began it all: may the flag of batched flushes be cleared while somebody sets it?
 *
 *   CPU 0: holds the lock of table A, reads the flag, flushes: CPU 2 has nothing cached
 *   CPU 2: reads page 2 of table B again: cached
 *   CPU 1: reclaim, under the lock of table B: page 2's entry is gone, the flag is set
 *   CPU 0: clears the flag, in ignorance
 *   CPU 0: looks at table B: the entry is absent, the flag is not set; returns
 *   CPU 2: uses page 2
 *
 * unsafe with the flag (2017 to 5.16): nothing orders the two stores, and no barrier could; safe with counters. The frame itself is not
 * in danger: reclaim frees it behind a flush of its own, which here comes after all this. C-q1-calls has the same with whole system calls.
 */

import type { Slots } from "../kernel/options.js";
import { batchedIs, RELIED, reclaimed, rely, UNMAPPED, USER, unmap } from "./reclaimed.js";
import { scenario } from "./scenario.js";

/** The first page of the second table. */
const IN_B = 2;

/** Some earlier batch of reclaim's is on record: 1 is both the flag and one pending page. */
const EARLIER = batchedIs(1);

function parts(reclaim: Slots["reclaim"]) {
  return reclaimed({
    set: { reclaim },
    pages: 3,
    setup: [EARLIER],
    does: [[rely(0), rely(IN_B)], [unmap(IN_B)]],
    liberties: [{ cpu: USER, may: "touch", vpn: IN_B }],
    windows: [UNMAPPED, RELIED],
  });
}

export const subject = scenario({
  name: "C-q1-lost-flag",
  question:
    "Can a batched flush be missed, because the flag is cleared while reclaim sets it under another lock?",
  source:
    "Nadav Amit, linux-mm, 2020-12-23, question 1; linux 5ee2fa2f0636 (2022), mm/rmap: fix potential batched TLB flush race",
  variants: {
    flag: {
      title: "a plain flag, cleared after the flush",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => parts("batched-flag"),
    },
    "counters-5.17": {
      title: "counts of pending and flushed pages",
      expected: "safe",
      build: () => parts("batched-counters"),
    },
  },
});
