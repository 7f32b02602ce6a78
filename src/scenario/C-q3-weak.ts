/**
 * Which barrier belongs between the flush and clearing the flag? All on a machine that reorders stores, in two cases: the flush interrupts
 * another CPU; or it comes to nothing, because no CPU is in the mask.
 *
 * Safe with a compiler barrier already. A flush raises the generation by an atomic operation that orders everything, and whoever relies on
 * the flag takes a page-table lock, which orders the rest. When nobody is in the mask, the one who comes later sees the generation.
 *
 * No barrier helps against two stores that nothing orders: lost-update is C2 with the strongest.
 */

import type { FenceKind } from "../dsl/index.js";
import { batchedIs, RELIED, reclaimed, rely, USER, unmap } from "./reclaimed.js";
import { type ScenarioVariant, scenario } from "./scenario.js";
import { switchTo } from "./stage.js";

const IN_B = 2;

function tunables(barrier: FenceKind) {
  return { tlb_flush_batched_barrier: barrier };
}

/** Reclaim has unmapped page 2. Two callers, one in each table; `empty`: CPU 2 has left the address space, and its mask. */
function build(barrier: FenceKind, empty: boolean) {
  return reclaimed({
    set: { reclaim: "batched-flag" },
    tunables: tunables(barrier),
    model: "weak",
    pages: 3,
    setup: [
      { do: "call", cpu: 1, entry: "unmap_batched", args: [0, IN_B] },
      ...(empty
        ? ([
            { do: "task", task: 3, mm: 1 },
            { do: "switch", cpu: USER, task: 3 },
            { do: "set", record: "mm", index: 0, field: "mm_cpumask", value: 0 },
          ] as const)
        : []),
    ],
    does: [[rely(0)], [rely(IN_B)], empty ? [switchTo(2)] : []],
    liberties: [{ cpu: USER, may: "touch", vpn: IN_B }],
    windows: [RELIED],
  });
}

function variant(barrier: FenceKind, empty: boolean): ScenarioVariant {
  return {
    title: `${barrier} behind ${empty ? "a flush that comes to nothing" : "interrupts"}`,
    expected: "safe",
    bounds: { model: "weak" },
    build: () => build(barrier, empty),
  };
}

export const subject = scenario({
  name: "C-q3-weak",
  question: "Which barrier does clearing the flag of batched flushes need on a machine that reorders stores?",
  source: "Nadav Amit, linux-mm, 2020-12-23, question 3",
  variants: {
    "ipi-cbar": variant("cbar", false),
    "ipi-wmb": variant("wmb", false),
    "ipi-mb": variant("mb", false),
    "empty-cbar": variant("cbar", true),
    "empty-wmb": variant("wmb", true),
    "empty-mb": variant("mb", true),
    "lost-update": {
      title: "mb, and reclaim sets the flag meanwhile",
      expected: "unsafe",
      breaks: "stale-right",
      bounds: { model: "weak" },
      build: () =>
        reclaimed({
          set: { reclaim: "batched-flag" },
          tunables: tunables("mb"),
          model: "weak",
          pages: 3,
          setup: [batchedIs(1)],
          does: [[rely(0), rely(IN_B)], [unmap(IN_B)]],
          liberties: [{ cpu: USER, may: "touch", vpn: IN_B }],
          windows: [RELIED],
        }),
    },
  },
});
