/**
 * B-bloom-clear. V6 of December 2020 keeps a filter of the pages that may be pending; when may it be emptied?
 *
 *   CPU 0: has page 0 writable in its TLB; closes the last gather: nothing is pending
 *   CPU 1: opens a gather, puts page 0 into the filter, takes its write right away
 *   CPU 0: empties the filter
 *   CPU 2: writes to page 0, faults: a flush is pending, but the filter does not have the page: copies
 *   CPU 0: writes to the old frame: lost
 *
 * unsafe when whoever closes the last gather empties it; safe when it is emptied only under mmap_lock for writing with nothing pending,
 * where nobody can open a gather.
 */

import { scenario } from "./scenario.js";
import { call, store } from "./stage.js";
import { COPIED, KERNEL_OF_2020, RESOLVE, staleWriter, WATCHED_RW } from "./stale-writer.js";

function build(broken: boolean) {
  return staleWriter({
    set: { pending: "bloom" },
    mutants: { ...KERNEL_OF_2020, "B-bloom-clear": broken },
    entries: ["userfaultfd_writeprotect"],
    mapping: WATCHED_RW,
    pages: 2,
    writer: 0,
    referenced: true,
    does: [
      [call("userfaultfd_writeprotect", 1, 2, RESOLVE)],
      [call("userfaultfd_writeprotect", 0, 1, RESOLVE)],
      [store(0)],
    ],
    windows: [COPIED],
  });
}

export const subject = scenario({
  name: "B-bloom-clear",
  question: "When may a filter of pending pages be emptied?",
  source: "Nadav Amit in the thread of B5 (2020-12), who left it open; the answer is derived",
  variants: {
    "by-the-last-gather": {
      title: "whoever closes the last gather empties it",
      expected: "unsafe",
      breaks: "lost-write",
      build: () => build(true),
    },
    "under-the-write-lock": {
      title: "it is emptied under mmap_lock for writing, with nothing pending",
      expected: "safe",
      build: () => build(false),
    },
  },
});
