/** What may differ between two builds of the kernel: one variant per slot, mutants for the tests, and tunables. */

import type { FenceKind } from "../dsl/index.js";

/** One variant for each slot that the programs have a choice in. The policies in src/policy name combinations. */
export interface Slots {
  /** How a flush reaches the other CPUs. */
  readonly shootdown:
    | "concurrent-ipi"
    | "serial-ipi"
    | "early-ack"
    | "invlpgb"
    | "tlbi"
    | "coherent"
    | "none";
  /** When munmap, MADV_DONTNEED and exit flush: once for many entries, or each entry before its lock is dropped. */
  readonly unmap: "gather" | "eager";
  /**
   * The same for mprotect, MADV_FREE, userfaultfd's write protection and NUMA hinting. The last two differ from `gather` for
   * userfaultfd only: it takes mmap_lock for writing, or does so for more pages than one table maps.
   */
  readonly protect: "gather" | "eager" | "per-table" | "write-lock" | "hybrid";
  /** Which changes of a present entry need a flush at all. */
  readonly "need-flush": "x86-upstream" | "always" | "skip-clean" | "relaxed-raise";
  /** What a write fault does while a flush is pending. */
  readonly pending:
    | "uffd-armed"
    | "none"
    | "any"
    | "armed-or-softdirty"
    | "copy-only"
    | "bloom"
    | "deferred-gen";
  /** When reclaim flushes the pages that it unmaps, and how others learn that it has not yet. */
  readonly reclaim: "batched-counters" | "batched-flag" | "eager" | "unified";
  /** What userfaultfd operations take for granted about a page that they fill. */
  readonly "uffd-hint": "none" | "unhinted" | "access-likely" | "write-likely";
  /** Which private memory gets 2M pages: none, what MADV_HUGEPAGE asks them for, or all. */
  readonly thp: "never" | "madvise" | "always";
  /** Page-table isolation, as `pti=` on the kernel's command line; `auto`: as the machine needs it. */
  readonly pti: "auto" | "on" | "off";
}

/**
 * Rules of the kernel that a build can break, one at a time, so that a test can see somebody notice.
 *
 * Each says what its build does wrong. A: the shootdown itself. B: gathers, and who asks whether a flush is pending. C: reclaim. D:
 * which changes need a flush.
 */
export const MUTANTS = {
  "A-gen-reorder": "a responder flushes a range although it has missed an earlier generation",
  "A-switching-window": "a CPU that is between two address spaces is not asked to flush",
  "A-switch-barrier": "the switch has no fence between announcing itself and reading the generation",
  "A-unmap-cpumask": "the mask of CPUs is read before the generation is raised",
  "A-early-ack": "a responder acknowledges before it flushes",
  "A-early-ack-freed": "a responder that acknowledges early does so although page tables are freed",
  "A-asid-stragglers":
    "CPUs that run an address space under a number of their own are not told that it has a global one",
  "A-asid-switching": "whoever looks for such CPUs does not wait for one that is between two address spaces",
  "A-pti-no-exit-flush":
    "a CPU returns to user mode without a look at the flushes that were put off until then",
  "A-lazy-tables": "lazy CPUs are skipped although page tables are freed",
  "A-lazy-no-catch-up": "a CPU that leaves lazy mode does not look at the generation",
  "A-slot-no-catch-up": "a PCID slot is reused without looking at its generation",
  "B-order-free": "pages and page tables are freed before the TLBs are flushed",
  "B-dec-early": "tlb_flush_pending is lowered before the flush is complete",
  "B-madv-miss": "a gather does not notice that another one is open",
  "B-zap-mkclean": "dirty file pages leave the reverse map before the TLBs are flushed",
  "B-mkclean-one-mm": "write-back protects a page in the address space that asks for it, and in no other",
  "B-mkclean-one-flush":
    "write-back flushes a page in the address space that asks for it, wherever it was mapped",
  "B-collapse-no-flush": "khugepaged copies pages and frees them before the TLBs are flushed",
  "B-mremap-flush-late": "mremap flushes moved entries after it has dropped the page-table locks",
  "B-bool-pending": "tlb_flush_pending says whether a flush is pending, and not how many are",
  "B-ksm": "KSM does not look whether a flush is pending before it compares pages",
  "B-numa-migrate":
    "an entry made inaccessible for NUMA hinting counts as flushed while its flush is pending",
  "B-nested-lost-levels": "a gather that ends while another is open forgets that it frees page tables",
  "B-softdirty-no-flush":
    "clear_refs takes the write right away under mmap_lock for reading and never flushes",
  "B-softdirty-read-lock": "clear_refs holds mmap_lock for reading",
  "B-uffd-no-upgrade":
    "ending userfaultfd's write protection leaves entries read-only that could be writable",
  "B-v5-refcount":
    "copy-only flushes by the number of mappings, although references decide whether a page is copied",
  "B-bloom-clear": "whoever closes the last gather empties the filter of pending addresses",
  "B-gen-nobump": "a gather raises the generation for its first deferred change only",
  "C-no-pending-check": "nobody looks whether reclaim owes a flush before relying on an absent entry",
  "C-relock":
    "whoever takes a page-table lock a second time does not look again whether reclaim owes a flush",
  "C-counter-overflow": "the count of pending batched flushes wraps at its width instead of starting anew",
  "C-flag-torn": "the flag for batched flushes is stored in two halves",
  "C-flag-early": "the flag for batched flushes is cleared before the flush",
  "C-io-before-flush": "dirty pages are written out before the TLBs are flushed",
  "C-batch-one-mm": "a batched flush goes to the address space of its first page only",
  "C-free-before-flush": "reclaimed frames are freed before the TLBs are flushed",
  "C-discard-fence": "reclaim counts the users of a lazily freed page before the cleared entry is visible",
  "C-discard-dirty": "reclaim drops a lazily freed page without looking whether it was written again",
  "C-batch-dsb-only":
    "where reclaim owes a broadcast, others wait for broadcasts of their own CPU only (2023 to 2025)",
  "C-no-gen-bump": "a batched flush does not raise the generation of the address space",
  "C-copy-before-flush": "migration copies before the TLBs are flushed",
  "C-swapin-new-frame": "a fault on a swapped page reads it anew although the page is still there",
  "D-plain-rmw": "mprotect reads and stores an entry where it should exchange it",
  "D-wrprotect-no-flush": "taking the write right away counts as a change that needs no flush",
  "D-writable-shared-page": "mprotect gives the write right back to a page that somebody else maps too",
  "D-writable-untracked":
    "mprotect gives the write right back although soft-dirty tracking waits for the first write",
  "D-writable-armed":
    "mprotect gives the write right back although userfaultfd's monitor waits for the first write",
  "D-writable-clean-file":
    "mprotect gives the write right back to a clean page of a file, whose file system waits for the first write",
  "cow-by-refcount":
    "a private page is copied when it has another reference, exclusive or not (Linux 5.8 to 5.18)",
  "cow-no-flush": "copy-on-write replaces the entry without a flush",
  "cow-no-recheck": "copy-on-write does not check that the entry is still the one it copied",
  "fork-no-flush": "fork write-protects the parent's pages without a flush",
} as const;

