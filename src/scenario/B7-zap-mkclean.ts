/**
 * B7. A dirty page of a file is unmapped, and written back before the flush.
 *
 *   CPU 2: has the page writable and dirty in its TLB
 *   CPU 0: madvise(MADV_DONTNEED): takes the entry out, marks the page dirty, drops it from the reverse map, will flush later
 *   CPU 1: msync(): finds the page dirty and mapped nowhere, calls it clean, starts to write it back
 *   CPU 2: writes to it, and nobody will know
 *
 * unsafe; safe since a dirty page leaves the reverse map only after a flush, which comes before the page-table lock is dropped.
 */

import { scenario } from "./scenario.js";
import { call } from "./stage.js";
import { MADV_DONTNEED, SHARED_FILE, staleWriter } from "./stale-writer.js";

function build(broken: boolean, interrupts = false) {
  return staleWriter({
    interrupts,
    mutants: { "B-zap-mkclean": broken },
    entries: ["madvise", "msync"],
    mapping: SHARED_FILE,
    does: [[call("madvise", 0, 1, MADV_DONTNEED)], [call("msync", 0, 1)]],
    windows: ["writing back, judged clean"],
  });
}

export const subject = scenario({
  name: "B7-zap-mkclean",
  question: "May a dirty page of a file leave the reverse map before the TLBs are flushed?",
  source:
    'commits 1cf35d47712d, "mm: split tlb_flush_mmu() into tlb flushing and memory freeing parts" (2014), and 5df397dec7c4 (2022)',
  variants: {
    "rmap-first": {
      title: "it leaves the reverse map at once",
      expected: "unsafe",
      breaks: "lost-dirty",
      build: () => build(true),
    },
    upstream: {
      title: "it leaves the reverse map after a flush under the page-table lock",
      expected: "safe",
      build: () => build(false),
    },
    "rmap-first-ipi": {
      title: "the same with flushes by interrupts",
      expected: "unsafe",
      breaks: "lost-dirty",
      build: () => build(true, true),
    },
    "upstream-ipi": {
      title: "upstream with flushes by interrupts",
      expected: "safe",
      build: () => build(false, true),
    },
  },
});
