/** The kernel as one assembled program: every entry that a scheduler can start, under one choice of variants. */

import { type AnyRecord, assemble, type Program, type ProgramSource } from "../dsl/index.js";
import { exec, exit } from "./exit.js";
import { i_pages } from "./filemap.js";
import { fork } from "./fork.js";
import { mmContextIds } from "./fork-mm.js";
import { ksm_merge } from "./ksm.js";
import { madvise } from "./madvise.js";
import { page_fault } from "./memory-fault.js";
import { task_numa_work } from "./mempolicy.js";
import { mm_struct } from "./mm_types.js";
import { brk, image, mmap, munmap } from "./mmap.js";
import { mmlist } from "./mmlist.js";
import { mprotect } from "./mprotect.js";
import { mremap } from "./mremap.js";
import { type KernelOptions, LINUX_TUNABLES, type Mutants, type Slots, type Tunables } from "./options.js";
import { page } from "./page.js";
import { msync } from "./page-writeback.js";
import { ptdesc } from "./pgtable.js";
import { tlbflush_unmap_batch } from "./rmap-batch.js";
import { unified_unmap_batch } from "./rmap-batch-unified.js";
import { context_switch, runqueue } from "./sched.js";
import { type Scheme, withPrograms } from "./scheme.js";
import { call_function_data } from "./smp.js";
import { swap_info } from "./swapfile.js";
import { task_struct } from "./task.js";
import { clear_refs } from "./task_mmu.js";
import { globalAsids } from "./tlb-asid.js";
import { entryState, withUserHalf } from "./tlb-user.js";
import { cpu_tlbstate, flush_tlb_info } from "./tlbflush.js";
import { userfaultfd_writeprotect } from "./userfaultfd.js";
import { uffd_fill } from "./userfaultfd-fill.js";
import { reclaim } from "./vmscan.js";
import { call_function_interrupt } from "./x86-smp.js";
import { zero_page_pfn } from "./zero_page.js";

/** All shared state of these programs, in the order of its words. */
export const kernelRecords: readonly AnyRecord[] = [
  zero_page_pfn,
  mmContextIds,
  i_pages,
  mm_struct,
  globalAsids,
  cpu_tlbstate,
  flush_tlb_info,
  entryState,
  runqueue,
  call_function_data,
  task_struct,
  ptdesc,
  page,
  swap_info,
  tlbflush_unmap_batch,
  unified_unmap_batch,
  mmlist,
];

/** What the programs are assembled for. */
export interface KernelTarget {
  readonly cpus: number;
  /** Bits of a page number that each page-table level decodes: 9 on real machines. */
  readonly radixBits: number;
  /** The machine tags translations with PCIDs; it does unless said. */
  readonly pcid?: boolean;
  /** The machine needs page-table isolation; no unless said. The slot `pti` may decide otherwise. */
  readonly pti?: boolean;
  readonly mutants?: Mutants;
  readonly tunables?: Partial<Tunables>;
  readonly scheme?: Scheme;
}

/** What routines of the kernel are assembled with, for programs that call them outside of the kernel's own entries. */
export function kernelOptions(slots: Slots, target: Omit<KernelTarget, "cpus" | "radixBits">): KernelOptions {
  const pcid = target.pcid ?? true;
  const pti = slots.pti === "on" || (slots.pti === "auto" && (target.pti ?? false));
  return {
    slots,
    fix: target.mutants ?? {},
    tunables: { ...LINUX_TUNABLES, ...target.scheme?.tunables, ...target.tunables },
    pcid,
    pti,
    thp: slots.thp !== "never",
    globalAsids: slots.shootdown === "invlpgb" && pcid && !pti,
    generations: slots.pending === "deferred-gen" || slots.reclaim === "unified",
  };
}

/** The entries, for those who add some of their own and assemble them together with kernelRecords. */
export function kernelEntries(
  slots: Slots,
  target: Omit<KernelTarget, "cpus" | "radixBits">,
): ProgramSource[] {
  const opt = kernelOptions(slots, target);
  const entries = [
    mmap,
    munmap,
    mprotect,
    madvise,
    brk,
    mremap,
    fork,
    exit,
    exec,
    image,
    uffd_fill,
    userfaultfd_writeprotect,
    clear_refs,
    task_numa_work,
    ksm_merge,
    msync,
    reclaim,
    page_fault,
    context_switch,
    call_function_interrupt,
  ].map((entry) => entry(opt));
  const programs = withPrograms(entries, target.scheme, opt);
  return withUserHalf(programs, opt);
}

/** The same variants and target always give the same bytes. */
export function kernelProgram(slots: Slots, target: KernelTarget): Program {
  const { cpus, radixBits, scheme } = target;
  return assemble({
    entries: kernelEntries(slots, target),
    records: [...kernelRecords, ...(scheme?.records ?? [])],
    cpus,
    radixBits,
    replace: scheme?.routines ?? [],
  });
}
