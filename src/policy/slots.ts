/** The slots of the kernel: what each decides, and the variants that it has. */

import { UsageError, unknownName } from "../errors.js";
import type { Slots } from "../kernel/options.js";

export interface Variant {
  /** One line for `shootdown list`. */
  readonly title: string;
}

export interface Slot {
  readonly title: string;
  /** By name; today's Linux first. Empty: this version has no mechanism that the slot could choose. */
  readonly variants: Readonly<Record<string, Variant>>;
}

/** Exactly the variants that the programs in src/kernel can be assembled with. */
type Variants<N extends keyof Slots> = {
  readonly title: string;
  readonly variants: Record<Slots[N], Variant>;
};

const chosen: { readonly [N in keyof Slots]: Variants<N> } = {
  shootdown: {
    title: "how a flush reaches the other CPUs",
    variants: {
      "concurrent-ipi": { title: "interrupts to the CPUs that need it; this CPU flushes while they do" },
      "serial-ipi": {
        title: "interrupts to the CPUs that need it, after this CPU has flushed (before 5.13)",
      },
      "early-ack": {
        title:
          "as concurrent-ipi; CPUs acknowledge before they flush, unless page tables are freed (EuroSys 2020)",
      },
      invlpgb: {
        title:
          "AMD: INVLPGB and TLBSYNC for an address space that has a global ASID, busy on 4 CPUs or more; else as concurrent-ipi",
      },
      tlbi: { title: "Arm: the hardware tells every CPU, and waits for all (TLBI and DSB)" },
      coherent: { title: "ideal hardware: every TLB follows the page table, at no cost" },
      none: { title: "it does not: nothing is flushed but by loading a root" },
    },
  },
  unmap: {
    title: "when munmap, MADV_DONTNEED, brk, exec and exit flush",
    variants: {
      gather: { title: "once for all entries of a call, or when the list of pages is full" },
      eager: { title: "each entry, before its page-table lock is dropped" },
    },
  },
  protect: {
    title: "when mprotect, MADV_FREE, userfaultfd's write protection and NUMA hinting flush",
    variants: {
      gather: { title: "once for all entries of a call" },
      eager: { title: "each entry, before its page-table lock is dropped" },
      "per-table": { title: "once for each page table, before its lock is dropped" },
      "write-lock": { title: "as gather, and userfaultfd holds mmap_lock for writing" },
      hybrid: { title: "userfaultfd as per-table up to one table, else as write-lock; the others as gather" },
    },
  },
  "need-flush": {
    title: "which changes of a present entry need a flush",
    variants: {
      "x86-upstream": { title: "a changed right, in either direction, and a lost PRESENT or D bit" },
      always: { title: "every change" },
      "skip-clean": { title: "as upstream, but not a lost write right of an entry that was clean" },
      "relaxed-raise": {
        title:
          "as upstream, but a gained right is flushed on this CPU alone: elsewhere the stale entry faults once",
      },
    },
  },
  pending: {
    title: "what a write fault does while a flush is pending",
    variants: {
      "uffd-armed": { title: "it flushes the page if userfaultfd watches the mapping" },
      none: { title: "nothing" },
      any: { title: "it flushes the page" },
      "armed-or-softdirty": {
        title: "it flushes the page if userfaultfd or soft-dirty tracking watches the mapping",
      },
      "copy-only": { title: "as armed-or-softdirty, but only before a copy" },
      bloom: { title: "as armed-or-softdirty, if a filter of 64 bits says that the page may be pending" },
      "deferred-gen": { title: "it flushes the page if its table has a generation that is not completed" },
    },
  },
  reclaim: {
    title: "when reclaim and MADV_PAGEOUT flush, and how others learn that they have not yet",
    variants: {
      "batched-counters": {
        title: "once for a batch of pages; each address space counts pending and flushed ones (5.17)",
      },
      "batched-flag": { title: "once for a batch of pages; each address space has a flag (2017 to 5.16)" },
      eager: { title: "each entry, before its page-table lock is dropped" },
      unified: { title: "once for a batch; page tables and address spaces have generations, of gathers too" },
    },
  },
  "uffd-hint": {
    title: "which bits UFFDIO_COPY, ZEROPAGE and CONTINUE set beforehand",
    variants: {
      none: { title: "no hints exist: accessed and dirty" },
      unhinted: { title: "hints exist and none is given: neither accessed nor dirty" },
      "access-likely": { title: "accessed" },
      "write-likely": { title: "accessed and dirty; ZEROPAGE gives a page of its own" },
    },
  },
  thp: {
    title: "which private memory gets pages of 2M (transparent huge pages)",
    variants: {
      never: { title: "none; MADV_COLLAPSE does nothing" },
      madvise: { title: "what MADV_HUGEPAGE asks it for, and what MADV_COLLAPSE makes" },
      always: { title: "every aligned 2M of a mapping, at its first fault" },
    },
  },
  pti: {
    title: "whether user mode has PCIDs of its own (page-table isolation)",
    variants: {
      auto: { title: "as the machine needs it" },
      on: {
        title:
          "yes: dearer entries and INVLPG; a full flush of the user half waits for the return to user mode",
      },
      off: { title: "no" },
    },
  },
};

/** All slots, those without a choice too. */
export const slots: Readonly<Record<string, Slot>> = {
  ...chosen,
  migrate: { title: "when migration, promotion and demotion flush", variants: {} },
  fault: { title: "how a fault finds its mapping and its page table", variants: {} },
  notify: { title: "when secondary MMUs are told", variants: {} },
};

/**
 * `base` with some slots set to other variants.
 *
 * Throws: UsageError for a slot or a variant that does not exist, naming the nearest one that does.
 */
export function withVariants(base: Slots, set: Readonly<Record<string, string>>): Slots {
  for (const [name, variant] of Object.entries(set)) {
    const slot = slots[name];
    if (slot === undefined) throw unknownName("slot", name, Object.keys(slots));
    const known = Object.keys(slot.variants);
    if (known.length === 0)
      throw new UsageError(`slot '${name}' has no variants to choose from in this version`);
    if (!known.includes(variant)) throw unknownName(`variant of slot '${name}'`, variant, known);
  }
  return { ...base, ...set };
}
