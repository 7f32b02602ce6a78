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

import type { Case } from "../dsl/case.js";
import { type ProgramSource, program } from "../dsl/index.js";
import { try_to_merge_one_page } from "../kernel/ksm.js";
import { dec_tlb_flush_pending, inc_tlb_flush_pending } from "../kernel/mm_types-pending.js";
import type { KernelOptions, Mutants } from "../kernel/options.js";
import { entryAt, forEachTable, PTE } from "../kernel/pgtable.js";
import { type Pte, pte_mkold_clean, pte_t, pte_wrprotect } from "../kernel/pte.js";
import { flush_tlb_page } from "../kernel/tlb.js";
import { ANON_RW, mmNumber, withPte } from "./pages.js";
import { scenario } from "./scenario.js";
import { call, stage } from "./stage.js";

/** Changes one entry as madvise_free_pte_range() and clear_soft_dirty() do: announced, exchanged under the lock, flushed behind it. */
function changeThenFlush(opt: KernelOptions, name: string, change: (old: Pte) => Pte): ProgramSource {
  return program(name, ["mm", "vpn"], (k, args) => {
    const mm = mmNumber(k, args.mm);
    inc_tlb_flush_pending(k, opt, mm);
    withPte(k, mm, args.vpn, (pte) => {
      const old = k.xchg("ptep_modify_prot_start", pte, pte_t.zero);
      k.write("ptep_modify_prot_commit", pte, change(old));
    });
    k.window(`${name}: changed, not flushed`);
    flush_tlb_page(k, opt, mm, args.vpn);
    dec_tlb_flush_pending(k, opt, mm);
  });
}

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

const CLEARS_DIRTY = "madvise_free";
const CLEARS_WRITE = "clear_refs_read_locked";

function build(mutants: Mutants, clearers: readonly string[] = [CLEARS_DIRTY, CLEARS_WRITE]): Case {
  const kpage = { frameAt: { mm: 0, vpn: 1 } };
  return stage({
    mutants,
    entries: ["ksm_merge"],
    extra: (opt) => [
      changeThenFlush(opt, CLEARS_DIRTY, pte_mkold_clean),
      changeThenFlush(opt, CLEARS_WRITE, (old) => pte_wrprotect(old).with({ soft_dirty: false })),
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
    setup: [
      { do: "task", task: 0, mm: 0 },
      { do: "switch", cpu: 0, task: 0 },
      { do: "call", cpu: 0, entry: "mmap", args: [0, 2, ANON_RW] },
      { do: "touch", cpu: 0, vpn: 1, kind: 1 },
      { do: "call", cpu: 0, entry: "ksm_merge", args: [1, 0] },
      { do: "evict", cpu: 0, vpn: 1 },
      { do: "touch", cpu: 0, vpn: 0, kind: 1 },
    ],
    threads: [
      ...clearers.map((name, at) => ({ cpu: at + 1, does: [call(name, 0, 0)] })),
      { cpu: clearers.length + 1, does: [call("ksm_thread", 0, 0, kpage)] },
    ],
    liberties: [{ cpu: 0, may: "touch", vpn: 0, kind: 1 }],
    windows: [
      "compared, old frame still writable elsewhere",
      ...clearers.map((name) => `${name}: changed, not flushed`),
    ],
  });
}

/** Before 5.19 nobody knew which private pages are exclusive. */
const WITHOUT_EXCLUSIVE: Mutants = { "cow-by-refcount": true };

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
