/**
 * B6. As B5, but the write right goes because somebody wants to know which pages are written.
 *
 *   CPU 2: has the page writable in its TLB; somebody else has a reference to it
 *   CPU 0: clear_refs takes the write right away under mmap_lock for reading, will flush at the end
 *   CPU 1: writes, faults, copies the page
 *   CPU 2: writes to the old frame: lost, once CPU 1 has mapped the copy
 *
 * Since 5.12 clear_refs holds mmap_lock for writing: safe without any rule for faults. Before, today's rule (v7) would not have been
 * enough, because it looks at userfaultfd only; v3 to v6 are. No rule helps when clear_refs never flushes: then the tracking itself
 * misses writes.
 */

import type { Mutants } from "../kernel/options.js";
import { scenario } from "./scenario.js";
import { call, store } from "./stage.js";
import { COPIED, staleWriter } from "./stale-writer.js";

function build(pending: string, mutants: Mutants = { "B-softdirty-read-lock": true }) {
  return staleWriter({
    set: { pending },
    mutants: { "cow-by-refcount": true, ...mutants },
    entries: ["clear_refs"],
    referenced: true,
    does: [[call("clear_refs")], [store(0)]],
    windows: [COPIED],
  });
}

export const subject = scenario({
  name: "B6-softdirty",
  question: "May soft-dirty tracking take write rights away while faults go on?",
  source:
    'commits 0758cd830494 (2020), 912efa17e512, "mm: proc: Invalidate TLB after clearing soft-dirty page state" (2021), and the thread of B5',
  variants: {
    "no-flush": {
      title: "mmap_lock for reading, and the flush is forgotten",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build("any", { "B-softdirty-no-flush": true }),
    },
    v0: { title: "no rule", expected: "unsafe", breaks: "lost-write", build: () => build("none") },
    v3: {
      title: "a write fault flushes whenever a flush is pending",
      expected: "safe",
      build: () => build("any"),
    },
    v4: {
      title: "v3, if userfaultfd or soft-dirty tracking watches the mapping",
      expected: "safe",
      build: () => build("armed-or-softdirty"),
    },
    v5: { title: "v4, only before a copy", expected: "safe", build: () => build("copy-only") },
    v6: { title: "v4, if a filter has the page", expected: "safe", build: () => build("bloom") },
    v7: {
      title: "v3, if userfaultfd watches the mapping, which it does not",
      expected: "unsafe",
      breaks: "lost-write",
      build: () => build("uffd-armed"),
    },
    "deferred-gen": {
      title: "a page table knows the generation of its last unflushed change",
      expected: "safe",
      build: () => build("deferred-gen"),
    },
    upstream: {
      title: "no rule; mmap_lock for writing until the flush is complete",
      expected: "safe",
      build: () => build("none", {}),
    },
  },
});
