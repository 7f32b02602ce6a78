/**
 * B12. A gather frees its pages first and flushes then: the wrong way round, to see that somebody notices.
 *
 *   CPU 1: has the page in its TLB
 *   CPU 0: munmap(): takes the entry out, frees the page
 *   CPU 1: reads it
 *
 * unsafe; the right order is safe.
 */

import { scenario } from "./scenario.js";
import { call } from "./stage.js";
import { staleWriter } from "./stale-writer.js";

function build(broken: boolean) {
  return staleWriter({
    cpus: 2,
    interrupts: true,
    mutants: { "B-order-free": broken },
    entries: ["munmap"],
    does: [[call("munmap", 0, 1)]],
    liberties: [{ cpu: 1, may: "touch", vpn: 0 }],
    windows: ["unmapped, unlocked, TLBs still warm"],
  });
}

export const subject = scenario({
  name: "B12-order-free",
  question: "Does it matter that a gather flushes before it frees?",
  source: "linux mm/mmu_gather.c, tlb_flush_mmu(): a mutant of it",
  variants: {
    "free-first": {
      title: "pages and tables go before the flush",
      expected: "unsafe",
      breaks: "stale-frame",
      build: () => build(true),
    },
    upstream: { title: "they go behind it", expected: "safe", build: () => build(false) },
  },
});
