/**
 * C4. The counters start anew at pending 1, flushed 0. Whoever has read just this before it flushed takes what comes later for flushed.
 *
 *   CPU 0: under the lock of table A: reads pending 1, flushed 0; flushes: CPU 2 has nothing cached
 *   CPU 2: reads page 2 of table B again: cached
 *   CPU 1: reclaim unmaps pages until pending is large, and one more: the word is pending 1, flushed 0 again
 *   CPU 0: the word is what it was: flushed = pending
 *   CPU 0: looks at table B: the entry is absent, nothing is pending; returns
 *   CPU 2: uses page 2
 *
 * With the width of Linux this takes 16,384 pages unmapped in one address space during one flush; here pending is large at 2. The search
 * finds it, so the counters are unsafe in principle. A count of restarts in the word makes it as much rarer as the count is wide; in this
 * bounded space one bit is enough. Generations of 64 bits do not come round.
 *
 * It takes a batch of several pages that has not been flushed yet, so clean ones: a dirty page is flushed before it is written out, and
 * pages that are reclaimed one by one are flushed one by one.
 */

import { type ProgramSource, program } from "../dsl/index.js";
import type { KernelOptions } from "../kernel/options.js";
import { damon_get_folio, reclaim_pages } from "../kernel/vmscan.js";
import { batchedIs, RELIED, type Reclaimed, reclaimed, rely, UNMAPPED, USER, unmap } from "./reclaimed.js";
import { scenario } from "./scenario.js";
import { call } from "./stage.js";

const IN_B = 2;
const MADV_DONTNEED = 4;
const MADV_FREE = 8;

function build(differs: Partial<Reclaimed>, epochBits = 0) {
  return reclaimed({
    tunables: { TLB_FLUSH_BATCH_PENDING_BITS: 2, TLB_FLUSH_BATCH_EPOCH_BITS: epochBits },
    pages: 4,
    setup: [batchedIs(1)],
    does: [
      [rely(0), rely(IN_B)],
      [unmap(IN_B), unmap(IN_B + 1)],
    ],
    liberties: [{ cpu: USER, may: "touch", vpn: IN_B }],
    windows: [UNMAPPED, RELIED],
    ...differs,
  });
}

/** One batch of reclaim for two pages. */
function pageoutTwo(opt: KernelOptions): ProgramSource {
  return program("pageout_two", ["one", "other"], (k, { one, other }) => {
    const list = k.var(0, "folio_list");
    damon_get_folio(k, one, list);
    damon_get_folio(k, other, list);
    reclaim_pages(k, opt, list);
  });
}

/**
 * The same with reclaim in full, and with madvise() as the one who flushes, and who finds the entry absent. The pages were freed lazily,
 * so that they are clean.
 */
function calls(epochBits = 0) {
  const dontneed = (vpn: number) => call("madvise", vpn, vpn + 1, MADV_DONTNEED);
  const frame = (vpn: number) => ({ frameAt: { mm: 0, vpn } });
  return build(
    {
      entries: ["madvise"],
      extra: (opt) => [pageoutTwo(opt)],
      caller: true,
      setup: [
        { do: "call", cpu: 0, entry: "madvise", args: [0, 1, MADV_DONTNEED] },
        { do: "call", cpu: 0, entry: "madvise", args: [IN_B, IN_B + 2, MADV_FREE] },
        batchedIs(1),
      ],
      does: [[dontneed(0), dontneed(IN_B)], [call("pageout_two", frame(IN_B), frame(IN_B + 1))]],
      windows: [UNMAPPED],
    },
    epochBits,
  );
}

export const subject = scenario({
  name: "C-aba-16384",
  question:
    "Can the counters of batched flushes come back to a value that somebody has read before he flushed?",
  source: "derived from linux 5ee2fa2f0636 (2022), set_tlb_ubc_flush_pending(); not reported upstream",
  variants: {
    "counters-5.17": {
      title: "as upstream, with room for two pages in place of 16,383",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build({}),
    },
    "calls-counters-5.17": {
      title: "reclaim and madvise in full, with the counters of upstream",
      expected: "unsafe",
      breaks: "stale-right",
      bounds: { pct: { runs: 200_000, changes: 6 } },
      build: () => calls(),
    },
    epoch: {
      title: "the word counts its restarts too",
      expected: "safe",
      build: () => build({}, 1),
    },
    unified: {
      title: "generations in place of counters",
      expected: "safe",
      build: () => build({ policy: "unified" }),
    },
  },
});
