/**
 * B-gen-nobump. Deferred generations: the flush reaches the generation that its changes have raised. One gather changes two tables.
 *
 *   CPU 0: write-protects page 0, raises the generation to g
 *   CPU 1: loads the address space, is at g, reads page 2 as writable
 *   CPU 0: write-protects page 2 without a new generation
 *   CPU 1: runs another address space; CPU 0 flushes up to g and does not ask it
 *   CPU 1: comes back, finds its slot at g, and may still write to page 2
 *
 * unsafe; safe when every deferred change raises the generation.
 */

import { scenario } from "./scenario.js";
import { call, stage, store, switchTo } from "./stage.js";
import { PROTECT, PROTECTED, WATCHED_RW } from "./stale-writer.js";

const HERE = 1;
const ELSEWHERE = 2;

function build(broken: boolean) {
  return stage({
    set: { pending: "deferred-gen" },
    mutants: { "B-gen-nobump": broken },
    entries: ["userfaultfd_writeprotect"],
    machine: { cpus: 2, mms: 2, tasks: 3, tables: 8, frames: 4, storeBuffer: 2, tlb: { sets: 1, ways: 2 } },
    setup: [
      { do: "task", task: 0, mm: 0 },
      { do: "task", task: HERE, mm: 0 },
      { do: "task", task: ELSEWHERE, mm: 1 },
      { do: "switch", cpu: 1, task: HERE },
      { do: "call", cpu: 1, entry: "mmap", args: [0, 4, WATCHED_RW] },
      { do: "touch", cpu: 1, vpn: 0, kind: 1 },
      { do: "touch", cpu: 1, vpn: 2, kind: 1 },
      { do: "evict", cpu: 1, vpn: 0 },
      { do: "evict", cpu: 1, vpn: 2 },
      { do: "switch", cpu: 1, task: ELSEWHERE },
      { do: "switch", cpu: 0, task: 0 },
    ],
    threads: [
      { cpu: 0, does: [call("userfaultfd_writeprotect", 0, 4, PROTECT)] },
      { cpu: 1, does: [switchTo(HERE), store(2), switchTo(ELSEWHERE), switchTo(HERE), store(2)] },
    ],
    windows: [PROTECTED],
  });
}

export const subject = scenario({
  name: "B-gen-nobump",
  question: "Do two deferred changes need two generations?",
  source: 'Nadav Amit, "TLB batching consolidation and enhancements" (RFC, 2021-01-31), and its review',
  variants: {
    "once-per-gather": {
      title: "the first deferred change of a gather raises the generation",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build(true),
    },
    "every-change": {
      title: "every table's changes raise it",
      expected: "safe",
      build: () => build(false),
    },
  },
});
