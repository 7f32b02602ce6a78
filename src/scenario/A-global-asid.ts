/**
 * A.7. An address space gets one PCID for all CPUs, so that a broadcast by PCID flushes it. CPUs that still run it under a number of
 * their own have translations that no such broadcast reaches.
 *
 *   CPU 1: runs the address space under its own number, and has the page in its TLB
 *   CPU 0: gives it a global ASID; later takes the page's entry away, broadcasts, returns
 *   CPU 1: uses the old entry
 *
 *   CPU 1: is about to load the address space, has looked for a global ASID, and found none
 *   CPU 0: gives it one, and uses it; takes the entry away, broadcasts, sees that CPU 1 does not run the address space, returns
 *   CPU 1: loads it under its own number, and uses the old entry
 *
 * safe if the flush waits for CPUs that are between two address spaces, and interrupts those that run this one under another number.
 */

import { program } from "../dsl/index.js";
import type { KernelOptions, Mutants } from "../kernel/options.js";
import { consider_global_asid } from "../kernel/tlb-invlpgb.js";
import { ANON_RW, mmNumber, unmapPage } from "./pages.js";
import { scenario } from "./scenario.js";
import { call, stage, switchTo } from "./stage.js";

/** What a flush does behind its interrupts, every so often. */
function considerAsid(opt: KernelOptions) {
  return program("consider_asid", ["mm"], (k, { mm: id }) => {
    const mm = mmNumber(k, id);
    consider_global_asid(k, opt, mm, k.read("mm_tlb_gen", mm.tlb_gen));
  });
}

function build(comes: "runs" | "switches", mutants: Mutants) {
  const assign = call("consider_asid", 0);
  const unmap = call("unmap_page", 0, 0);
  return stage({
    set: { shootdown: "invlpgb" },
    mutants,
    tunables: { global_asid_cpus: 0, global_asid_interval: 1 },
    extra: (opt) => [considerAsid(opt), unmapPage(opt)],
    machine: { cpus: 2, mms: 2, tasks: 3, tables: 9, frames: 3, storeBuffer: 2, tlb: { sets: 1, ways: 2 } },
    setup: [
      { do: "task", task: 0, mm: 0 },
      { do: "switch", cpu: 0, task: 0 },
      { do: "task", task: 1, mm: 0 },
      { do: "switch", cpu: 1, task: 1 },
      { do: "call", cpu: 0, entry: "mmap", args: [0, 1, ANON_RW] },
      { do: "touch", cpu: 1, vpn: 0, kind: 1 },
      ...(comes === "switches"
        ? ([
            { do: "task", task: 2, mm: 1 },
            { do: "switch", cpu: 1, task: 2 },
          ] as const)
        : ([{ do: "call", cpu: 0, entry: "consider_asid", args: [0] }] as const)),
    ],
    threads: [
      { cpu: 0, does: comes === "switches" ? [assign, switchTo(0), unmap] : [unmap] },
      ...(comes === "switches" ? [{ cpu: 1, does: [switchTo(1)] }] : []),
    ],
    liberties: [{ cpu: 1, may: "touch", vpn: 0, kind: 1 }],
    windows: ["unmapped, not flushed", "broadcast, not complete everywhere"],
  });
}

export const subject = scenario({
  name: "A-global-asid",
  question: "Whom must a broadcast by PCID reach besides, while an address space goes over to a global ASID?",
  source: 'commit be88a1dd6112, "x86/mm: Handle global ASID context switch and TLB flush" (2025)',
  variants: {
    "no-interrupts": {
      title: "nobody asks CPUs that run it under another number",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build("runs", { "A-asid-stragglers": true }),
    },
    interrupts: { title: "they are interrupted", expected: "safe", build: () => build("runs", {}) },
    "no-waiting": {
      title: "nobody waits for a CPU that is between two address spaces",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build("switches", { "A-asid-switching": true }),
    },
    upstream: { title: "the flush waits for it", expected: "safe", build: () => build("switches", {}) },
  },
});
