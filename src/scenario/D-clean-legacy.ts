/**
 * D-clean-legacy. Rule P on a CPU whose dirty assist looks only at the present bit.
 *
 *   CPU 0: mprotect(PROT_READ): D was clear, no flush, returns
 *   CPU 1: writes: the assist finds the entry present, sets D in it although it is read-only, and the store retires
 *
 * unsafe: the rule needs an assist that looks at the write right too. The rule of today's Linux is safe there.
 */

import { cleanPage } from "./clean-page.js";
import { scenario } from "./scenario.js";

export const subject = scenario({
  name: "D-clean-legacy",
  question: "Is Rule P safe where the dirty assist does not look at the write right?",
  source:
    'the record of such processors in commit "x86/mm: Update ptep/pmdp_set_wrprotect() for _PAGE_SAVED_DIRTY" (2023)',
  variants: {
    "rule-p": {
      title: "no flush where D was clear; the assist looks at P alone",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => cleanPage({ assist: "legacy" }),
    },
    upstream: {
      title: "every lost write right is flushed",
      expected: "safe",
      build: () => cleanPage({ needFlush: "x86-upstream", assist: "legacy" }),
    },
  },
});
