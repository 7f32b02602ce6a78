/**
 * B1. A page is made inaccessible to see which CPU wants it; the flush is still to come when that CPU's fault moves the page.
 *
 *   CPU 2: has the page writable in its TLB
 *   CPU 0: makes the entry inaccessible (PROTNONE), will flush at the end of its gather
 *   CPU 1: faults, moves the page: takes the entry out, finds nothing in it that a TLB could have, does not flush, copies
 *   CPU 2: writes to the old frame
 *   CPU 1: maps the copy: the write is lost
 *
 * unsafe before 2013; safe since an inaccessible entry counts as accessible while a flush is pending.
 */

import { scenario } from "./scenario.js";
import { call, store } from "./stage.js";
import { COPIED, staleWriter } from "./stale-writer.js";

function build(broken: boolean, interrupts = false) {
  return staleWriter({
    interrupts,
    mutants: { "B-numa-migrate": broken },
    entries: ["task_numa_work"],
    does: [[call("task_numa_work", 0, 1)], [store(0)]],
    windows: [COPIED],
  });
}

export const subject = scenario({
  name: "B1-numa-migrate",
  question: "May a fault move a page whose entry was made inaccessible by somebody who has not flushed yet?",
  source:
    'commit 20841405940e, "mm: fix TLB flush race between migration, and change_protection_range" (2013)',
  variants: {
    "inaccessible-is-flushed": {
      title: "an inaccessible entry counts as one that no TLB has",
      expected: "unsafe",
      breaks: "lost-write",
      build: () => build(true),
    },
    upstream: {
      title: "while a flush is pending it counts as one that a TLB may have",
      expected: "safe",
      build: () => build(false),
    },
    "inaccessible-is-flushed-ipi": {
      title: "the same with flushes by interrupts",
      expected: "unsafe",
      breaks: "lost-write",
      build: () => build(true, true),
    },
    "upstream-ipi": {
      title: "upstream with flushes by interrupts",
      expected: "safe",
      bounds: { model: "sc" },
      build: () => build(false, true),
    },
  },
});
