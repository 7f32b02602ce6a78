/**
 * The stage of the races about pending flushes: one CPU has page 0 writable in its TLB and may write at any time, while others take the
 * right away, and copy or compare the page.
 */

import type { Doing, Liberty, SetupStep } from "../dsl/case.js";
import { bool, type ProgramSource, program } from "../dsl/index.js";
import {
  dec_tlb_flush_pending,
  inc_tlb_flush_pending,
  mm_tlb_flush_nested,
} from "../kernel/mm_types-pending.js";
import { protectStyle } from "../kernel/mmu_gather.js";
import type { KernelOptions, Mutants } from "../kernel/options.js";
import { folio_get } from "../kernel/page.js";
import { type Pte, pte_t } from "../kernel/pte.js";
import { flush_tlb_mm, flush_tlb_page } from "../kernel/tlb.js";
import { mwriteprotect_range } from "../kernel/userfaultfd.js";
import { ANON_RW, mmNumber, withPte } from "./pages.js";
import { call, stage, store, threadsOf } from "./stage.js";

/** A private mapping that userfaultfd watches. */
export const WATCHED_RW = ANON_RW | (1n << 6n);
/** A shared mapping of file 1. */
export const SHARED_FILE = 0b11_0111n | (1n << 8n);

/** Modes of userfaultfd_writeprotect, advice of madvise, rights of mprotect. */
export const PROTECT = 1;
export const RESOLVE = 0;
export const MADV_DONTNEED = 4;
export const MADV_FREE = 8;
export const PROT_READ_WRITE_EXEC = 7;

export const COPIED = "copied, old frame still writable elsewhere";
export const PROTECTED = "protected, unlocked, TLBs still warm";

/** Takes a reference to the page mapped at `vpn`, as get_user_pages() does: somebody else uses the page for a while. */
export function getUserPage(): ProgramSource {
  return program("get_user_page", ["mm", "vpn"], (k, args) => {
    withPte(k, mmNumber(k, args.mm), args.vpn, (pte) => folio_get(k, k.read("follow_page_pte", pte).pfn));
  });
}

/**
 * Changes one entry as the callers of a gather do: announced, exchanged under the lock, flushed behind it. `own`: the change needs a
 * flush; without it, only another gather that is open is a reason for one.
 */
export function announcedChange(
  opt: KernelOptions,
  name: string,
  own: boolean,
  change: (old: Pte) => Pte,
): ProgramSource {
  return program(name, ["mm", "vpn"], (k, args) => {
    const mm = mmNumber(k, args.mm);
    inc_tlb_flush_pending(k, opt, mm);
    withPte(k, mm, args.vpn, (pte) => {
      const old = k.xchg("ptep_modify_prot_start", pte, pte_t.zero);
      k.write("ptep_modify_prot_commit", pte, change(old));
    });
    k.window(`${name}: changed, not flushed`);
    if (own) flush_tlb_page(k, opt, mm, args.vpn);
    else k.if(mm_tlb_flush_nested(k, mm), () => flush_tlb_mm(k, opt, mm));
    dec_tlb_flush_pending(k, opt, mm);
  });
}

/** For races in which it does not matter how a flush reaches the CPUs: it is one event. The scenarios of section A are about the rest. */
export const AT_ONCE = { shootdown: "coherent" };

export interface StaleWriter {
  /** 3 unless said. */
  readonly cpus?: number;
  /** The CPU with the stale translation; the last one unless said. */
  readonly writer?: number;
  readonly set?: Readonly<Record<string, string>>;
  /** Flushes go by interrupts, as in Linux; otherwise a flush is one event. */
  readonly interrupts?: boolean;
  readonly mutants?: Mutants;
  readonly entries: readonly string[];
  readonly extra?: (opt: KernelOptions) => readonly ProgramSource[];
  /** The word of the mapping, of `pages` pages; ANON_RW and 1 unless said. */
  readonly mapping?: bigint;
  readonly pages?: number;
  /** Somebody else has a reference to page 0. */
  readonly referenced?: boolean;
  /** What comes behind the rest of the setup. */
  readonly setup?: readonly SetupStep[];
  /** By CPU. */
  readonly does: readonly (readonly Doing[])[];
  readonly liberties?: readonly Liberty[];
  readonly windows: readonly string[];
}

