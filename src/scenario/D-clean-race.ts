/**
 * D-clean-race. Rule P when the write comes first: the assist sets D between the kernel's look at the entry and its exchange.
 *
 *   CPU 0: mprotect(PROT_READ): reads the entry, D is clear
 *   CPU 1: writes: the assist sets D
 *   CPU 0: exchanges the entry and gets D set, so it flushes
 *
 * safe, because the decision is about what the exchange returned; unsafe when it is about what was read before.
 */

import { cleanPage } from "./clean-page.js";
import { scenario } from "./scenario.js";

export const subject = scenario({
  name: "D-clean-race",
  question: "Does Rule P see a write that comes between the look at the entry and its change?",
  source: 'Nadav Amit, "mm: relaxed TLB flushes and other optimi." (2022): write and D bit change atomically',
  variants: {
    "judge-what-was-read": {
      title: "the entry is read and stored, not exchanged",
      expected: "unsafe",
      breaks: "lost-dirty",
      build: () => cleanPage({ mutants: { "D-plain-rmw": true } }),
    },
    "judge-the-exchange": {
      title: "the decision is about what the exchange returned",
      expected: "safe",
      build: () => cleanPage({}),
    },
  },
});
