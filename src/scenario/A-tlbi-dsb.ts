/**
 * A.8. Broadcast invalidation: one instruction tells every CPU to forget a page, which each does at a time of its own; a second one waits
 * for all of them. A barrier before makes the changed entry visible to the walkers.
 *
 *   CPU 0: clears the entry; TLBI; frees the page, or returns, without waiting
 *   CPU 1: uses the old entry: the invalidation has not arrived here
 *
 *   CPU 0: clears the entry, which stays in its store buffer; TLBI
 *   CPU 1: forgets the page, walks, and finds the old entry again; nothing will tell it a second time
 *
 * safe with both barriers, unsafe without either of them.
 */

import type { MemoryModel } from "../dsl/case.js";
import { broadcastFlush } from "../kernel/tlb.js";
import { ANON_RW, type Flush, protectPage, unmapPage } from "./pages.js";
import { scenario } from "./scenario.js";
import { call, stage } from "./stage.js";

const whole: Flush = (k, mm, vpn) => broadcastFlush(k, mm, vpn, vpn.add(1));

const withoutWaiting: Flush = (k, mm, vpn) => {
  k.fence("dsb ishst", "mb");
  k.tlbi("tlbi vae1is", mm.root, vpn, vpn.add(1));
  k.window("broadcast, not complete everywhere");
};

const withoutPublishing: Flush = (k, mm, vpn) => {
  k.tlbi("tlbi vae1is", mm.root, vpn, vpn.add(1));
  k.window("broadcast, not complete everywhere");
  k.dsb("dsb ish");
};

function build(change: "unmap_page" | "protect_page", flush: Flush, model: MemoryModel, users = 1) {
  const each = Array.from({ length: users }, (_, user) => ({ cpu: user + 1, task: user }));
  return stage({
    machine: { cpus: 1 + users, model, storeBuffer: 2 },
    extra: (opt) => [
      change === "unmap_page" ? unmapPage(opt, change, flush) : protectPage(opt, change, flush),
    ],
    setup: [
      ...each.flatMap(
        ({ cpu, task }) =>
          [
            { do: "task", task, mm: 0 },
            { do: "switch", cpu, task },
          ] as const,
      ),
      { do: "call", cpu: 1, entry: "mmap", args: [0, 1, ANON_RW] },
      ...each.map(({ cpu }) => ({ do: "touch", cpu, vpn: 0, kind: 1 }) as const),
    ],
    threads: [{ cpu: 0, does: [call(change, 0, 0)] }],
    liberties: each.flatMap(
      ({ cpu }) =>
        [
          { cpu, may: "touch", vpn: 0, kind: 1 },
          { cpu, may: "evict", vpn: 0 },
        ] as const,
    ),
    windows: ["broadcast, not complete everywhere"],
  });
}

export const subject = scenario({
  name: "A-tlbi-dsb",
  question: "What must stand before and behind a broadcast invalidation?",
  source: "linux arch/arm64/include/asm/tlbflush.h, __flush_tlb_range(); Arm ARM, D8.13",
  variants: {
    "no-wait": {
      title: "returns without DSB",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build("unmap_page", withoutWaiting, "weak"),
    },
    "no-publish": {
      title: "a plain store, and no DSB before TLBI",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build("protect_page", withoutPublishing, "weak"),
    },
    upstream: { title: "both", expected: "safe", build: () => build("protect_page", whole, "weak") },
    "no-wait-users": {
      title: "the same as no-wait, with three CPUs that use the page",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build("unmap_page", withoutWaiting, "weak", 3),
    },
    "upstream-users": {
      title: "both, with three CPUs that use the page",
      expected: "safe",
      build: () => build("protect_page", whole, "weak", 3),
    },
  },
});
