/** Page-table isolation: user mode has PCIDs of its own, flushed when a CPU returns to it. Linux has it in tlb.c and in entry code. */

import {
  type Builder,
  bool,
  type Expr,
  type ProgramSource,
  record,
  routine,
  type U64,
  u64,
} from "../dsl/index.js";
import type { KernelOptions } from "./options.js";
import { cpu_tlbstate, kern_pcid, user_pcid } from "./tlbflush.js";

/** Linux has it in the registers that an interrupt saves: where it came from. */
export const entryState = record("cpu", { in_kernel: bool });

/**
 * Flush the kernel half of a slot now, and the user half on the way back to user mode.
 *
 * Source: linux arch/x86/mm/tlb.c, native_flush_tlb_local() and invalidate_user_asid().
 */
export const flush_tlb_local = routine(
  "native_flush_tlb_local",
  (k: Builder, opt: KernelOptions, asid: Expr<U64>) => {
    const { user_pcid_flush_mask } = cpu_tlbstate.at(k.cpu());
    if (opt.pti) k.or("invalidate_user_asid", user_pcid_flush_mask, u64.of(1).shl(asid));
    k.flushPcid("native_write_cr3", kern_pcid(opt, asid));
  },
);

/**
 * The last thing before user mode. A flush that an interrupt asks for meanwhile is done by its handler, because this CPU counts as being in
 * user mode already.
 *
 * Source: linux arch/x86/entry/calling.h, SWITCH_TO_USER_CR3. Without PCIDs the load of CR3 itself flushes.
 */
const exit_to_user_mode = routine("exit_to_user_mode", (k: Builder, opt: KernelOptions) => {
  k.write("in_kernel = false", entryState.at(k.cpu()).in_kernel, false);
  flushUserHalf(k, opt);
});

/** Source: linux arch/x86/entry/calling.h, SWITCH_TO_USER_CR3. */
const flushUserHalf = routine("SWITCH_TO_USER_CR3", (k: Builder, opt: KernelOptions) => {
  if (opt.fix["A-pti-no-exit-flush"]) return;
  const { user_pcid_flush_mask, loaded_mm_asid } = cpu_tlbstate.at(k.cpu());
  const asid = k.read("loaded_mm_asid", loaded_mm_asid);
  const mask = k.read("user_pcid_flush_mask", user_pcid_flush_mask);
  const bit = k.copy(u64.of(1).shl(asid), "bit");
  k.if(mask.and(bit).ne(0), () => {
    k.and("btr", user_pcid_flush_mask, bit.xor(ALL_BITS));
    k.flushPcid("wrcr3", user_pcid(opt, asid));
    k.count("flushes.full");
  });
});
const ALL_BITS = (1n << 64n) - 1n;

/** It may have interrupted either mode; other programs come from user mode. */
const HANDLER = "call_function_interrupt";

/** The programs with what they do first and last under page-table isolation; without it they stay as they are. */
export function withUserHalf(entries: readonly ProgramSource[], opt: KernelOptions): ProgramSource[] {
  return opt.pti ? entries.map((entry) => isolated(entry, opt)) : [...entries];
}

function isolated(entry: ProgramSource, opt: KernelOptions): ProgramSource {
  const enter = entry.name === HANDLER ? interrupts : entersFromUser;
  return {
    ...entry,
    body: (k, args) => {
      enter(k, opt);
      entry.body(k, args);
    },
  };
}

function entersFromUser(k: Builder, opt: KernelOptions): void {
  k.write("in_kernel = true", entryState.at(k.cpu()).in_kernel, true);
  k.atEnd(() => exit_to_user_mode(k, opt));
}

function interrupts(k: Builder, opt: KernelOptions): void {
  const in_kernel = k.read("user_mode(regs)", entryState.at(k.cpu()).in_kernel);
  k.atEnd(() => k.if(in_kernel.not(), () => flushUserHalf(k, opt)));
}
