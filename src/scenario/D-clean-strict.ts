/**
 * D-clean-strict. Rule P: an entry that allowed writing and whose D bit is clear is write-protected without a flush.
 *
 *   CPU 1: caches the page with the write right, D clear
 *   CPU 0: mprotect(PROT_READ): exchanges the entry, D is clear, asks nobody, returns
 *   CPU 1: writes: its entry has D clear, so the hardware looks at the page table first, finds the right gone, and faults
 *
 * safe with a strict dirty assist. Taking the right away without a flush whatever D says is unsafe.
 */

import { cleanPage } from "./clean-page.js";
import { scenario } from "./scenario.js";

export const subject = scenario({
  name: "D-clean-strict",
  question: "May the write right of a clean page be taken away without a flush?",
  source: 'Nadav Amit, "mm: relaxed TLB flushes and other optimi." (2022), after his mail of 2022-06-27',
  variants: {
    "rule-p": {
      title: "no flush where D was clear",
      expected: "safe",
      build: () => cleanPage({}),
    },
    "whatever-d-says": {
      title: "no flush for a lost write right at all",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => cleanPage({ needFlush: "x86-upstream", mutants: { "D-wrprotect-no-flush": true } }),
    },
    upstream: {
      title: "every lost write right is flushed",
      expected: "safe",
      build: () => cleanPage({ needFlush: "x86-upstream" }),
    },
  },
});
