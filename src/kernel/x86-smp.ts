/** The interrupt that makes a CPU look into its call queue. */

import { type ProgramSource, program } from "../dsl/index.js";
import type { KernelOptions } from "./options.js";
import { csd_unlock } from "./smp.js";
import { flush_tlb_func, requestOf } from "./tlb-func.js";

/**
 * Serve every call that is waiting, each acknowledged behind its flush.
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
        if (opt.fix["A-early-ack"]) csd_unlock(k, from);
        flush_tlb_func(k, opt, requestOf(from));
        if (!opt.fix["A-early-ack"]) csd_unlock(k, from);
      },
    );
    // An earlier interrupt has served what this one was raised for.
    k.if(served.get().eq(0), () => k.count("ipis.wasted"));
  });
}