export function staleWriter(play: StaleWriter) {
  const { cpus = 3, pages = 1, setup = [] } = play;
  const writer = play.writer ?? cpus - 1;
  return stage({
    set: { ...(!play.interrupts && AT_ONCE), ...play.set },
    ...(play.mutants && { mutants: play.mutants }),
    entries: play.entries,
    extra: (opt) => [...(play.referenced ? [getUserPage()] : []), ...(play.extra?.(opt) ?? [])],
    machine: {
      cpus,
      mms: 1,
      tasks: cpus,
      tables: 6,
      frames: 6,
      storeBuffer: 2,
      tlb: { sets: pages > 1 ? 2 : 1, ways: 1 },
    },
    setup: [
      ...threadsOf(0, cpus),
      { do: "call", cpu: 0, entry: "mmap", args: [0, pages, play.mapping ?? ANON_RW] },
      { do: "touch", cpu: writer, vpn: 0, kind: 1 },
      ...(play.referenced ? [{ do: "call", cpu: 0, entry: "get_user_page", args: [0, 0] } as const] : []),
      ...setup,
    ],
    threads: play.does.map((does, cpu) => ({ cpu, does })).filter(({ does }) => does.length > 0),
    liberties: play.liberties ?? [{ cpu: writer, may: "touch", vpn: 0, kind: 1 }],
    windows: play.windows,
  });
}

/** The kernel of 2020: a write fault copies a page that has another reference, and protection is lifted without the write right. */
export const KERNEL_OF_2020: Mutants = { "cow-by-refcount": true, "B-uffd-no-upgrade": true };

/**
 * CPU 0 lifts userfaultfd's write protection of a page that somebody else has a reference to, CPU 1 writes to it, CPU 2 has it
 * writable in its TLB.
 */
export function liftedWhileWritten(
  set: Readonly<Record<string, string>>,
  mutants: Mutants = {},
  windows: readonly string[] = [COPIED],
) {
  return staleWriter({
    set,
    mutants: { ...KERNEL_OF_2020, ...mutants },
    entries: ["userfaultfd_writeprotect"],
    mapping: WATCHED_RW,
    referenced: true,
    does: [[call("userfaultfd_writeprotect", 0, 1, RESOLVE)], [store(0)]],
    windows,
  });
}

/** A monitor in another process: it does not run in the address space, so its CPU has nothing to flush. */
function monitor(opt: KernelOptions): ProgramSource {
  return program("monitor_lifts", ["mm", "start", "end"], (k, { mm: id, start, end }) => {
    const mm = mmNumber(k, id);
    k.readLocked(mm.mmap_lock, () =>
      mwriteprotect_range(k, opt, mm, protectStyle(opt), start, end, bool.of(false)),
    );
  });
}

/** The same by a monitor on CPU 2, with CPU 0 as the writer, and with flushes by interrupts. */
export function liftedByMonitor(set: Readonly<Record<string, string>>, mutants: Mutants = {}) {
  return stage({
    set,
    mutants: { ...KERNEL_OF_2020, ...mutants },
    extra: (opt) => [getUserPage(), monitor(opt)],
    machine: { cpus: 3, mms: 1, tasks: 2, tables: 6, frames: 5, storeBuffer: 2, tlb: { sets: 1, ways: 1 } },
    setup: [
      ...threadsOf(0, 2),
      { do: "call", cpu: 0, entry: "mmap", args: [0, 1, WATCHED_RW] },
      { do: "touch", cpu: 0, vpn: 0, kind: 1 },
      { do: "call", cpu: 0, entry: "get_user_page", args: [0, 0] },
    ],
    threads: [
      { cpu: 1, does: [store(0)] },
      { cpu: 2, does: [call("monitor_lifts", 0, 0, 1)] },
    ],
    liberties: [{ cpu: 0, may: "touch", vpn: 0, kind: 1 }],
    windows: [COPIED],
  });
}
