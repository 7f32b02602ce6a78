/** Global ASIDs: an address space that is busy on several CPUs has one PCID on all of them. Part of Linux's tlb.c. */

import {
  type Bool,
  type Builder,
  type Expr,
  type RecordHandle,
  record,
  routine,
  spinlock,
  type U64,
  u64,
} from "../dsl/index.js";
import type { mm_struct } from "./mm_types.js";
import type { KernelOptions } from "./options.js";
import { cpu_tlbstate, kern_pcid, TLB_NR_DYN_ASIDS } from "./tlbflush.js";

/** Source: linux arch/x86/mm/tlb.c, last_global_asid and its lock. Left out: a number is handed out once only. */
export const globalAsids = record("global", {
  global_asid_lock: spinlock("global_asid_lock"),
  /** Global ASIDs handed out. */
  global_asids_used: u64,
});

/** The CPU has a number of its own for the address space, which is to have one for all. Source: mm_needs_global_asid() there. */
export function mm_needs_global_asid(global_asid: Expr<U64>, asid: Expr<U64>): Expr<Bool> {
  return global_asid.ne(0).and(is_global_asid(asid).not());
}

export function is_global_asid(asid: Expr<U64>): Expr<Bool> {
  return asid.ge(TLB_NR_DYN_ASIDS);
}

/**
 * The CPU goes on under the number that its address space has everywhere. Nothing older than the last broadcast can be tagged with it.
 *
 * Source: linux arch/x86/mm/tlb.c, switch_mm_irqs_off() where the address space stays and mm_needs_global_asid().
 */
export const useGlobalAsid = routine(
  "switch_mm_irqs_off.global_asid",
  (k: Builder, opt: KernelOptions, mm: RecordHandle<typeof mm_struct>, global_asid: Expr<U64>) => {
    const pgd = k.read("next->pgd", mm.pgd);
    k.loadCr3("load_new_mm_cr3", pgd, kern_pcid(opt, global_asid), true);
    k.fence("barrier", "cbar");
    k.write("loaded_mm_asid", cpu_tlbstate.at(k.cpu()).loaded_mm_asid, global_asid);
  },
);
