/**
 * A5. The CPU that switches announces itself, then reads the generation; the flusher raises the generation, then looks at who is there.
 * Without a fence the announcement may still be in the store buffer when the generation is read:
 *
 *   CPU 1: loaded_mm = SWITCHING (buffered); reads the generation: up to date
 *   CPU 0: unmaps the page, raises the generation, reads loaded_mm: the other address space
 *   CPU 1: its store becomes visible, too late; loads the root without a flush; uses the old entry
 *
 * unsafe without the fence where loads pass stores (tso, weak), safe in sc and with the fence.
 */

import type { MemoryModel } from "../dsl/case.js";
import { ANON_RW, unmapPage } from "./pages.js";
import { scenario } from "./scenario.js";
import { call, stage, switchTo } from "./stage.js";

function build(broken: boolean, model: MemoryModel) {
  return stage({
    mutants: { "A-switch-barrier": broken },
    machine: { model, storeBuffer: 3 },
    extra: (opt) => [unmapPage(opt)],
    setup: [
      { do: "task", task: 0, mm: 0 },
      { do: "task", task: 1, mm: 1 },
      { do: "switch", cpu: 1, task: 0 },
      { do: "call", cpu: 1, entry: "mmap", args: [0, 1, ANON_RW] },
      { do: "touch", cpu: 1, vpn: 0, kind: 1 },
      { do: "switch", cpu: 1, task: 1 },
    ],
    threads: [
      { cpu: 0, does: [call("unmap_page", 0, 0)] },
      { cpu: 1, does: [switchTo(0)] },
    ],
    liberties: [{ cpu: 1, may: "touch", vpn: 0 }],
    windows: ["unmapped, not flushed"],
  });
}

export const subject = scenario({
  name: "A5-switch-barrier",
  question:
    "Does the switch to an address space need a fence between announcing itself and reading the generation?",
  source:
    'commit 71b3c126e611, "x86/mm: Add barriers and document switch_mm()-vs-flush synchronization" (2016)',
  variants: {
    "no-fence": {
      title: "no fence, x86 store buffers",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build(true, "tso"),
    },
    "no-fence-sc": {
      title: "no fence, but stores are visible at once",
      expected: "safe",
      build: () => build(true, "sc"),
    },
    upstream: { title: "with the fence", expected: "safe", build: () => build(false, "tso") },
    "upstream-weak": {
      title: "with the fence, on a weakly ordered machine",
      expected: "safe",
      build: () => build(false, "weak"),
    },
  },
});
