/**
 * khugepaged makes one large page of small ones: it unhooks their page table, has every CPU forget it, copies, frees, and maps the copy.
 *
 *   CPU 1: has a small page in its TLB, writable
 *   CPU 0: unhooks the page table, copies the page and frees it
 *   CPU 1: stores to the old page
 *
 * safe if the flush comes before the copy. Software walkers that take no lock and hold interrupts off are a case of their own:
 *
 *   CPU 1: gup_fast(): has found the page table
 *   CPU 0: unhooks the table, flushes without an interrupt, copies, frees the table
 *   CPU 1: reads an entry of it
 *
 * safe if the flush interrupts the walker, which waits for it; where hardware broadcasts flushes, Linux sends an interrupt for this alone,
 * tlb_remove_table_sync_one(), and frees tables by RCU. The kernel here has no such walkers, and neither.
 */

import { program } from "../dsl/index.js";
import { page } from "../kernel/page.js";
import { entryAt, forEachTable, PTE } from "../kernel/pgtable.js";
import { ANON_RW, mmNumber } from "./pages.js";
import { scenario } from "./scenario.js";
import { call, stage, threadsOf } from "./stage.js";
import { AT_ONCE } from "./stale-writer.js";

const MADV_COLLAPSE = 25;
const COPIED = "copied into a large page, not mapped";

function build(broken: boolean) {
  return stage({
    set: { ...AT_ONCE, thp: "madvise" },
    mutants: { "B-collapse-no-flush": broken },
    entries: ["madvise"],
    machine: { cpus: 2, mms: 1, tasks: 2, tables: 5, frames: 6, storeBuffer: 2, tlb: { sets: 1, ways: 1 } },
    setup: [
      ...threadsOf(0, 2),
      { do: "call", cpu: 0, entry: "mmap", args: [0, 2, ANON_RW] },
      { do: "touch", cpu: 1, vpn: 0, kind: 1 },
    ],
    threads: [{ cpu: 0, does: [call("madvise", 0, 2, MADV_COLLAPSE)] }],
    liberties: [{ cpu: 1, may: "touch", vpn: 0, kind: 1 }],
    windows: [COPIED],
  });
}

/** Takes a reference to the page at `vpn` without a lock. Source: linux mm/gup.c, gup_fast_pte_range(). */
function gupFast() {
  return program("gup_fast", ["mm", "vpn"], (k, { mm: id, vpn }) => {
    const mm = mmNumber(k, id);
    k.irqsOff(() =>
      forEachTable(k, mm.root, PTE, vpn, vpn.add(1), ({ table }) => {
        k.window("gup_fast has found the table");
        const pte = k.read("ptep_get_lockless", entryAt(k, table, vpn, PTE));
        k.if(pte.present, () => {
          k.add("try_grab_folio_fast", page.at(pte.pfn)._refcount, 1);
          const now = k.read("ptep_get", entryAt(k, table, vpn, PTE));
          k.if(now.ne(pte), () => k.add("gup_put_folio", page.at(pte.pfn)._refcount, -1));
        });
      }),
    );
  });
}

function walker(shootdown: string) {
  return stage({
    set: { shootdown, thp: "madvise" },
    entries: ["madvise"],
    extra: () => [gupFast()],
    machine: { cpus: 2, mms: 1, tasks: 2, tables: 5, frames: 6, storeBuffer: 2, tlb: { sets: 1, ways: 1 } },
    setup: [
      ...threadsOf(0, 2),
      { do: "call", cpu: 0, entry: "mmap", args: [0, 2, ANON_RW] },
      { do: "touch", cpu: 1, vpn: 0, kind: 1 },
    ],
    threads: [
      { cpu: 0, does: [call("madvise", 0, 2, MADV_COLLAPSE)] },
      { cpu: 1, does: [call("gup_fast", 0, 0)] },
    ],
    windows: [COPIED, "gup_fast has found the table"],
  });
}

export const subject = scenario({
  name: "B-collapse-copy",
  question: "Who must have let go of small pages before khugepaged copies them into a large one?",
  source:
    'linux mm/khugepaged.c, collapse_huge_page(); commit 2ba99c5e0881, "mm/khugepaged: fix GUP-fast interaction by sending IPI" (2022)',
  variants: {
    "copy-first": {
      title: "pages are copied and freed before the flush",
      expected: "unsafe",
      breaks: "stale-frame",
      build: () => build(true),
    },
    upstream: { title: "it comes behind it", expected: "safe", build: () => build(false) },
    "walker-broadcast": {
      title: "a walker without locks, a flush without interrupts",
      expected: "unsafe",
      breaks: "stale-table",
      build: () => walker("tlbi"),
    },
    "walker-interrupt": {
      title: "the same, but the flush interrupts",
      expected: "safe",
      build: () => walker("concurrent-ipi"),
    },
  },
});
