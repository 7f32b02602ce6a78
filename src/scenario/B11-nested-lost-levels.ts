/**
 * B11. A gather that frees page tables ends while another one is open: it flushes everything, but has forgotten that tables go.
 *
 *   CPU 2: is idle, keeps the address space loaded, and has the way to page 0 in its paging-structure caches
 *   CPU 1: opens a gather
 *   CPU 0: munmap(): unhooks the table of page 0; finds the other gather, forgets the table, skips CPU 2 because it is idle
 *   CPU 0: frees the table
 *   CPU 2: walks through it speculatively
 *
 * unsafe; safe since such a gather always flushes as if it had freed tables, idle CPUs included.
 */

import { type ProgramSource, program } from "../dsl/index.js";
import { tlb_finish_mmu, tlb_gather_mmu } from "../kernel/mmu_gather.js";
import type { KernelOptions } from "../kernel/options.js";
import { ANON_RW, mmNumber } from "./pages.js";
import { scenario } from "./scenario.js";
import { call, stage } from "./stage.js";

const IDLE_TASK = 0xffff_ffff;

/** Some caller that works on the address space from outside and finds nothing to change. */
function otherGather(opt: KernelOptions): ProgramSource {
  return program("other_gather", ["mm"], (k, { mm: id }) => {
    const tlb = tlb_gather_mmu(k, opt, mmNumber(k, id), { eager: false, fullmm: false });
    tlb_finish_mmu(k, opt, tlb);
  });
}

function build(broken: boolean) {
  return stage({
    mutants: { "B-nested-lost-levels": broken },
    entries: ["munmap"],
    extra: (opt) => [otherGather(opt)],
    machine: {
      cpus: 3,
      mms: 1,
      tasks: 2,
      tables: 8,
      frames: 4,
      storeBuffer: 2,
      walkCache: 1,
      tlb: { sets: 1, ways: 1 },
    },
    setup: [
      { do: "task", task: 0, mm: 0 },
      { do: "switch", cpu: 0, task: 0 },
      { do: "task", task: 1, mm: 0 },
      { do: "switch", cpu: 2, task: 1 },
      { do: "call", cpu: 0, entry: "mmap", args: [0, 1, ANON_RW] },
      // Another table, so that only that of page 0 goes.
      { do: "call", cpu: 0, entry: "mmap", args: [2, 3, ANON_RW] },
      { do: "touch", cpu: 0, vpn: 2, kind: 1 },
      { do: "touch", cpu: 2, vpn: 0, kind: 1 },
      { do: "switch", cpu: 2, task: IDLE_TASK },
    ],
    threads: [
      { cpu: 0, does: [call("munmap", 0, 1)] },
      { cpu: 1, does: [call("other_gather", 0)] },
    ],
    liberties: [
      { cpu: 2, may: "fill", vpn: 0 },
      { cpu: 2, may: "evict", vpn: 0 },
    ],
    windows: ["unmapped, unlocked, TLBs still warm"],
  });
}

export const subject = scenario({
  name: "B11-nested-lost-levels",
  question: "May a gather forget that it frees page tables when it flushes everything anyway?",
  source: 'commit 7a30df49f63a, "mm: mmu_gather: remove __tlb_reset_range() for force flush" (2019)',
  variants: {
    "range-only": {
      title: "only the range is widened",
      expected: "unsafe",
      breaks: "stale-table",
      build: () => build(true),
    },
    upstream: { title: "it flushes as if it had freed tables", expected: "safe", build: () => build(false) },
  },
});
