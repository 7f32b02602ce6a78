/**
 * A.2. Under page-table isolation user mode has PCIDs of its own, and a full flush of them waits until the CPU returns to user mode. It has
 * acknowledged by then.
 *
 *   CPU 1: is in the kernel, and has the page in its TLB, in the user half
 *   CPU 0: takes the page's entry away, has everything flushed, returns
 *   CPU 1: has flushed the kernel half only; returns to user mode, and uses the old entry
 *
 * safe if every way back to user mode flushes what was put off.
 */

import { program } from "../dsl/index.js";
import { ANON_RW, unmapPage } from "./pages.js";
import { scenario } from "./scenario.js";
import { call, stage, threadsOf } from "./stage.js";

function build(broken: boolean) {
  return stage({
    set: { pti: "on" },
    mutants: { "A-pti-no-exit-flush": broken },
    // No range is short enough, so that every flush is a full one.
    tunables: { tlb_single_page_flush_ceiling: 0 },
    extra: (opt) => [unmapPage(opt), program("getpid", [], (k) => k.work("page_mkwrite"))],
    machine: { cpus: 2, mms: 1, tasks: 2, tables: 5, frames: 3, storeBuffer: 2, tlb: { sets: 1, ways: 1 } },
    setup: [
      ...threadsOf(0, 2),
      { do: "call", cpu: 0, entry: "mmap", args: [0, 1, ANON_RW] },
      { do: "touch", cpu: 1, vpn: 0, kind: 1 },
    ],
    threads: [
      { cpu: 0, does: [call("unmap_page", 0, 0)] },
      { cpu: 1, does: [call("getpid")] },
    ],
    liberties: [{ cpu: 1, may: "touch", vpn: 0, kind: 1 }],
    windows: ["unmapped, not flushed"],
  });
}

export const subject = scenario({
  name: "A-pti-user-half",
  question: "May the flush of the user half wait until the CPU returns to user mode?",
  source:
    "linux arch/x86/mm/tlb.c, invalidate_user_asid(), and arch/x86/entry/calling.h, SWITCH_TO_USER_CR3 (4.15)",
  variants: {
    "no-look": {
      title: "the way back does not look whether a flush was put off",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build(true),
    },
    upstream: { title: "every way back does", expected: "safe", build: () => build(false) },
  },
});
