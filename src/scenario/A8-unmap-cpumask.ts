/**
 * A8. The mask of CPUs must be read behind the fence that raises the generation. Otherwise a CPU that joins in between is missed:
 *
 *   CPU 0: takes the write right away by a plain store (buffered); reads the mask: CPU 1 is not in it
 *   CPU 1: joins, reads the old generation, walks: the entry may still be written through
 *   CPU 0: raises the generation, which lets its store out; asks nobody; returns
 *   CPU 1: writes
 *
 * An entry that is taken out by an exchange is safe even so: the exchange is a fence of its own, and a CPU never leaves the mask without
 * falling behind a generation. With the order as upstream, both are safe.
 */

import { ANON_RW, protectPage, unmapPage } from "./pages.js";
import { scenario } from "./scenario.js";
import { call, stage, switchTo } from "./stage.js";

function build(broken: boolean, change: "protect_page" | "unmap_page") {
  return stage({
    mutants: { "A-unmap-cpumask": broken },
    machine: { cpus: 2, storeBuffer: 3 },
    extra: (opt) => [change === "protect_page" ? protectPage(opt) : unmapPage(opt)],
    setup: [
      { do: "task", task: 0, mm: 0 },
      { do: "switch", cpu: 0, task: 0 },
      { do: "call", cpu: 0, entry: "mmap", args: [0, 1, ANON_RW] },
      { do: "touch", cpu: 0, vpn: 0, kind: 1 },
      { do: "task", task: 1, mm: 0 },
    ],
    threads: [
      { cpu: 0, does: [call(change, 0, 0)] },
      { cpu: 1, does: [switchTo(1)] },
    ],
    liberties: [{ cpu: 1, may: "touch", vpn: 0, kind: 1 }],
    windows: [change === "protect_page" ? "protected, not flushed" : "unmapped, not flushed"],
  });
}

export const subject = scenario({
  name: "A8-unmap-cpumask",
  question: "May the mask of CPUs be read before the generation is raised?",
  source:
    "linux arch/x86/mm/tlb.c, flush_tlb_mm_range(): inc_mm_tlb_gen() is the fence before mm_cpumask is read",
  variants: {
    "mask-first-store": {
      title: "mask first; the entry was changed by a plain store",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build(true, "protect_page"),
    },
    "mask-first-xchg": {
      title: "mask first; the entry was taken out by an exchange",
      expected: "safe",
      build: () => build(true, "unmap_page"),
    },
    upstream: {
      title: "generation first; plain store",
      expected: "safe",
      build: () => build(false, "protect_page"),
    },
  },
});
