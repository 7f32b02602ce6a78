/** The interrupt that makes a CPU look into its call queue. */

import {
  type Builder,
  bool,
  type Expr,
  type ProgramSource,
  program,
  routine,
  type U64,
} from "../dsl/index.js";
import type { KernelOptions } from "./options.js";
import { csd_unlock } from "./smp.js";
import { flush_tlb_func, requestOf, takeOver } from "./tlb-func.js";
import { flush_tlb_info } from "./tlbflush.js";

/**
 * Serve every call that is waiting, each acknowledged as the slot `shootdown` says: behind its flush, unless that is `early-ack`.
 *
 * Source: linux arch/x86/kernel/smp.c, sysvec_call_function(), and kernel/smp.c, __flush_smp_call_function_queue().
 * Simplified: the queue is taken one call at a time, where Linux takes the whole list at once.
 */
export function call_function_interrupt(opt: KernelOptions): ProgramSource {
  return program("call_function_interrupt", [], (k) => {
    const initiator = k.var(k.cpus, "initiator");
    const served = k.var(0, "served");
    k.while(
      () => {
        initiator.set(k.queuePop("llist_del_all"));
        return initiator.get().lt(k.cpus);
      },
      () => {
        const from = k.copy(initiator.get(), "from");
        served.set(served.get().add(1));
        if (opt.slots.shootdown === "early-ack") answerFirst(k, opt, from);
        else flushFirst(k, opt, from);
      },
    );
    // An earlier interrupt has served what this one was raised for.
    k.if(served.get().eq(0), () => k.count("ipis.wasted"));
  });
}

function flushFirst(k: Builder, opt: KernelOptions, from: Expr<U64>): void {
  if (opt.fix["A-early-ack"]) csd_unlock(k, from);
  flush_tlb_func(k, opt, requestOf(from));
  if (!opt.fix["A-early-ack"]) csd_unlock(k, from);
}

/**
 * Acknowledge as soon as the request is known: this CPU cannot use a user translation before it has flushed. Its walker can, so that
 * freed page tables have to wait for the flush.
 *
 * Source: Amit, Tai, Wei, "Don't shoot down TLB shootdowns!", EuroSys 2020, early acknowledgement. Left out: the kernel's own accesses to
 * user memory, from a handler that interrupts this one.
 */
const answerFirst = routine("flush_tlb_func.early_ack", (k: Builder, opt: KernelOptions, from: Expr<U64>) => {
  const f = takeOver(k, opt, requestOf(from));
  const freed_tables = k.read("f->freed_tables", flush_tlb_info.at(from).info_freed_tables);
  const waits = opt.fix["A-early-ack-freed"] ? bool.of(false) : freed_tables;
  k.if(waits.not(), () => {
    csd_unlock(k, from, "csd_unlock early");
    k.window("acknowledged, not flushed");
  });
  flush_tlb_func(k, opt, f);
  k.if(waits, () => csd_unlock(k, from));
});
