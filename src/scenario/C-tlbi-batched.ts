/**
 * A.8. Where flushes are broadcast, reclaim tells every CPU at once to forget a page, and only waiting for it is put off. Whoever relies on
 * the absent entry has to know that it has taken effect. A barrier waits for broadcasts of its own CPU, and for no others.
 *
 *   CPU 1: reclaim: takes the entry out, broadcasts, goes on without waiting
 *   CPU 0: finds the entry absent, sees that reclaim owes a flush, executes a barrier, returns
 *   CPU 2: uses the old entry: the broadcast has not arrived here
 *
 * unsafe; safe if CPU 0 broadcasts again and waits for that.
 */

import type { Mutants } from "../kernel/options.js";
import { RELIED, reclaimed, rely, UNMAPPED, unmap } from "./reclaimed.js";
import { scenario } from "./scenario.js";

function build(mutants: Mutants) {
  return reclaimed({
    set: { shootdown: "tlbi" },
    mutants,
    does: [[rely(0)], [unmap(0)]],
    windows: [UNMAPPED, RELIED],
  });
}

export const subject = scenario({
  name: "C-tlbi-batched",
  question:
    "Is a barrier enough for whoever finds an entry that another CPU has broadcast and not waited for?",
  source:
    'commit 4b634918384c, "arm64/mm: Close theoretical race where stale TLB entry remains valid" (2025)',
  variants: {
    "no-look": {
      title: "nobody looks whether reclaim owes a flush",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build({ "C-no-pending-check": true }),
    },
    barrier: {
      title: "a barrier (2023 to 2025)",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build({ "C-batch-dsb-only": true }),
    },
    upstream: { title: "a broadcast of one's own", expected: "safe", build: () => build({}) },
  },
});
