/**
 * The stage of the races about reclaim: page 0 is in use on the last CPU, CPU 1 reclaims, CPU 0 does something that relies on entries
 * being absent. CPU 1 runs a task of an address space of its own, as a kernel thread would.
 */

import type { Doing, Liberty, SetupStep } from "../dsl/case.js";
import { type Builder, type ProgramSource, program, routine, u64 } from "../dsl/index.js";
import { type Mm, mm_struct, mmOf } from "../kernel/mm_types.js";
import type { KernelOptions, Mutants, Tunables } from "../kernel/options.js";
import { pte_none } from "../kernel/pte.js";
import { clearAndFlush } from "../kernel/rmap.js";
import { flush_tlb_batched_pending, try_to_unmap_flush } from "../kernel/rmap-batch.js";
import { damon_get_folio, reclaim_pages } from "../kernel/vmscan.js";
import { ANON_RW, mmNumber, populatePages, withPte } from "./pages.js";
import { call, stage } from "./stage.js";

export const UNMAPPED = "unmapped by reclaim, not flushed";
export const RELIED = "found absent, relied on";

/** Takes a page's entry out as reclaim does, and puts the flush off. `flushes`: it comes behind it, as that of a batch of one page. */
export function unmapBatched(opt: KernelOptions, flushes = false): ProgramSource {
  return program(flushes ? "unmap_and_flush" : "unmap_batched", ["mm", "vpn"], (k, args) => {
    const mm = mmNumber(k, args.mm);
    withPte(k, mm, args.vpn, (pte, table) => {
      clearAndFlush(k, opt, { mm, table, vpn: args.vpn, pte });
    });
    k.window(UNMAPPED);
    if (flushes) try_to_unmap_flush(k, opt);
  });
}

const unmapFirst = routine("unmap_first", (k: Builder, opt: KernelOptions, mm: Mm) => {
  const vpn = u64.of(0);
  withPte(k, mm, vpn, (pte, table) => {
    clearAndFlush(k, opt, { mm, table, vpn, pte });
  });
});

/** One batch for page 0 of each of two address spaces: behind its flush, nobody may use them. */
export function unmapInTwo(opt: KernelOptions): ProgramSource {
  return program("unmap_in_two", ["one", "other"], (k, args) => {
    const spaces = [args.one, args.other].map((id, at) =>
      mmOf(id, k.read(`mm->pgd ${at}`, mm_struct.at(id).pgd)),
    );
    for (const mm of spaces) unmapFirst(k, opt, mm);
    k.window(UNMAPPED);
    try_to_unmap_flush(k, opt);
    for (const [at, mm] of spaces.entries()) k.promise(mm.root, 0, 1, "none", `promise ${at}`);
  });
}

/**
 * What zap_pte_range(), change_pte_range() and their kin do about an entry that is absent: nothing, once they have asked whether reclaim
 * owes a flush. Then nobody may use the page any more.
 */
export function relyOnAbsence(
  opt: KernelOptions,
  name = "rely_on_absence",
  ask = flush_tlb_batched_pending,
): ProgramSource {
  return program(name, ["mm", "vpn"], (k, args) => {
    const mm = mmNumber(k, args.mm);
    const absent = k.var(false, "absent");
    withPte(k, mm, args.vpn, (pte, table) => {
      ask(k, opt, mm, table);
      absent.set(pte_none(k.read("ptep_get", pte)));
    });
    k.if(absent.get(), () => {
      k.window(RELIED);
      k.promise(mm.root, args.vpn, args.vpn.add(1), "none");
    });
  });
}

/** Reclaims one page, with all that belongs to it. */
export function pageoutFolio(opt: KernelOptions): ProgramSource {
  return program("pageout_folio", ["pfn"], (k: Builder, { pfn }) => {
    const list = k.var(0, "folio_list");
    damon_get_folio(k, pfn, list);
    reclaim_pages(k, opt, list);
  });
}

export interface Reclaimed {
  readonly policy?: string;
  readonly set?: Readonly<Record<string, string>>;
  readonly mutants?: Mutants;
  readonly tunables?: Partial<Tunables>;
  readonly entries?: readonly string[];
  readonly extra?: (opt: KernelOptions) => readonly ProgramSource[];
  readonly model?: "tso" | "weak";
  /** Pages mapped from 0 on, all of them touched by CPU 2; a page table maps two. 1 unless said. */
  readonly pages?: number;
  /** CPU 0 runs a thread of the address space too, for system calls; without it, it runs nothing. */
  readonly caller?: boolean;
  /** What comes behind the rest of the setup. */
  readonly setup?: readonly SetupStep[];
  /** By CPU. */
  readonly does: readonly (readonly Doing[])[];
  readonly liberties?: readonly Liberty[];
  readonly windows: readonly string[];
}

/** The CPU that uses the pages. */
export const USER = 2;

/** Tasks 0 and 2 live in address space 0, the reclaiming task 1 in address space 1. */
export function reclaimed(play: Reclaimed) {
  const { pages = 1 } = play;
  return stage({
    ...(play.policy && { policy: play.policy }),
    ...(play.set && { set: play.set }),
    ...(play.mutants && { mutants: play.mutants }),
    ...(play.tunables && { tunables: play.tunables }),
    ...(play.entries && { entries: play.entries }),
    // Scenarios made of parts need no mapping, and nobody faults.
    makesPages: play.extra !== undefined,
    extra: play.extra ?? ((opt) => [unmapBatched(opt), relyOnAbsence(opt), populatePages()]),
    machine: {
      cpus: 3,
      mms: 2,
      tasks: 4,
      tables: 8,
      frames: 3 + pages,
      storeBuffer: 2,
      model: play.model ?? "tso",
      tlb: { sets: pages > 2 ? 4 : pages, ways: 1 },
    },
    setup: [
      { do: "task", task: 1, mm: 1 },
      { do: "switch", cpu: 1, task: 1 },
      { do: "task", task: 2, mm: 0 },
      { do: "switch", cpu: USER, task: 2 },
      ...(play.caller
        ? ([
            { do: "task", task: 0, mm: 0 },
            { do: "switch", cpu: 0, task: 0 },
          ] as const)
        : []),
      play.extra === undefined
        ? { do: "call", cpu: USER, entry: "populate", args: [pages] }
        : { do: "call", cpu: USER, entry: "mmap", args: [0, pages, ANON_RW] },
      ...Array.from({ length: pages }, (_, vpn): SetupStep => ({ do: "touch", cpu: USER, vpn, kind: 1 })),
      ...(play.setup ?? []),
    ],
    threads: play.does.map((does, cpu) => ({ cpu, does })).filter(({ does }) => does.length > 0),
    liberties: play.liberties ?? [{ cpu: USER, may: "touch", vpn: 0 }],
    windows: play.windows,
  });
}

/** Words of `tlb_flush_batched` in the state of a burst that has begun. */
export function batchedIs(value: number): SetupStep {
  return { do: "set", record: "mm", index: 0, field: "tlb_flush_batched", value };
}

export const unmap = (vpn: number): Doing => call("unmap_batched", 0, vpn);
export const rely = (vpn: number): Doing => call("rely_on_absence", 0, vpn);
export const pageout = (vpn: number): Doing => call("pageout_folio", { frameAt: { mm: 0, vpn } });
