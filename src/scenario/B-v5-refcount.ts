/**
 * B-v5-refcount. V5 of December 2020 flushes only when the page will be copied; but the proposed condition, more than one mapping, is
 * not what do_wp_page() went by: it copied every page that had another reference.
 *
 *   CPU 2: has the page writable in its TLB; it has one mapping, and a reference of somebody else
 *   CPU 0: takes the write right away, will flush later
 *   CPU 1: writes, faults: one mapping, so no flush; two references, so a copy
 *   CPU 2: writes to the old frame: lost
 *
 * unsafe as proposed; safe when the flush goes by the same decision as the copy.
 */

import { scenario } from "./scenario.js";
import { liftedWhileWritten } from "./stale-writer.js";

const build = (broken: boolean) => liftedWhileWritten({ pending: "copy-only" }, { "B-v5-refcount": broken });

export const subject = scenario({
  name: "B-v5-refcount",
  question: "May a write fault skip the flush of a page that has one mapping?",
  source: "Yu Zhao in the thread of B5 (2020-12); the hole is derived",
  variants: {
    mapcount: {
      title: "the flush goes by mappings, the copy by references",
      expected: "unsafe",
      breaks: "lost-write",
      build: () => build(true),
    },
    "same-decision": {
      title: "whoever copies has flushed",
      expected: "safe",
      build: () => build(false),
    },
  },
});
