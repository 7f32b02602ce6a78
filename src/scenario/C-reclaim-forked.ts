/**
 * C-reclaim-forked. Two processes share a page since a fork, and reclaim takes it from both, with one flush for the two.
 *
 *   CPU 0: runs the parent; CPU 1: runs the child, and has the page in its TLB
 *   CPU 2: reclaim comes from the page to both entries, flushes, frees the frame
 *   CPU 1: reads the page
 *
 * unsafe if the flush reaches the CPUs of one of the two only; safe if it reaches those of every address space in the batch.
 */

import type { Mutants } from "../kernel/options.js";
import { ANON_RW } from "./pages.js";
import { pageout, pageoutFolio, UNMAPPED } from "./reclaimed.js";
import { scenario } from "./scenario.js";
import { stage } from "./stage.js";

const [PARENT, CHILD, RECLAIMER] = [0, 1, 2];

function build(mutants: Mutants, reclaim: string) {
  return stage({
    mutants,
    set: { reclaim },
    entries: ["fork"],
    extra: (opt) => [pageoutFolio(opt)],
    machine: { cpus: 3, mms: 3, tasks: 3, tables: 12, frames: 4, storeBuffer: 2, tlb: { sets: 1, ways: 1 } },
    setup: [
      { do: "task", task: RECLAIMER, mm: 2 },
      { do: "switch", cpu: RECLAIMER, task: RECLAIMER },
      { do: "task", task: PARENT, mm: 0 },
      { do: "switch", cpu: PARENT, task: PARENT },
      { do: "call", cpu: PARENT, entry: "mmap", args: [0, 1, ANON_RW] },
      { do: "touch", cpu: PARENT, vpn: 0, kind: 1 },
      { do: "call", cpu: PARENT, entry: "fork", args: [1, CHILD] },
      { do: "switch", cpu: CHILD, task: CHILD },
      { do: "touch", cpu: CHILD, vpn: 0, kind: 0 },
    ],
    threads: [{ cpu: RECLAIMER, does: [pageout(0)] }],
    liberties: [{ cpu: CHILD, may: "touch", vpn: 0 }],
    windows: [UNMAPPED],
  });
}

export const subject = scenario({
  name: "C-reclaim-forked",
  question: "Whom does a batched flush have to reach for a page that several processes map?",
  source: "linux mm/rmap.c, try_to_unmap() and set_tlb_ubc_flush_pending()",
  variants: {
    "first-mm": {
      title: "the CPUs that run the first of the address spaces",
      expected: "unsafe",
      breaks: "stale-frame",
      build: () => build({ "C-batch-one-mm": true }, "batched-counters"),
    },
    upstream: {
      title: "the CPUs that run any of them",
      expected: "safe",
      build: () => build({}, "batched-counters"),
    },
    unified: {
      title: "unified reclaim",
      expected: "safe",
      build: () => build({}, "unified"),
    },
  },
});
