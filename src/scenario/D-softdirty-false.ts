/**
 * D-softdirty-false. A page that the monitor of a userfaultfd fills, and nobody writes to, is reported as written.
 *
 *   CPU 0: soft-dirty tracking begins; UFFDIO_COPY fills the page; reads it
 *   CPU 1: copies the pages that were not written, once they are reported as such
 *
 * CPU 1 waits for ever where filling sets D and with it the soft-dirty mark, as Linux does; not where D waits for a hint. A wrong hint is
 * as bad as none.
 */

import { audited } from "./audited.js";
import { scenario } from "./scenario.js";
import { call, load } from "./stage.js";

const UFFDIO_COPY = 0;

const build = (hint: string) => () =>
  audited({
    set: { "uffd-hint": hint },
    entries: ["clear_refs", "uffd_fill"],
    setup: [{ do: "call", cpu: 0, entry: "clear_refs", args: [] }],
    does: [call("uffd_fill", 0, 1, UFFDIO_COPY, 0), load(0)],
    isRight: (_, pte) => pte.soft_dirty.not(),
  });

export const subject = scenario({
  name: "D-softdirty-false",
  question: "Is a page that userfaultfd fills, and nobody writes to, reported as written?",
  source: "Nadav Amit, linux-mm, 2022-06-27, on UFFDIO_WRITEPROTECT and soft-dirty; linux mm/userfaultfd.c",
  variants: {
    upstream: {
      title: "filling sets A and D, whatever will happen to the page",
      expected: "unsafe",
      breaks: "progress",
      build: build("none"),
    },
    "write-likely": {
      title: "the monitor says that a write is likely, and none comes",
      expected: "unsafe",
      breaks: "progress",
      build: build("write-likely"),
    },
    "access-likely": {
      title: "the monitor says that an access is likely",
      expected: "safe",
      build: build("access-likely"),
    },
    unhinted: { title: "the monitor says nothing", expected: "safe", build: build("unhinted") },
  },
});
