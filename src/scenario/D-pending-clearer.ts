/**
 * D-pending-clearer. Rule P trusts a clear D bit; but D may have been cleared by somebody whose flush is still to come.
 *
 *   CPU 2: caches the page with the write right and D set
 *   CPU 1: madvise(MADV_FREE): clears D, will flush at the end of its gather
 *   CPU 0: write-protects the page: the right is there, D is clear, no flush by Rule P; returns
 *   CPU 2: writes: its entry has D set, so no assist looks at the page table
 *
 * unsafe, unless CPU 0 notices at the end of its gather that another one is open, and then flushes everything.
 */

import { program } from "../dsl/index.js";
import { tlb_finish_mmu, tlb_flush_pte_range, tlb_gather_mmu } from "../kernel/mmu_gather.js";
import { pte_needs_flush } from "../kernel/mprotect.js";
import type { KernelOptions } from "../kernel/options.js";
import { pte_mkold_clean, pte_t, pte_wrprotect } from "../kernel/pte.js";
import { ANON_RW, mmNumber, withPte } from "./pages.js";
import { scenario } from "./scenario.js";
import { call, stage } from "./stage.js";

/** UFFDIO_WRITEPROTECT of one page: mmap_lock for reading, one gather. */
function writeProtect(opt: KernelOptions) {
  return program("uffd_wp", ["mm", "vpn"], (k, args) => {
    const mm = mmNumber(k, args.mm);
    k.readLocked(mm.mmap_lock, () => {
      const tlb = tlb_gather_mmu(k, opt, mm, { eager: false, fullmm: false });
      withPte(k, mm, args.vpn, (pte) => {
        const old = k.xchg("ptep_modify_prot_start", pte, pte_t.zero);
        const ptent = pte_wrprotect(old);
        k.write("ptep_modify_prot_commit", pte, ptent);
        k.if(
          pte_needs_flush(opt, old, ptent),
          () => tlb_flush_pte_range(k, opt, tlb, args.vpn),
          () => k.window("write-protected without a flush"),
        );
      });
      tlb_finish_mmu(k, opt, tlb);
      k.promise(mm.root, args.vpn, args.vpn.add(1), "read");
    });
  });
}

/** madvise(MADV_FREE) of one page: mmap_lock for reading, one gather. */
function freeLater(opt: KernelOptions) {
  return program("madvise_free", ["mm", "vpn"], (k, args) => {
    const mm = mmNumber(k, args.mm);
    k.readLocked(mm.mmap_lock, () => {
      const tlb = tlb_gather_mmu(k, opt, mm, { eager: false, fullmm: false });
      withPte(k, mm, args.vpn, (pte) => {
        const old = k.xchg("clear_young_dirty_ptes", pte, pte_t.zero);
        k.write("set_pte_at", pte, pte_mkold_clean(old));
        tlb_flush_pte_range(k, opt, tlb, args.vpn);
      });
      tlb_finish_mmu(k, opt, tlb);
    });
  });
}

function build(needFlush: string, nested: boolean) {
  return stage({
    set: { "need-flush": needFlush },
    mutants: { "B-madv-miss": !nested },
    extra: (opt) => [writeProtect(opt), freeLater(opt)],
    machine: { cpus: 3, storeBuffer: 2 },
    setup: [
      { do: "task", task: 0, mm: 0 },
      { do: "switch", cpu: 2, task: 0 },
      { do: "call", cpu: 2, entry: "mmap", args: [0, 1, ANON_RW] },
      { do: "touch", cpu: 2, vpn: 0, kind: 1 },
    ],
    threads: [
      { cpu: 0, does: [call("uffd_wp", 0, 0)] },
      { cpu: 1, does: [call("madvise_free", 0, 0)] },
    ],
    liberties: [{ cpu: 2, may: "touch", vpn: 0, kind: 1 }],
    windows: needFlush === "skip-clean" ? ["write-protected without a flush"] : [],
  });
}

export const subject = scenario({
  name: "D-pending-clearer",
  question: "Is Rule P safe while somebody else's clearing of D has not been flushed?",
  source:
    'Nadav Amit, "mm: relaxed TLB flushes and other optimi." (2022), together with MADV_FREE under mmap_lock for reading',
  variants: {
    "rule-p-alone": {
      title: "Rule P; open gathers of others are not noticed",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build("skip-clean", false),
    },
    "rule-p-nested": {
      title: "Rule P; a gather that ends while another is open flushes everything",
      expected: "safe",
      build: () => build("skip-clean", true),
    },
    upstream: {
      title: "every lost write right is flushed",
      expected: "safe",
      build: () => build("x86-upstream", true),
    },
  },
});