export type MutantName = keyof typeof MUTANTS;
/** All absent: the kernel as it should be. */
export type Mutants = { readonly [N in MutantName]?: boolean };

/** Sizes that Linux fixes or lets the administrator set. Tests make them small to reach their limits soon. */
export interface Tunables {
  /** Ranged flushes of more pages than this become full ones. Source: linux arch/x86/mm/tlb.c. */
  readonly tlb_single_page_flush_ceiling: number;
  /** Pages that one INVLPGB covers. Source: AMD64 manual, volume 2, CPUID 8000_0008 EDX; 7 + 1 on Zen 3 and Zen 4. */
  readonly invlpgb_count_max: number;
  /** An address space that is busy on more CPUs than this gets a global ASID. Source: linux arch/x86/mm/tlb.c, consider_global_asid(). */
  readonly global_asid_cpus: number;
  /** Flushes between two looks at how many CPUs are busy; a power of 2. */
  readonly global_asid_interval: number;
  /**
   * A fault that reads a page of a file maps up to so many pages around it, a power of two; 1 is none but the page itself.
   * Linux's default is 16. Source: linux mm/memory.c, fault_around_pages.
   */
  readonly fault_around_pages: number;
  /** Pages in the batch on the stack. Source: linux include/asm-generic/tlb.h. */
  readonly MMU_GATHER_BUNDLE: number;
  /** Pages in one further batch. */
  readonly MAX_GATHER_BATCH: number;
  readonly MAX_GATHER_BATCH_COUNT: number;
  readonly MAX_TABLE_BATCH: number;
  /** Pages that reclaim frees together. Source: linux include/linux/pagevec.h, PAGEVEC_SIZE. */
  readonly FOLIO_BATCH_SIZE: number;
  /** Bits of the count of pending batched flushes. Source: linux mm/rmap.c, TLB_FLUSH_BATCH_PENDING_MASK. */
  readonly TLB_FLUSH_BATCH_PENDING_BITS: number;
  /** Bits that count how often that counter started anew. Linux has none. */
  readonly TLB_FLUSH_BATCH_EPOCH_BITS: number;
  /** What stands between the flush and clearing the flag. Source: linux mm/rmap.c before 5.17, flush_tlb_batched_pending(). */
  readonly tlb_flush_batched_barrier: FenceKind;
}

export const LINUX_TUNABLES: Tunables = {
  tlb_single_page_flush_ceiling: 33,
  invlpgb_count_max: 8,
  global_asid_cpus: 3,
  global_asid_interval: 32,
  // Linux's 16 only where page faults were recorded (docs/modelling.md): else nobody knows which pages the cache has.
  fault_around_pages: 1,
  MMU_GATHER_BUNDLE: 8,
  MAX_GATHER_BATCH: 510,
  MAX_GATHER_BATCH_COUNT: 19,
  MAX_TABLE_BATCH: 509,
  FOLIO_BATCH_SIZE: 31,
  TLB_FLUSH_BATCH_PENDING_BITS: 15,
  TLB_FLUSH_BATCH_EPOCH_BITS: 0,
  tlb_flush_batched_barrier: "cbar",
};

/** What every routine of the kernel is assembled with. */
export interface KernelOptions {
  readonly slots: Slots;
  readonly fix: Mutants;
  readonly tunables: Tunables;
  /** There are large pages. */
  readonly thp: boolean;
  /** Address spaces can have one PCID for all CPUs: `invlpgb`, with PCIDs, and without page-table isolation. */
  readonly globalAsids: boolean;
  /** User mode has PCIDs of its own (page-table isolation). */
  readonly pti: boolean;
  /** The machine tags translations with a PCID; without it every address-space switch flushes. */
  readonly pcid: boolean;
  /** Changes whose flush is put off have generations, which their page tables keep: by the slot `pending`, or by `reclaim`. */
  readonly generations: boolean;
}

/** Reclaim can put flushes off: the CPUs of a batch are known by their masks, or a broadcast need only be waited for. */
export function hasBatches({ slots: { shootdown, reclaim } }: KernelOptions): boolean {
  const hasMasks = shootdown.endsWith("-ipi") || shootdown === "early-ack" || shootdown === "invlpgb";
  return hasMasks || (shootdown === "tlbi" && reclaim !== "unified");
}
