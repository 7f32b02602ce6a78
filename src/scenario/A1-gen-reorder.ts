/**
 * A1. Two flushes of one address space are on their way to one CPU, and the later one is served first.
 *
 *   CPU 0: unmaps page 0, flushes everything: generation 2
 *   CPU 1: unmaps page 1, flushes page 1:     generation 3, but its request is queued first
 *   CPU 2: serves generation 3 by INVLPG of page 1 and calls itself up to date; generation 2 then looks done
 *
 * safe as upstream, because a range is flushed by itself only when it is the very next generation; unsafe without that rule.
 */

import { flush_tlb_mm_range } from "../kernel/tlb.js";
import { TLB_FLUSH_ALL } from "../kernel/tlbflush.js";
import { ANON_RW, unmapPage } from "./pages.js";
import { scenario } from "./scenario.js";
import { call, stage } from "./stage.js";

function build(broken: boolean) {
  return stage({
    mutants: { "A-gen-reorder": broken },
    machine: { cpus: 3 },
    extra: (opt) => [
      unmapPage(opt),
      unmapPage(opt, "unmap_page_flush_all", (k, mm) =>
        flush_tlb_mm_range(k, opt, mm, 0, TLB_FLUSH_ALL, 0, false),
      ),
    ],
    setup: [
      { do: "task", task: 0, mm: 0 },
      { do: "switch", cpu: 2, task: 0 },
      { do: "call", cpu: 2, entry: "mmap", args: [0, 2, ANON_RW] },
      { do: "touch", cpu: 2, vpn: 0, kind: 1 },
      { do: "touch", cpu: 2, vpn: 1, kind: 1 },
    ],
    threads: [
      { cpu: 0, does: [call("unmap_page_flush_all", 0, 0)] },
      { cpu: 1, does: [call("unmap_page", 0, 1)] },
    ],
    liberties: [{ cpu: 2, may: "touch", vpn: 0 }],
    windows: ["unmapped, not flushed"],
  });
}

export const subject = scenario({
  name: "A1-gen-reorder",
  question: "May a CPU serve a ranged flush although it has missed an earlier generation?",
  source: "linux arch/x86/mm/tlb.c, flush_tlb_func(), since 4.14 (2017)",
  variants: {
    "range-in-any-order": {
      title: "a ranged request is served by INVLPG whatever generation the CPU is at",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build(true),
    },
    upstream: {
      title: "only the very next generation may be served by a range",
      expected: "safe",
      build: () => build(false),
    },
  },
});
