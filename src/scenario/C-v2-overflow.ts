/**
 * C3. The counters of pending and flushed pages, before anybody thought of their width: pending wraps until it equals flushed.
 *
 *   CPU 1: reclaim has unmapped two pages and unmaps two more: with two bits, pending is 0 again, and so is flushed
 *   CPU 0: finds an entry of those absent, and nothing pending; returns
 *   CPU 2: uses the page
 *
 * unsafe in the second version of the patch, which had seven bits; safe in the third, which starts anew before it can wrap.
 */

import { batchedIs, RELIED, reclaimed, rely, UNMAPPED, USER, unmap } from "./reclaimed.js";
import { scenario } from "./scenario.js";

function build(wraps: boolean) {
  return reclaimed({
    mutants: { "C-counter-overflow": wraps },
    tunables: { TLB_FLUSH_BATCH_PENDING_BITS: 2 },
    pages: 2,
    setup: [batchedIs(2)],
    does: [[rely(1)], [unmap(0), unmap(1)]],
    liberties: [{ cpu: USER, may: "touch", vpn: 1 }],
    windows: [UNMAPPED, RELIED],
  });
}

export const subject = scenario({
  name: "C-v2-overflow",
  question: "What if so many pages are unmapped that their count wraps?",
  source:
    "Huang Ying, linux-mm, 2021-11, mm/rmap: fix potential batched TLB flush race, second and third version",
  variants: {
    "v2-wraps": {
      title: "two bits, which wrap",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build(true),
    },
    "v3-resets": {
      title: "two bits; pending is set to 1 and flushed to 0 before they wrap",
      expected: "safe",
      build: () => build(false),
    },
  },
});
