/**
 * A2. A CPU comes back to an address space whose PCID slot is up to date, so it loads the root without a flush.
 *
 *   CPU 1: loaded_mm = SWITCHING; reads the generation: its slot has it, no flush needed
 *   CPU 0: unmaps the page, raises the generation, sees CPU 1 in neither address space and does not ask it
 *   CPU 1: loads the root, NOFLUSH; uses the old entry
 *
 * safe since a CPU that is SWITCHING counts as a target; unsafe before.
 */

import { ANON_RW, unmapPage } from "./pages.js";
import { scenario } from "./scenario.js";
import { call, stage, switchTo } from "./stage.js";

function build(broken: boolean) {
  return stage({
    mutants: { "A-switching-window": broken },
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
  name: "A2-switching-window",
  question: "May a flush skip a CPU that is between two address spaces?",
  source:
    'commit fea4e317f9e7, "x86/mm: Eliminate window where TLB flushes may be inadvertently skipped" (2025)',
  variants: {
    "skip-switching": {
      title: "a CPU whose loaded_mm is SWITCHING is not asked",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build(true),
    },
    upstream: {
      title: "SWITCHING counts as a target",
      expected: "safe",
      build: () => build(false),
    },
  },
});
