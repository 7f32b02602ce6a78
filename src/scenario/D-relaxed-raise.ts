/**
 * D-relaxed-raise. A right is given without a flush: a CPU that caches the page read-only faults once and finds the right in the page
 * table; the hardware has dropped what faulted.
 *
 *   CPU 1: caches the page read-only
 *   CPU 0: mprotect(PROT_READ | PROT_WRITE): asks nobody, returns
 *   CPU 1: writes: a spurious fault, then it succeeds
 *
 * safe: nobody can do more than he is entitled to, and everybody gets on.
 */

import { ANON_RW } from "./pages.js";
import { scenario } from "./scenario.js";
import { call, stage, store, threadsOf } from "./stage.js";

const PROT_READ = 1;
const PROT_READ_WRITE = 3;

function build(needFlush: string) {
  return stage({
    set: { "need-flush": needFlush },
    entries: ["mprotect"],
    machine: { storeBuffer: 3 },
    setup: [
      ...threadsOf(0, 2),
      { do: "call", cpu: 0, entry: "mmap", args: [0, 1, ANON_RW] },
      { do: "touch", cpu: 0, vpn: 0, kind: 1 },
      { do: "call", cpu: 0, entry: "mprotect", args: [0, 1, PROT_READ] },
      { do: "touch", cpu: 1, vpn: 0, kind: 0 },
    ],
    threads: [
      { cpu: 0, does: [call("mprotect", 0, 1, PROT_READ_WRITE)] },
      { cpu: 1, does: [store(0)] },
    ],
    windows: ["protected, unlocked, TLBs still warm"],
  });
}

export const subject = scenario({
  name: "D-relaxed-raise",
  question: "May a right be given without telling the other CPUs?",
  source: 'Nadav Amit, "mm: relaxed TLB flushes and other optimi." (2022), permission promotions',
  variants: {
    "relaxed-raise": {
      title: "a gained right is not flushed",
      expected: "safe",
      build: () => build("relaxed-raise"),
    },
    upstream: { title: "a gained right is flushed", expected: "safe", build: () => build("x86-upstream") },
  },
});
