/** Wrong: the pages of a gather are freed before anybody flushes. */
import { instead } from "shootdown/dsl";
import { tlb_finish_mmu, tlb_flush_mmu_free } from "shootdown/kernel";
import { policy } from "shootdown/policy";
import { call, scenario, stage, threadsOf } from "shootdown/scenario";

const flushAfterFree = policy({
  name: "flush-after-free",
  title: "free what was gathered, then flush",
  routines: [
    instead(tlb_finish_mmu, "tlb_finish_mmu_backwards", (linux, k, opt, tlb) => {
      tlb_flush_mmu_free(k, opt, tlb);
      linux(k, opt, tlb);
    }),
  ],
});

export const subject = scenario({
  name: "flush-after-free",
  question: "May pages be freed before the TLBs are flushed?",
  source: "mechanisms of section B, rule of the gather",
  variants: {
    backwards: {
      title: "free, then flush",
      expected: "unsafe",
      breaks: "stale-frame",
      build: () =>
        stage({
          policy: flushAfterFree,
          entries: ["munmap"],
          setup: [
            ...threadsOf(0, 2),
            { do: "call", cpu: 0, entry: "mmap", args: [0, 1, 0b111] },
            { do: "touch", cpu: 1, vpn: 0, kind: 1 },
          ],
          threads: [{ cpu: 0, does: [call("munmap", 0, 1)] }],
          liberties: [{ cpu: 1, may: "touch", vpn: 0, kind: 1 }],
        }),
    },
  },
});
