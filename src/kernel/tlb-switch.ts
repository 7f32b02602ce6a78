/** Loading another address space on this CPU, and borrowing the old one while idle. Part of Linux's tlb.c. */

import { type Bool, type Builder, bool, type Expr, routine, type U64, type Var } from "../dsl/index.js";
import { mm_pgd } from "./fork-mm.js";
import { mm_struct } from "./mm_types.js";
import type { KernelOptions } from "./options.js";
import { is_global_asid, mm_needs_global_asid, useGlobalAsid } from "./tlb-asid.js";
import { flush_tlb_local } from "./tlb-user.js";
import {
  cpu_tlbstate,
  ctxs,
  INIT_MM,
  INIT_MM_PCID,
  INIT_MM_ROOT,
  LOADED_MM_SWITCHING,
  mmPointer,
  running_pcid,
  TLB_NR_DYN_ASIDS,
} from "./tlbflush.js";

/** The slot that an address space gets, and whether what the slot holds is too old. */
interface NewAsid {
  readonly asid: Var<U64>;
  readonly need_flush: Var<Bool>;
}

/**
 * Load an address space. Interrupts are off.
 *
 * The pair of orders that makes it safe: this CPU announces SWITCHING and then reads the generation; a flusher raises
 * the generation and then reads loaded_mm. At least one of the two sees the other.
 * Source: linux arch/x86/mm/tlb.c, switch_mm_irqs_off().
 */
export const switch_mm_irqs_off = routine(
  "switch_mm_irqs_off",
  (k: Builder, opt: KernelOptions, next: Expr<U64>) => {
    const me = cpu_tlbstate.at(k.cpu());
    const prev = k.read("prev", me.loaded_mm);
    const was_lazy = k.read("was_lazy", me.is_lazy);
    k.if(was_lazy, () => k.write("is_lazy", me.is_lazy, false));
    k.if(
      prev.eq(mmPointer(next)),
      () => staysLoaded(k, opt, next, was_lazy),
      () => switchTo(k, opt, next),
    );
  },
);

/** A number of its own for the address space may have to go first; what has a global one is up to date all the time. */
function staysLoaded(k: Builder, opt: KernelOptions, next: Expr<U64>, was_lazy: Expr<Bool>): void {
  const missed = (): void => k.if(was_lazy, () => catchUp(k, opt, next));
  if (opt.globalAsids) {
    const mm = mm_struct.at(next);
    const asid = k.read("prev_asid", cpu_tlbstate.at(k.cpu()).loaded_mm_asid);
    const global_asid = k.read("mm_global_asid", mm.global_asid);
    k.if(
      mm_needs_global_asid(global_asid, asid),
      () => useGlobalAsid(k, opt, mm, global_asid),
      () => k.if(is_global_asid(asid).not(), missed),
    );
  } else missed();
}

/**
 * The address space was loaded all the time, but flushes have passed this CPU by while it was lazy.
 *
 * Source: linux arch/x86/mm/tlb.c, switch_mm_irqs_off(), where prev == next.
 */
const catchUp = routine("switch_mm_irqs_off.unlazy", (k: Builder, opt: KernelOptions, next: Expr<U64>) => {
  if (opt.fix["A-lazy-no-catch-up"]) return;
  const mm = mm_struct.at(next);
  k.fence("smp_mb", "mb");
  const next_tlb_gen = k.read("next_tlb_gen", mm.tlb_gen);
  const asid = k.read("prev_asid", cpu_tlbstate.at(k.cpu()).loaded_mm_asid);
  const slot = ctxs(k.cpu(), asid);
  const tlb_gen = k.read("ctxs[prev_asid].tlb_gen", slot.tlb_gen);
  k.if(tlb_gen.ne(next_tlb_gen), () => {
    const pgd = k.read("next->pgd", mm.pgd);
    k.write("ctxs[prev_asid].tlb_gen = next_tlb_gen", slot.tlb_gen, next_tlb_gen);
    if (opt.pti) flush_tlb_local(k, opt, asid);
    k.loadCr3("load_new_mm_cr3", pgd, running_pcid(opt, asid), opt.pti);
    k.count("flushes.taskSwitch");
  });
});

