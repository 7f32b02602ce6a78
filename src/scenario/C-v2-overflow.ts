/**
 * C3. The counters of pending and flushed pages, before anybody thought of their width: pending wraps until it equals flushed.
 *
 *   CPU 1: reclaim has unmapped two pages and unmaps two more: with two bits, pending is 0 again, and so is flushed
 *   CPU 0: finds an entry of those absent, and nothing pending; returns
 *   CPU 2: uses the page
 *
 * unsafe in the second version of the patch, which had seven bits; safe in the third, which starts anew before it can wrap.
 */

import {
  batchedIs,
  pageout,
  pageoutFolio,
  RELIED,
  reclaimed,
  rely,
  UNMAPPED,
  USER,
  unmap,
} from "./reclaimed.js";
import { scenario } from "./scenario.js";
import { call } from "./stage.js";

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

const MADV_DONTNEED = 4;

/** The same with reclaim in full, and with madvise() as the one who finds the entry absent. */
function calls(wraps: boolean) {
  return reclaimed({
    mutants: { "C-counter-overflow": wraps },
    tunables: { TLB_FLUSH_BATCH_PENDING_BITS: 2 },
    entries: ["madvise"],
    extra: (opt) => [pageoutFolio(opt)],
    caller: true,
    pages: 2,
    setup: [batchedIs(2)],
    does: [[call("madvise", 1, 2, MADV_DONTNEED)], [pageout(0), pageout(1)]],
    liberties: [{ cpu: USER, may: "touch", vpn: 1 }],
    windows: [UNMAPPED],
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
    "calls-v2-wraps": {
      title: "reclaim and madvise in full, with counters that wrap",
      expected: "unsafe",
      breaks: "stale-right",
      bounds: { pct: { runs: 100_000, changes: 3 } },
      build: () => calls(true),
    },
    "calls-v3-resets": {
      title: "reclaim and madvise in full, with counters that start anew",
      expected: "safe",
      build: () => calls(false),
    },
  },
});
