/**
 * A2. A CPU comes back to an address space whose PCID slot is up to date, so it loads the root without a flush.
 *
 *   CPU 1: loaded_mm = SWITCHING; reads the generation: its slot has it, no flush needed
 *   CPU 0: unmaps the page, raises the generation, sees CPU 1 in neither address space and does not ask it
 *   CPU 1: loads the root, NOFLUSH; uses the old entry
 *
 * safe since a CPU that is SWITCHING counts as a target; unsafe before.
 */

import { scenario } from "./scenario.js";
import { switchBack } from "./switching.js";

const build = (broken: boolean) => switchBack({ "A-switching-window": broken });

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