/** Source: linux arch/x86/mm/tlb.c, switch_mm_irqs_off(), where prev != next. */
const switchTo = routine("switch_mm_irqs_off.switch", (k: Builder, opt: KernelOptions, next: Expr<U64>) => {
  const me = cpu_tlbstate.at(k.cpu());
  const mm = mm_struct.at(next);
  const pgd = mm_pgd(k, opt, next);
  const ctx_id = k.read("next->context.ctx_id", mm.ctx_id);
  k.write("LOADED_MM_SWITCHING", me.loaded_mm, LOADED_MM_SWITCHING);
  const inMask = k.maskTest("cpumask_test_cpu", mm.mm_cpumask, k.cpu());
  k.if(
    inMask,
    () => {
      if (!opt.fix["A-switch-barrier"]) k.fence("smp_mb", "mb");
    },
    () => k.maskSet("cpumask_set_cpu", mm.mm_cpumask, k.cpu()),
  );
  const next_tlb_gen = k.read("next_tlb_gen", mm.tlb_gen);
  const ns = { asid: k.var(0, "asid"), need_flush: k.var(true, "need_flush") };
  const choose = (): void => choose_new_asid(k, opt, ctx_id, next_tlb_gen, ns);
  if (opt.globalAsids) {
    const global_asid = k.read("mm_global_asid", mm.global_asid);
    k.if(global_asid.eq(0), choose, () => {
      ns.asid.set(global_asid);
      ns.need_flush.set(false);
    });
  } else if (opt.pcid) choose();
  const asid = ns.asid.get();
  const slot = ctxs(k.cpu(), asid);
  k.if(ns.need_flush.get(), () => {
    k.write("ctxs[asid].ctx_id", slot.ctx_id, ctx_id);
    k.write("ctxs[asid].tlb_gen", slot.tlb_gen, next_tlb_gen);
    k.count("flushes.taskSwitch");
    if (opt.pti) flush_tlb_local(k, opt, asid);
  });
  const noflush = opt.pti ? bool.of(true) : ns.need_flush.get().not();
  k.loadCr3("load_new_mm_cr3", pgd, running_pcid(opt, asid), noflush);
  // The flusher may take this CPU's word for it only after the new root is in force.
  k.fence("barrier", "cbar");
  k.write("loaded_mm", me.loaded_mm, mmPointer(next));
  k.write("loaded_mm_asid", me.loaded_mm_asid, asid);
});

/**
 * The slot that still has this address space, or else the next one in turn.
 *
 * Source: linux arch/x86/mm/tlb.c, choose_new_asid().
 */
const choose_new_asid = routine(
  "choose_new_asid",
  (k: Builder, opt: KernelOptions, ctx_id: Expr<U64>, next_tlb_gen: Expr<U64>, ns: NewAsid) => {
    const found = k.var(false, "found");
    k.forRange(
      0,
      TLB_NR_DYN_ASIDS,
      1,
      (asid) => {
        const slot = ctxs(k.cpu(), asid);
        const owner = k.read("ctxs[asid].ctx_id", slot.ctx_id);
        k.if(owner.eq(ctx_id), () => {
          const tlb_gen = k.read("ctxs[asid].tlb_gen", slot.tlb_gen);
          ns.asid.set(asid);
          ns.need_flush.set(opt.fix["A-slot-no-catch-up"] ? tlb_gen.lt(0) : tlb_gen.lt(next_tlb_gen));
          found.set(true);
        });
        k.breakIf(found.get());
      },
      "asid",
    );
    k.if(found.get().not(), () => {
      const { next_asid } = cpu_tlbstate.at(k.cpu());
      const turn = k.read("next_asid", next_asid);
      ns.asid.set(turn.lt(TLB_NR_DYN_ASIDS).select(turn, 0));
      k.write("next_asid = asid + 1", next_asid, ns.asid.get().add(1));
    });
  },
);

/**
 * Let go of the loaded address space. Interrupts are off.
 *
 * Source: linux arch/x86/mm/tlb.c, switch_mm_irqs_off() to init_mm, which here takes no PCID slot: it has no user page.
 */
export const switch_to_init_mm = routine("switch_mm_irqs_off.init_mm", (k: Builder, opt: KernelOptions) => {
  const me = cpu_tlbstate.at(k.cpu());
  k.write("is_lazy", me.is_lazy, false);
  k.write("LOADED_MM_SWITCHING", me.loaded_mm, LOADED_MM_SWITCHING);
  k.fence("smp_mb", "mb");
  k.loadCr3("load_new_mm_cr3", INIT_MM_ROOT, INIT_MM_PCID, opt.pcid);
  k.fence("barrier", "cbar");
  k.write("loaded_mm", me.loaded_mm, INIT_MM);
});

/** Idle time: keep the address space loaded, and be left alone. Source: linux arch/x86/mm/tlb.c, enter_lazy_tlb(). */
export const enter_lazy_tlb = routine("enter_lazy_tlb", (k: Builder) => {
  const me = cpu_tlbstate.at(k.cpu());
  const loaded_mm = k.read("loaded_mm", me.loaded_mm);
  k.if(loaded_mm.ne(INIT_MM), () => k.write("is_lazy", me.is_lazy, true));
});
