/**
 * C8. Migration unmaps a batch of pages, flushes once, and copies them.
 *
 *   CPU 2: has page 0 writable and dirty
 *   CPU 1: takes the entry out, copies the page
 *   CPU 2: stores to the old frame
 *   CPU 1: flushes, maps the copy: the store is lost
 *
 * unsafe with the copy before the flush; safe behind it.
 */

import { program } from "../dsl/index.js";
import { migrate_pages_batch } from "../kernel/migrate-batch.js";
import { reclaimed, USER } from "./reclaimed.js";
import { scenario } from "./scenario.js";
import { call } from "./stage.js";

function build(broken: boolean) {
  return reclaimed({
    mutants: { "C-copy-before-flush": broken },
    extra: (opt) => [program("migrate", ["pfn"], (k, { pfn }) => migrate_pages_batch(k, opt, pfn))],
    does: [[], [call("migrate", { frameAt: { mm: 0, vpn: 0 } })]],
    liberties: [{ cpu: USER, may: "touch", vpn: 0, kind: 1 }],
    windows: ["unmapped for migration, not flushed"],
  });
}

/** The page is unmapped at the same time. */
function calls(broken: boolean) {
  return reclaimed({
    mutants: { "C-copy-before-flush": broken },
    entries: ["munmap"],
    extra: (opt) => [program("migrate", ["pfn"], (k, { pfn }) => migrate_pages_batch(k, opt, pfn))],
    caller: true,
    does: [[call("munmap", 0, 1)], [call("migrate", { frameAt: { mm: 0, vpn: 0 } })]],
    liberties: [{ cpu: USER, may: "touch", vpn: 0, kind: 1 }],
    windows: ["unmapped for migration, not flushed"],
  });
}

export const subject = scenario({
  name: "C8-migrate-batch-copy",
  question: "May migration copy a page before the batch is flushed?",
  source: "linux 7e12beb8ca2a (2023), migrate_pages: batch flushing TLB",
  variants: {
    "copy-first": {
      title: "the copy comes before the flush",
      expected: "unsafe",
      breaks: "lost-write",
      build: () => build(true),
    },
    upstream: {
      title: "the copy comes behind the flush",
      expected: "safe",
      build: () => build(false),
    },
    "calls-copy-first": {
      title: "the copy comes before the flush, and munmap meanwhile",
      expected: "unsafe",
      breaks: "lost-write",
      build: () => calls(true),
    },
    calls: {
      title: "the copy comes behind the flush, and munmap meanwhile",
      expected: "safe",
      build: () => calls(false),
    },
  },
});
