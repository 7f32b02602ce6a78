/**
 * D-plain-rmw. The kernel reads an entry, computes a new one and stores it, while the hardware sets D in it.
 *
 *   CPU 0: mprotect(PROT_READ): reads the entry, D is clear
 *   CPU 1: writes: the assist sets D
 *   CPU 0: stores the new entry, D clear: nobody knows any more that the page was written
 *
 * unsafe without the exchange, whatever is flushed.
 */

import { cleanPage } from "./clean-page.js";
import { scenario } from "./scenario.js";

export const subject = scenario({
  name: "D-plain-rmw",
  question: "Must an entry be exchanged, or may it be read and stored?",
  source: "linux include/linux/pgtable.h, ptep_modify_prot_start()",
  variants: {
    "read-and-store": {
      title: "a plain read and a plain store",
      expected: "unsafe",
      breaks: "lost-dirty",
      build: () => cleanPage({ needFlush: "always", mutants: { "D-plain-rmw": true } }),
    },
    exchange: {
      title: "exchanged with nothing, then stored",
      expected: "safe",
      build: () => cleanPage({ needFlush: "always" }),
    },
  },
});
