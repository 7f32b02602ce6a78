/**
 * B3. Two callers take the same page away, both under mmap_lock for reading; one of them finds nothing left to do.
 *
 *   CPU 1: has the page in its TLB
 *   CPU 0: madvise(MADV_DONTNEED): takes the entry out, will flush at the end of its gather
 *   CPU 1: madvise(MADV_DONTNEED): finds no entry, gathers nothing, flushes nothing, returns, and still reads the old page
 *
 * unsafe; safe since a gather that ends while another one is open flushes everything.
 */

import { scenario } from "./scenario.js";
import { call } from "./stage.js";
import { MADV_DONTNEED, staleWriter } from "./stale-writer.js";

function build(broken: boolean, interrupts: boolean) {
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
      build: () => build(true, false),
    },
    upstream: {
      title: "a gather that ends while another one is open flushes everything",
      expected: "safe",
      build: () => build(false, false),
    },
    "own-changes-only-ipi": {
      title: "the same with flushes by interrupts",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build(true, true),
    },
    "upstream-ipi": {
      title: "upstream with flushes by interrupts",
      expected: "safe",
      build: () => build(false, true),
    },
  },
});
