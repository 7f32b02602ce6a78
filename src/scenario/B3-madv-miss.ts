/**
 * B3. Two callers take the same page away, both under mmap_lock for reading; one of them finds nothing left to do.
 *
 *   CPU 1: has the page in its TLB
 *   CPU 0: madvise(MADV_DONTNEED): takes the entry out, will flush at the end of its gather
 *   CPU 1: madvise(MADV_DONTNEED): finds no entry, gathers nothing, flushes nothing, returns, and still reads the old page
 *
 * With MADV_FREE it is the D bit that is gone: CPU 1 finds it clear, returns, and stores through its translation with D set. No D bit says
 * so, and reclaim takes the page for one that nobody has written to.
 *
 * unsafe; safe since a gather that ends while another one is open flushes everything.
 */

import { scenario } from "./scenario.js";
import { call } from "./stage.js";
import { MADV_DONTNEED, MADV_FREE, staleWriter } from "./stale-writer.js";

/** CPU 1 stores to the page that two callers free. */
function free(broken: boolean, interrupts: boolean) {
  return staleWriter({
    cpus: 2,
    interrupts,
    mutants: { "B-madv-miss": broken },
    entries: ["madvise"],
    does: [[call("madvise", 0, 1, MADV_FREE)], [call("madvise", 0, 1, MADV_FREE)]],
    windows: ["cleaned, unlocked, TLBs still warm"],
  });
}

function dontNeed(broken: boolean, interrupts: boolean) {
  return staleWriter({
    cpus: 2,
    interrupts,
    mutants: { "B-madv-miss": broken },
    entries: ["madvise"],
    does: [[call("madvise", 0, 1, MADV_DONTNEED)], [call("madvise", 0, 1, MADV_DONTNEED)]],
    liberties: [{ cpu: 1, may: "touch", vpn: 0 }],
    windows: ["unmapped, unlocked, TLBs still warm"],
  });
}

export const subject = scenario({
  name: "B3-madv-miss",
  question: "May madvise() return without a flush because somebody else has taken the pages away already?",
  source: 'commit 99baac21e458, "mm: fix MADV_[FREE|DONTNEED] TLB flush miss problem" (2017)',
  variants: {
    "own-changes-only": {
      title: "a gather flushes what it has changed itself",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => dontNeed(true, false),
    },
    upstream: {
      title: "a gather that ends while another one is open flushes everything",
      expected: "safe",
      build: () => dontNeed(false, false),
    },
    "own-changes-only-ipi": {
      title: "the same with flushes by interrupts",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => dontNeed(true, true),
    },
    "upstream-ipi": {
      title: "upstream with flushes by interrupts",
      expected: "safe",
      build: () => dontNeed(false, true),
    },
    "free-own-changes-only": {
      title: "two MADV_FREE; a gather flushes what it has changed itself",
      expected: "unsafe",
      breaks: "lost-dirty",
      build: () => free(true, false),
    },
    "free-upstream": {
      title: "two MADV_FREE; a gather that ends while another one is open flushes everything",
      expected: "safe",
      build: () => free(false, false),
    },
    "free-own-changes-only-ipi": {
      title: "two MADV_FREE, own changes only, with flushes by interrupts",
      expected: "unsafe",
      breaks: "lost-dirty",
      build: () => free(true, true),
    },
    "free-upstream-ipi": {
      title: "two MADV_FREE, upstream with flushes by interrupts",
      expected: "safe",
      build: () => free(false, true),
    },
  },
});
