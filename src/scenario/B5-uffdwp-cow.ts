/**
 * B5. The thread of December 2020: userfaultfd takes a page's write right away under mmap_lock for reading, and a write fault copies
 * the page before the flush.
 *
 *   CPU 2: has the page writable in its TLB; somebody else has a reference to it, so that it cannot be reused
 *   CPU 0: ioctl(UFFDIO_WRITEPROTECT) lifts the protection, which takes the write right of the entry away; will flush at the end
 *   CPU 1: writes, faults, finds the entry read-only and not marked for userfaultfd: copies the page
 *   CPU 2: writes to the old frame
 *   CPU 1: maps the copy: the write is lost
 *
 * unsafe without a rule (v0). The fixes that were discussed are all safe: somebody has flushed before it is decided that the page is
 * copied (v3 to v7, deferred generations), the right goes together with the flush under one page-table lock (v2), or no fault can come
 * in between (v1, v2h for large ranges). Today's kernel is safe twice: it also knows that the page is exclusive, and does not copy it.
 */

import { pte_mkuffd_wp } from "../kernel/pte.js";
import { scenario } from "./scenario.js";
import { call, stage, store, threadsOf } from "./stage.js";
import {
  AT_ONCE,
  announcedChange,
  COPIED,
  getUserPage,
  KERNEL_OF_2020,
  liftedByMonitor,
  liftedWhileWritten,
  PROTECTED,
  WATCHED_RW,
} from "./stale-writer.js";

const PROTECTS = "uffd_wp";
const LIFTS = "uffd_wp_resolve";

/**
 * The other way to an entry that is read-only and not marked: one caller protects the page, a second one lifts that before the first
 * has flushed. The callers are the monitor's, and do not run in the address space.
 */
function liftedBeforeFlush(pending: string) {
  return stage({
    set: { ...AT_ONCE, pending },
    mutants: KERNEL_OF_2020,
    extra: (opt) => [
      getUserPage(),
      announcedChange(opt, PROTECTS, true, pte_mkuffd_wp),
      announcedChange(opt, LIFTS, false, (old) => old.with({ uffd_wp: false })),
    ],
    machine: { cpus: 4, mms: 1, tasks: 2, tables: 6, frames: 5, storeBuffer: 2, tlb: { sets: 1, ways: 1 } },
    setup: [
      ...threadsOf(0, 2),
      { do: "call", cpu: 0, entry: "mmap", args: [0, 1, WATCHED_RW] },
      { do: "touch", cpu: 0, vpn: 0, kind: 1 },
      { do: "call", cpu: 0, entry: "get_user_page", args: [0, 0] },
    ],
    threads: [
      { cpu: 1, does: [store(0)] },
      { cpu: 2, does: [call(PROTECTS, 0, 0)] },
      { cpu: 3, does: [call(LIFTS, 0, 0)] },
    ],
    liberties: [{ cpu: 0, may: "touch", vpn: 0, kind: 1 }],
    windows: [COPIED, `${PROTECTS}: changed, not flushed`],
  });
}

const rule = (pending: string) => () => liftedWhileWritten({ pending });
const opener =
  (protect: string, windows = [COPIED]) =>
  () =>
    liftedWhileWritten({ pending: "none", protect }, {}, windows);

export const subject = scenario({
  name: "B5-uffdwp-cow",
  question: "May a write fault copy a page whose write right somebody has taken away without having flushed?",
  source:
    'commit 6ce64428d620, "mm/userfaultfd: fix memory corruption due to writeprotect" (2021), and its thread',
  variants: {
    v0: { title: "no rule", expected: "unsafe", breaks: "lost-write", build: rule("none") },
    v1: {
      title: "userfaultfd holds mmap_lock for writing",
      expected: "safe",
      build: opener("write-lock"),
    },
    v2: {
      title: "userfaultfd flushes before it drops a page-table lock",
      expected: "safe",
      build: opener("per-table"),
    },
    v2h: { title: "v2 for small ranges, v1 for large ones", expected: "safe", build: opener("hybrid") },
    v3: { title: "a write fault flushes whenever a flush is pending", expected: "safe", build: rule("any") },
    v4: {
      title: "v3, if userfaultfd or soft-dirty tracking watches the mapping",
      expected: "safe",
      build: rule("armed-or-softdirty"),
    },
    v5: { title: "v4, only before a copy", expected: "safe", build: rule("copy-only") },
    v6: { title: "v4, if a filter has the page", expected: "safe", build: rule("bloom") },
    v7: {
      title: "today's rule: v3, if userfaultfd watches the mapping",
      expected: "safe",
      build: rule("uffd-armed"),
    },
    "deferred-gen": {
      title: "a page table knows the generation of its last unflushed change",
      expected: "safe",
      build: rule("deferred-gen"),
    },
    "two-callers-v0": {
      title: "no rule; one caller protects, another lifts that before the flush",
      expected: "unsafe",
      breaks: "lost-write",
      build: () => liftedBeforeFlush("none"),
    },
    "two-callers-v7": {
      title: "today's rule with the same two callers",
      expected: "safe",
      build: () => liftedBeforeFlush("uffd-armed"),
    },
    "v0-ipi": {
      title: "v0 with a monitor in another process, and flushes by interrupts",
      expected: "unsafe",
      breaks: "lost-write",
      build: () => liftedByMonitor({ pending: "none" }),
    },
    "v2-ipi": {
      title: "v2 in the same way",
      expected: "safe",
      build: () => liftedByMonitor({ pending: "none", protect: "per-table" }),
    },
    "v7-ipi": {
      title: "today's rule in the same way",
      expected: "safe",
      build: () => liftedByMonitor({ pending: "uffd-armed" }),
    },
    "deferred-gen-ipi": {
      title: "deferred generations in the same way",
      expected: "safe",
      build: () => liftedByMonitor({ pending: "deferred-gen" }),
    },
    exclusive: {
      title: "no rule, but pages known to be exclusive are not copied, as since 5.19",
      expected: "safe",
      build: () => liftedWhileWritten({ pending: "none" }, { "cow-by-refcount": false }, [PROTECTED]),
    },
  },
});
