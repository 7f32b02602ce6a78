/**
 * A flush scheme in a file of its own: munmap() asks the other CPUs to flush, frees its pages while they do, and waits for their answers
 * only before it returns. docs/write-a-scheme.md builds it step by step.
 */
import { type Builder, instead, type Replacement } from "shootdown/dsl";
import { csd_lock_wait, tlb_finish_mmu, tlb_flush_mmu_free, tlb_flush_mmu_tlbonly } from "shootdown/kernel";
import { type Policy, policy } from "shootdown/policy";
import { call, scenario, stage, threadsOf } from "shootdown/scenario";

/** True while the flush of a gather is assembled: there, nobody waits. */
let isGathering = false;

const asksOnly: readonly Replacement[] = [
  instead(tlb_flush_mmu_tlbonly, "tlb_flush_ask", (linux, k, opt, tlb) => {
    isGathering = true;
    linux(k, opt, tlb);
    isGathering = false;
  }),
  instead(csd_lock_wait, "csd_lock_wait", (linux, k: Builder) => {
    if (!isGathering) linux(k);
  }),
];

export const freeFirst = policy({
  name: "free-first",
  title: "wait for the other CPUs when the pages are freed already",
  routines: [
    ...asksOnly,
    instead(tlb_finish_mmu, "tlb_finish_late", (linux, k, opt, tlb) => {
      linux(k, opt, tlb);
      csd_lock_wait(k);
    }),
  ],
});

export const waitFirst = policy({
  name: "wait-first",
  title: "wait for the other CPUs just before the pages are freed",
  routines: [
    ...asksOnly,
    instead(tlb_flush_mmu_free, "tlb_free_late", (linux, k, opt, tlb) => {
      csd_lock_wait(k);
      linux(k, opt, tlb);
    }),
  ],
});

/** CPU 0 unmaps the only page, and CPU 1, which has used it, may use it again at any time. */
const unmapUnder = (scheme: Policy) => () =>
  stage({
    policy: scheme,
    entries: ["munmap"],
    setup: [
      ...threadsOf(0, 2),
      { do: "call", cpu: 0, entry: "mmap", args: [0, 1, 0b111] },
      { do: "touch", cpu: 1, vpn: 0, kind: 1 },
    ],
    threads: [{ cpu: 0, does: [call("munmap", 0, 1)] }],
    liberties: [{ cpu: 1, may: "touch", vpn: 0, kind: 1 }],
    windows: ["unmapped, unlocked, TLBs still warm"],
  });

export const overlap = scenario({
  name: "overlap",
  question: "May the pages be freed while the other CPUs are still flushing?",
  source: "docs/write-a-scheme.md",
  variants: {
    "free-first": {
      title: "pages first, answers later",
      expected: "unsafe",
      breaks: "stale-frame",
      build: unmapUnder(freeFirst),
    },
    "wait-first": { title: "answers first", expected: "safe", build: unmapUnder(waitFirst) },
  },
});
