/** One flush for pages of many address spaces: whom it has to reach, and reaching them. Part of Linux's tlb.c. */

import {
  type Builder,
  bool,
  type CpuMask,
  type Expr,
  maskWord,
  routine,
  type U64,
  u64,
} from "../dsl/index.js";
import { type Mm, taskSize } from "./mm_types.js";
import type { KernelOptions } from "./options.js";
import { csd_lock_wait, smp_call_function_many } from "./smp.js";
import { cpumask_any_but_this, flushHere, get_flush_tlb_info, should_flush_tlb } from "./tlb-multi.js";
import { cpu_tlbstate, INIT_MM, TLB_FLUSH_ALL, TLB_GENERATION_INVALID } from "./tlbflush.js";

/** CPUs in one word of a mask. */
const BITS_PER_LONG = 64;

/** Source: linux include/linux/cpumask.h, cpumask_or(): a word after the other, each read once. */
export const cpumask_or = routine("cpumask_or", (k: Builder, into: CpuMask, from: CpuMask) => {
  for (let word = 0; word * BITS_PER_LONG < k.cpus; word++) {
    const part = k.read(`src ${word}`, maskWord(from, word));
    k.or(`dst ${word}`, maskWord(into, word), part);
  }
});

/**
 * A batch will flush an address space: raise its generation, and remember the CPUs that run it.
 *
 * In this order: a CPU that loads the address space too late to be remembered sees the new generation when it does.
 * Source: linux arch/x86/include/asm/tlbflush.h, arch_tlbbatch_add_pending(), and arch/arm64/include/asm/tlbflush.h.
 */
export const arch_tlbbatch_add_pending = routine(
  "arch_tlbbatch_add_pending",
  (k: Builder, opt: KernelOptions, batch: CpuMask, mm: Mm, vpn: Expr<U64>) => {
    if (opt.slots.shootdown === "tlbi") {
      // It may take effect from now on, anywhere; only waiting for it is put off.
      k.fence("dsb ishst", "mb");
      k.tlbi("tlbi vale1is", mm.root, vpn, vpn.add(1));
      return;
    }
    if (!opt.fix["C-no-gen-bump"]) k.addReturn("inc_mm_tlb_gen", mm.tlb_gen, 1);
    cpumask_or(k, batch, mm.mm_cpumask);
  },
);

/**
 * Make the CPUs of a batch flush whatever they have loaded, and forget them.
 *
 * Source: linux arch/x86/mm/tlb.c, arch_tlbbatch_flush().
 */
export const arch_tlbbatch_flush = routine(
  "arch_tlbbatch_flush",
  (k: Builder, opt: KernelOptions, batch: CpuMask) => {
    if (opt.slots.shootdown === "invlpgb") {
      // For all address spaces at once, whoever runs them.
      k.tlbi("invlpgb_flush_all_nonglobals", 0, 0, taskSize(k));
      k.dsb("__tlbsync");
      k.count("flushes.remote");
      k.maskZero("cpumask_clear", batch);
      return;
    }
    if (opt.slots.shootdown === "tlbi") {
      k.dsb("dsb ish");
      k.count("flushes.remote");
      return;
    }
    const everything = {
      from: u64.of(0),
      to: u64.of(TLB_FLUSH_ALL),
      stride: u64.of(0),
      freed: bool.of(false),
    };
    const gens = { first: u64.of(TLB_GENERATION_INVALID), last: u64.of(TLB_GENERATION_INVALID) };
    get_flush_tlb_info(k, opt, u64.of(INIT_MM), everything, gens);
    const targets = k.var(0, "targets");
    const local = k.var(false, "local");
    const others = cpumask_any_but_this(k, batch);
    local.set(k.maskTest("cpumask_test_cpu", batch, k.cpu()));
    const here = (): void => k.if(local.get(), () => flushHere(k, opt, u64.of(INIT_MM), everything, gens));
    if (opt.slots.shootdown === "serial-ipi") here();
    k.if(others, () => {
      k.if(local.get(), () => local.set(k.read("is_lazy", cpu_tlbstate.at(k.cpu()).is_lazy).not()));
      smp_call_function_many(k, batch, targets, (cpu) => {
        const asked = k.var(true, "asked");
        should_flush_tlb(k, opt, undefined, cpu, asked);
        return asked.get();
      });
    });
    if (opt.slots.shootdown !== "serial-ipi") here();
    k.if(
      targets.get().ne(0),
      () => {
        csd_lock_wait(k);
        k.count("flushes.remote");
      },
      () => k.if(local.get(), () => k.count("flushes.local")),
    );
    k.maskZero("cpumask_clear", batch);
  },
);
