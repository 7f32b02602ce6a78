/**
 * A. A responder acknowledges when it has read the request, and flushes then. Until it has, it runs no user code, so that it uses no
 * stale translation; but its walker goes on by itself.
 *
 *   CPU 0: munmap(): unhooks a page table, asks CPU 1 to flush
 *   CPU 1: acknowledges
 *   CPU 0: frees the table
 *   CPU 1: walks speculatively, by the way into the table that it has cached; and only then flushes
 *
 * safe if it acknowledges behind its flush where page tables are freed, unsafe if it does not.
 */

import { ANON_RW } from "./pages.js";
import { scenario } from "./scenario.js";
import { call, stage, threadsOf } from "./stage.js";

type Acknowledging = "early-ack" | "concurrent-ipi";

function build(shootdown: Acknowledging, freedToo: boolean, pages: number) {
  return stage({
    set: { shootdown },
    mutants: { "A-early-ack-freed": freedToo },
    entries: ["munmap"],
    machine: {
      cpus: 2,
      mms: 1,
      tasks: 2,
      tables: 8,
      frames: 5,
      storeBuffer: 2,
      walkCache: 1,
      tlb: { sets: 1, ways: 1 },
    },
    setup: [
      ...threadsOf(0, 2),
      { do: "call", cpu: 0, entry: "mmap", args: [0, 2, ANON_RW] },
      // Another table, so that only that of page 0 can go.
      { do: "call", cpu: 0, entry: "mmap", args: [2, 3, ANON_RW] },
      { do: "touch", cpu: 0, vpn: 2, kind: 1 },
      { do: "touch", cpu: 1, vpn: 0, kind: 1 },
    ],
    threads: [{ cpu: 0, does: [call("munmap", 0, pages)] }],
    liberties: [
      { cpu: 1, may: "fill", vpn: 0 },
      { cpu: 1, may: "evict", vpn: 0 },
      { cpu: 1, may: "touch", vpn: 0, kind: 1 },
    ],
    windows: [
      "unmapped, unlocked, TLBs still warm",
      ...(shootdown === "early-ack" && (freedToo || pages === 1) ? ["acknowledged, not flushed"] : []),
    ],
  });
}

export const subject = scenario({
  name: "A-early-ack",
  question: "May a CPU acknowledge a flush before it has flushed?",
  source: 'Amit, Tai, Wei, "Don\'t shoot down TLB shootdowns!", EuroSys 2020, early acknowledgement',
  variants: {
    "freed-too": {
      title: "early, although page tables are freed",
      expected: "unsafe",
      breaks: "stale-table",
      build: () => build("early-ack", true, 2),
    },
    "freed-late": {
      title: "behind the flush, because page tables are freed",
      expected: "safe",
      build: () => build("early-ack", false, 2),
    },
    early: {
      title: "early, and no page table is freed",
      expected: "safe",
      build: () => build("early-ack", false, 1),
    },
    upstream: {
      title: "always behind the flush",
      expected: "safe",
      build: () => build("concurrent-ipi", false, 2),
    },
  },
});
