/**
 * Why two mechanisms? Gathers count themselves, reclaim counts pages. One count of generations serves both: whoever puts a flush off raises
 * the generation of the address space under the lock of the page table and leaves it there; whoever completes a flush says so; whoever
 * relies on an entry owes a flush exactly if the table's generation is not complete.
 *
 * safe where the others are: C1, C2, two zaps of one page (B3), a batch that reports its flush, and one of two address spaces.
 */

import { ANON_RW, populatePages } from "./pages.js";
import {
  batchedIs,
  RELIED,
  reclaimed,
  rely,
  relyOnAbsence,
  UNMAPPED,
  USER,
  unmap,
  unmapBatched,
  unmapInTwo,
} from "./reclaimed.js";
import { scenario } from "./scenario.js";
import { call, stage, threadsOf } from "./stage.js";

const STORES = [{ cpu: USER, may: "touch", vpn: 0, kind: 1 }] as const;
const IN_B = 2;
const MADV_DONTNEED = 4;

export const subject = scenario({
  name: "C-q4-unify",
  question: "Can one mechanism account for the flushes that gathers and reclaim owe?",
  source:
    "Nadav Amit, linux-mm, 2020-12-23, question 4, and 2021-01-31, TLB batching consolidation and enhancements",
  variants: {
    "mprotect-vs-reclaim": {
      title: "the setting of C1",
      expected: "safe",
      build: () =>
        reclaimed({
          policy: "unified",
          does: [[rely(0)], [unmap(0)]],
          liberties: STORES,
          windows: [UNMAPPED, RELIED],
        }),
    },
    "two-tables": {
      title: "the setting of C2",
      expected: "safe",
      build: () =>
        reclaimed({
          policy: "unified",
          pages: 3,
          setup: [batchedIs(1)],
          does: [[rely(0), rely(IN_B)], [unmap(IN_B)]],
          liberties: [{ cpu: USER, may: "touch", vpn: IN_B }],
          windows: [UNMAPPED, RELIED],
        }),
    },
    "batch-reports": {
      title: "reclaim flushes and says so, while somebody relies on its entries",
      expected: "safe",
      build: () =>
        reclaimed({
          policy: "unified",
          extra: (opt) => [unmapBatched(opt, true), relyOnAbsence(opt)],
          does: [[rely(0)], [call("unmap_and_flush", 0, 0)]],
          liberties: STORES,
          windows: [UNMAPPED, RELIED],
        }),
    },
    "two-spaces": {
      title: "reclaim unmaps pages of two address spaces in one batch",
      expected: "safe",
      build: () =>
        stage({
          policy: "unified",
          makesPages: false,
          extra: (opt) => [unmapInTwo(opt), populatePages()],
          machine: {
            cpus: 3,
            mms: 3,
            tasks: 3,
            tables: 12,
            frames: 4,
            storeBuffer: 2,
            tlb: { sets: 1, ways: 1 },
          },
          setup: [
            ...[0, 1, 2].flatMap(
              (cpu) =>
                [
                  { do: "task", task: cpu, mm: cpu },
                  { do: "switch", cpu, task: cpu },
                ] as const,
            ),
            ...[0, USER].flatMap(
              (cpu) =>
                [
                  { do: "call", cpu, entry: "populate", args: [1] },
                  { do: "touch", cpu, vpn: 0, kind: 1 },
                ] as const,
            ),
          ],
          threads: [{ cpu: 1, does: [call("unmap_in_two", 0, 2)] }],
          liberties: [0, USER].map((cpu) => ({ cpu, may: "touch", vpn: 0, kind: 1 }) as const),
          windows: [UNMAPPED],
        }),
    },
    "two-zaps": {
      title: "the setting of B3: two MADV_DONTNEED of one page",
      expected: "safe",
      build: () =>
        stage({
          policy: "unified",
          entries: ["madvise"],
          machine: {
            cpus: 3,
            mms: 1,
            tasks: 3,
            tables: 6,
            frames: 4,
            storeBuffer: 2,
            tlb: { sets: 1, ways: 1 },
          },
          setup: [
            ...threadsOf(0, 3),
            { do: "call", cpu: 0, entry: "mmap", args: [0, 1, ANON_RW] },
            { do: "touch", cpu: USER, vpn: 0, kind: 1 },
          ],
          threads: [0, 1].map((cpu) => ({ cpu, does: [call("madvise", 0, 1, MADV_DONTNEED)] })),
          liberties: [{ cpu: USER, may: "touch", vpn: 0 }],
          windows: ["unmapped, unlocked, TLBs still warm"],
        }),
    },
  },
});
