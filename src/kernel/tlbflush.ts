/** What each CPU knows of its own TLB: the loaded address space, its PCID slots, and the flush it is asking for. */

import { array, bool, type Expr, type Field, type Operand, record, type U64, u64 } from "../dsl/index.js";
import type { KernelOptions } from "./options.js";
import { padding } from "./padding.js";

/** The generation that stands for none, and the end of a flush of everything. */
export const TLB_GENERATION_INVALID = 0;
export const TLB_FLUSH_ALL = (1n << 64n) - 1n;

/** `loaded_mm` holds a pointer in Linux; here 0, 1, or the id + 2. */
export const INIT_MM = 0;
export const LOADED_MM_SWITCHING = 1;
export function mmPointer(id: Expr<U64>): Expr<U64> {
  return id.add(2);
}
export function mmId(pointer: Expr<U64>): Expr<U64> {
  return pointer.sub(2);
}

/** The address space that has no user page: root 0, PCID 0, no slot. Source: linux mm/init-mm.c. */
export const INIT_MM_ROOT = 0;
export const INIT_MM_PCID = 0;

/** PCID slots of a CPU. */
export const TLB_NR_DYN_ASIDS = 6;

/**
 * Source: linux arch/x86/include/asm/tlbflush.h, struct tlb_state and tlb_state_shared.
 *
 * is_lazy has a cache line of its own, because every flusher reads it.
 */
export const cpu_tlbstate = record("cpu", {
  loaded_mm: u64,
  loaded_mm_asid: u64,
  next_asid: u64,
  /** cpu_tlbstate.ctxs[].ctx_id and .tlb_gen: whose translations a PCID slot holds, flushed up to which generation. */
  ctx_ids: array(TLB_NR_DYN_ASIDS, u64),
  tlb_gens: array(TLB_NR_DYN_ASIDS, u64),
  /** Bit n: what the user half of PCID slot n holds has to go before this CPU returns to user mode. Page-table isolation only. */
  user_pcid_flush_mask: u64,
  /** The loaded address space is only borrowed: user memory is not touched until the next switch. */
  is_lazy: bool,
  padBehindShared: padding(7),
});

/** cpu_tlbstate.ctxs[asid] of one CPU. */
export function ctxs(cpu: Expr<U64>, asid: Operand<U64>): { ctx_id: Field<U64>; tlb_gen: Field<U64> } {
  const { ctx_ids, tlb_gens } = cpu_tlbstate.at(cpu);
  return { ctx_id: ctx_ids.at(asid), tlb_gen: tlb_gens.at(asid) };
}

/** Hardware PCID 0 is never a slot's. Source: linux arch/x86/mm/tlb.c, kern_pcid(). */
export function kern_pcid(opt: KernelOptions, asid: Expr<U64>): Expr<U64> {
  return opt.pcid ? asid.add(1) : asid;
}

/** Under page-table isolation user mode has PCIDs of its own. Source: linux arch/x86/mm/tlb.c, user_pcid(). */
export function user_pcid(opt: KernelOptions, asid: Expr<U64>): Expr<U64> {
  return opt.pcid ? kern_pcid(opt, asid).or(X86_CR3_PTI_PCID_USER_BIT) : asid;
}
const X86_CR3_PTI_PCID_USER_BIT = 1n << 11n;

/**
 * The PCID that user translations are tagged with.
 *
 * Simplified: under page-table isolation it is loaded in the kernel too, which reads no user memory here. What an entry and an exit pay for
 * the other CR3 is in the machine preset.
 */
export function running_pcid(opt: KernelOptions, asid: Expr<U64>): Expr<U64> {
  return opt.pti ? user_pcid(opt, asid) : kern_pcid(opt, asid);
}

/**
 * The request that a CPU is making, read by the CPUs that it interrupts. It has one at a time.
 *
 * Units: start and end are page numbers, end exclusive; a flush steps by 1 << stride_shift pages.
 * Source: linux arch/x86/include/asm/tlbflush.h, struct flush_tlb_info.
 */
export const flush_tlb_info = record("cpu", {
  info_mm: u64,
  info_start: u64,
  info_end: u64,
  info_stride_shift: u64,
  info_new_tlb_gen: u64,
  /** The first of the generations that the request is about; all are the same one but under unified reclaim. */
  info_first_tlb_gen: u64,
  /** Page tables of the range are about to be freed. Here only an early acknowledgement asks for it. */
  info_freed_tables: bool,
  padBehindInfo: padding(1),
});
