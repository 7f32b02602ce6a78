/**
 * B2. As B1, but whether a flush is pending is a truth value, and two callers open and close.
 *
 *   CPU 0: has page 0 writable in its TLB; announces a flush for page 1, where nothing is mapped
 *   CPU 1: announces a flush, makes the entry of page 0 inaccessible
 *   CPU 0: has nothing to flush, says that nothing is pending
 *   CPU 2: faults on page 0, believes that, moves the page without a flush, copies
 *   CPU 0: writes to the old frame: lost
 *
 * unsafe; safe since it is a counter.
 */

import { scenario } from "./scenario.js";
import { call, store } from "./stage.js";
import { COPIED, staleWriter } from "./stale-writer.js";

function build(broken: boolean, interrupts = false) {
  return staleWriter({
    interrupts,
    mutants: { "B-bool-pending": broken },
    entries: ["task_numa_work"],
    pages: 2,
    writer: 0,
    does: [[call("task_numa_work", 1, 2)], [call("task_numa_work", 0, 1)], [store(0)]],
    windows: [COPIED],
  });
}

export const subject = scenario({
  name: "B2-bool-pending",
  question: "Can tlb_flush_pending be a truth value?",
  source: 'commit 16af97dc5a89, "mm: migrate: prevent racy access to tlb_flush_pending" (2017)',
  variants: {
    bool: {
      title: "the first to close says that nothing is pending",
      expected: "unsafe",
      breaks: "lost-write",
      build: () => build(true),
    },
    counter: {
      title: "it counts those who have announced a flush",
      expected: "safe",
      build: () => build(false),
    },
    "bool-ipi": {
      title: "the same with flushes by interrupts",
      expected: "unsafe",
      breaks: "lost-write",
      build: () => build(true, true),
    },
  },
});
