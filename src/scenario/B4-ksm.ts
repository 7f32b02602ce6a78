/**
 * B4. One takes the dirty bit away, one the write right, neither has flushed; and KSM looks only at the entry.
 *
 *   CPU 0: has the page writable and dirty in its TLB
 *   CPU 1: MADV_FREE: clears D, will flush later
 *   CPU 2: clear_refs, under mmap_lock for reading as until 5.11: clears W, will flush later
 *   CPU 3: KSM: the entry is neither writable nor dirty, so nothing can write to the page: compares it with an equal one
 *   CPU 0: writes, with no look at the page table
 *   CPU 3: puts the equal page in its place: the write is lost
 *
 * unsafe; safe since KSM flushes too while a flush is pending. Today's KSM would be safe without that: it flushes every exclusive page.
 * One of the two alone does no harm: KSM sees the bit that is left.
 */

import type { Case, SetupStep } from "../dsl/case.js";
import { type ProgramSource, program } from "../dsl/index.js";
import { try_to_merge_one_page } from "../kernel/ksm.js";
import type { KernelOptions, Mutants } from "../kernel/options.js";
import { entryAt, forEachTable, PTE } from "../kernel/pgtable.js";
import { pte_mkold_clean, pte_t, pte_wrprotect } from "../kernel/pte.js";
import { ANON_RW, mmNumber } from "./pages.js";
import { scenario } from "./scenario.js";
import { call, stage, threadsOf } from "./stage.js";
import { AT_ONCE, announcedChange, MADV_FREE } from "./stale-writer.js";

/** The KSM thread, on an address space that it does not run in. */
function ksmThread(opt: KernelOptions): ProgramSource {
  return program("ksm_thread", ["mm", "vpn", "kpage"], (k, { mm: id, vpn, kpage }) => {
    const mm = mmNumber(k, id);
    forEachTable(k, mm.root, PTE, vpn, vpn.add(1), ({ table }) => {
      const seen = k.read("get_mergeable_page", entryAt(k, table, vpn, PTE));
      k.if(seen.present, () => {
        const pfn = k.copy(seen.pfn, "pfn");
        try_to_merge_one_page(
          k,
          opt,
          { mm, vpn, table, pfn },
          kpage,
          pte_t.of({ present: true, user: true }),
        );
      });
    });
  });
}

const COMPARED = "compared, old frame still writable elsewhere";
/** The page that replaces page 0. */
const KPAGE = { frameAt: { mm: 0, vpn: 1 } };
/** Both pages are written; page 1 is made one that others can be replaced by; CPU 0 has page 0 in its TLB. */
const twoPages: readonly SetupStep[] = [
  { do: "call", cpu: 0, entry: "mmap", args: [0, 2, ANON_RW] },
  { do: "touch", cpu: 0, vpn: 1, kind: 1 },
  { do: "call", cpu: 0, entry: "ksm_merge", args: [1, 0] },
  { do: "evict", cpu: 0, vpn: 1 },
  { do: "touch", cpu: 0, vpn: 0, kind: 1 },
];

const CLEARS_DIRTY = "madvise_free";
const CLEARS_WRITE = "clear_refs_read_locked";

function build(mutants: Mutants, clearers: readonly string[] = [CLEARS_DIRTY, CLEARS_WRITE]): Case {
  return stage({
    set: AT_ONCE,
    mutants,
    entries: ["ksm_merge"],
    extra: (opt) => [
      announcedChange(opt, CLEARS_DIRTY, true, pte_mkold_clean),
      announcedChange(opt, CLEARS_WRITE, true, (old) => pte_wrprotect(old).with({ soft_dirty: false })),
      ksmThread(opt),
    ],
    // Nobody but CPU 0 runs the address space, so nobody else is asked to flush.
    machine: {
      cpus: clearers.length + 2,
      mms: 1,
      tasks: 1,
      tables: 6,
      frames: 4,
      tlb: { sets: 2, ways: 1 },
      storeBuffer: 2,
    },
    setup: [...threadsOf(0, 1), ...twoPages],
    threads: [
      ...clearers.map((name, at) => ({ cpu: at + 1, does: [call(name, 0, 0)] })),
      { cpu: clearers.length + 1, does: [call("ksm_thread", 0, 0, KPAGE)] },
    ],
    liberties: [{ cpu: 0, may: "touch", vpn: 0, kind: 1 }],
    windows: [COMPARED, ...clearers.map((name) => `${name}: changed, not flushed`)],
  });
}

/** The same with the system calls themselves, all by tasks of the address space. */
function systemCalls(mutants: Mutants, set: Readonly<Record<string, string>>): Case {
  return stage({
    set,
    mutants,
    entries: ["madvise", "clear_refs", "ksm_merge"],
    machine: { cpus: 4, mms: 1, tasks: 4, tables: 6, frames: 4, tlb: { sets: 2, ways: 1 }, storeBuffer: 2 },
    setup: [...threadsOf(0, 4), ...twoPages],
    threads: [
      { cpu: 1, does: [call("madvise", 0, 1, MADV_FREE)] },
      { cpu: 2, does: [call("clear_refs")] },
      { cpu: 3, does: [call("ksm_merge", 0, KPAGE)] },
    ],
    liberties: [{ cpu: 0, may: "touch", vpn: 0, kind: 1 }],
    windows: [COMPARED],
  });
}

/** Before 5.19 nobody knew which private pages are exclusive. */
const WITHOUT_EXCLUSIVE: Mutants = { "cow-by-refcount": true };
const OF_2017: Mutants = { ...WITHOUT_EXCLUSIVE, "B-softdirty-read-lock": true };

export const subject = scenario({
  name: "B4-ksm",
  question: "May KSM take a page for write-protected because its entry is neither writable nor dirty?",
  source: 'commit b3a81d0841a9, "mm: fix KSM data corruption" (2017)',
  variants: {
    "entry-only": {
      title: "it looks at the entry",
      expected: "unsafe",
      breaks: "lost-write",
      build: () => build({ ...WITHOUT_EXCLUSIVE, "B-ksm": true }),
    },
    pending: {
      title: "it flushes as well while a flush is pending",
      expected: "safe",
      build: () => build(WITHOUT_EXCLUSIVE),
    },
    "entry-only-syscalls": {
      title: "entry-only, with the system calls themselves",
      expected: "unsafe",
      breaks: "lost-write",
      build: () => systemCalls({ ...OF_2017, "B-ksm": true }, AT_ONCE),
    },
    "pending-syscalls": {
      title: "pending, with the system calls themselves",
      expected: "safe",
      build: () => systemCalls(OF_2017, AT_ONCE),
    },
    "entry-only-ipi": {
      title: "entry-only, with the system calls themselves and flushes by interrupts; random runs",
      expected: "unsafe",
      breaks: "lost-write",
      bounds: { pct: { runs: 20_000, changes: 4 } },
      build: () => systemCalls({ ...OF_2017, "B-ksm": true }, {}),
    },
    exclusive: {
      title: "it looks at the entry, and flushes exclusive pages whatever their entry, as since 5.19",
      expected: "safe",
      build: () => build({ "B-ksm": true }),
    },
    "write-right-only": {
      title: "it looks at the entry, and only the write right has gone without a flush",
      expected: "safe",
      build: () => build({ ...WITHOUT_EXCLUSIVE, "B-ksm": true }, [CLEARS_WRITE]),
    },
    "dirty-bit-only": {
      title: "it looks at the entry, and only the dirty bit has gone without a flush",
      expected: "safe",
      build: () => build({ ...WITHOUT_EXCLUSIVE, "B-ksm": true }, [CLEARS_DIRTY]),
    },
  },
});
