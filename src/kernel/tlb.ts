/** Flushing TLBs: the CPU that asks (initiator), and the CPUs that comply (responders). */

import { type Bool, type Builder, bool, type Expr, type Operand, routine, u64, type U64, type Var } from "../dsl/index.js";
import { type Mm, mm_struct, taskSize } from "./mm_types.js";
import type { KernelOptions } from "./options.js";
import { csd_lock_wait, smp_call_function_many } from "./smp.js";
import { switch_to_init_mm } from "./tlb-switch.js";
import {
  cpu_tlbstate,
  ctxs,
  flush_tlb_info,
  INIT_MM,
  kern_pcid,
  LOADED_MM_SWITCHING,
  mmId,
  mmPointer,
  TLB_FLUSH_ALL,
  TLB_GENERATION_INVALID,
} from "./tlbflush.js";

/** What flush_tlb_func() is told. A responder reads it from the initiator's record, member by member, when needed. */
export interface FlushRequest {
  /** Pointer of the address space. */
  readonly mm: (k: Builder) => Expr<U64>;
  readonly start: (k: Builder) => Expr<U64>;
  readonly end: (k: Builder) => Expr<U64>;
  readonly stride_shift: (k: Builder) => Expr<U64>;
  readonly new_tlb_gen: (k: Builder) => Expr<U64>;
  /** Counts an interrupt that found nothing to do. */
  readonly wasted: (k: Builder) => void;
}

/** The request of another CPU, as its flush_tlb_info says. */
export function requestOf(initiator: Expr<U64>): FlushRequest {
  const info = flush_tlb_info.at(initiator);
  return {
    mm: (k) => k.read("f->mm", info.info_mm),
    start: (k) => k.read("f->start", info.info_start),
    end: (k) => k.read("f->end", info.info_end),
    stride_shift: (k) => k.read("f->stride_shift", info.info_stride_shift),
    new_tlb_gen: (k) => k.read("f->new_tlb_gen", info.info_new_tlb_gen),
    wasted: (k) => k.count("ipis.wasted"),
  };
}

/**
 * Make this CPU's TLB follow one request. Interrupts are off.
 *
 * A CPU that does not run the address space any more leaves its mask; a lazy one lets go of it altogether, because it
 * could walk tables speculatively that are about to be freed.
 * Source: linux arch/x86/mm/tlb.c, flush_tlb_func(). Simplified: no global ASIDs.
 */
export const flush_tlb_func = routine(
  "flush_tlb_func",
  (k: Builder, opt: KernelOptions, f: FlushRequest) => {
    const me = cpu_tlbstate.at(k.cpu());
    const loaded_mm = k.read("loaded_mm", me.loaded_mm);
    const mm = f.mm(k);
    k.if(
      mm.ne(INIT_MM).and(mm.ne(loaded_mm)),
      () => {
        k.maskClear("cpumask_clear_cpu", mm_struct.at(mmId(mm)).mm_cpumask, k.cpu());
        f.wasted(k);
      },
      () =>
        k.if(
          loaded_mm.eq(INIT_MM),
          () => f.wasted(k),
          () => {
            const is_lazy = k.read("is_lazy", me.is_lazy);
            k.if(
              is_lazy,
              () => switch_to_init_mm(k, opt),
              () => flushLoadedMm(k, opt, mmId(loaded_mm), f),
            );
          },
        ),
    );
  },
);

/** The part of flush_tlb_func() that works on the loaded address space. Source: linux arch/x86/mm/tlb.c. */
const flushLoadedMm = routine(
  "flush_tlb_func.loaded_mm",
  (k: Builder, opt: KernelOptions, mm: Expr<U64>, f: FlushRequest) => {
    const asid = k.read("loaded_mm_asid", cpu_tlbstate.at(k.cpu()).loaded_mm_asid);
    const slot = ctxs(k.cpu(), asid);
    const local_tlb_gen = k.read("local_tlb_gen", slot.tlb_gen);
    const new_tlb_gen = f.new_tlb_gen(k);
    const done = (): void => {
      k.count("flushes.avoided.generation-done");
      f.wasted(k);
    };
    // A request that a later one has covered is done, without a look at the shared line of the address space.
    k.if(new_tlb_gen.ne(TLB_GENERATION_INVALID).and(new_tlb_gen.le(local_tlb_gen)), done, () => {
      const mm_tlb_gen = k.read("mm_tlb_gen", mm_struct.at(mm).tlb_gen);
      k.if(local_tlb_gen.eq(mm_tlb_gen), done, () => {
        const end = f.end(k);
        const follows = new_tlb_gen.eq(local_tlb_gen.add(1)).and(new_tlb_gen.eq(mm_tlb_gen));
        const inOrder = opt.fix["A-gen-reorder"] ? new_tlb_gen.ne(TLB_GENERATION_INVALID) : follows;
        k.if(
          end.ne(TLB_FLUSH_ALL).and(inOrder),
          () => flushRange(k, f.start(k), end, f.stride_shift(k)),
          () => {
            k.flushPcid("flush_tlb_local", kern_pcid(opt, asid));
            k.count("flushes.full");
          },
        );
        k.write("ctxs[loaded_mm_asid].tlb_gen", slot.tlb_gen, mm_tlb_gen);
      });
    });
  },
);

function flushRange(k: Builder, start: Expr<U64>, end: Expr<U64>, stride_shift: Expr<U64>): void {
  const addr = k.var(start, "addr");
  const stride = k.copy(u64.of(1).shl(stride_shift), "stride");
  const nr_invalidate = k.var(0, "nr_invalidate");
  k.while(
    () => addr.get().lt(end),
    () => {
      k.invlpg("flush_tlb_one_user", addr.get());
      addr.set(addr.get().add(stride));
      nr_invalidate.set(nr_invalidate.get().add(1));
    },
  );
  k.count("flushes.ranged");
  k.count("flushes.pages", nr_invalidate.get());
}

/**
 * Whether a CPU of the mask may hold translations that this flush is about.
 *
 * A CPU between two address spaces may have either; a lazy one catches up when it switches in.
 * Source: linux arch/x86/mm/tlb.c, should_flush_tlb(). Left out: the trimming of the mask once a second.
 */
const should_flush_tlb = routine(
  "should_flush_tlb",
  (k: Builder, opt: KernelOptions, mm: Mm, cpu: Expr<U64>, should: Var<Bool>) => {
    const { loaded_mm, is_lazy } = cpu_tlbstate.at(cpu);
    const loaded = k.read("loaded_mm", loaded_mm);
    // The other CPU writes loaded_mm before it becomes lazy, never the other way round.
    k.fence("smp_rmb", "rmb");
    const lazy = k.read("is_lazy", is_lazy);
    k.if(lazy, () => k.count("ipis.skippedLazy"));
    const here = loaded.eq(mmPointer(mm.id));
    const mayHold = opt.fix["A-switching-window"] ? here : here.or(loaded.eq(LOADED_MM_SWITCHING));
    should.set(mayHold.and(lazy.not()));
  },
);

/**
 * Make every CPU forget [start, end) of an address space, and return when all have.
 *
 * The page table must have been changed before. `freed_tables`: page tables of the range are about to be freed, so
 * lazy CPUs must let go too. Interrupts are on.
 * Source: linux arch/x86/mm/tlb.c, flush_tlb_mm_range().
 */
export const flush_tlb_mm_range = routine(
  "flush_tlb_mm_range",
  (
    k: Builder,
    opt: KernelOptions,
    mm: Mm,
    start: Operand<U64>,
    end: Operand<U64>,
    stride_shift: Operand<U64>,
    freed_tables: Operand<Bool>,
  ) => {
    if (opt.slots.shootdown === "none") {
      k.count("flushes.avoided.never-flushed");
      return;
    }
    const from = k.var(u64.of(0).add(start), "start");
    const to = k.var(u64.of(0).add(end), "end");
    if (opt.slots.shootdown === "coherent") {
      const limit = taskSize(k);
      k.if(to.get().gt(limit), () => to.set(limit));
      k.invalidateEverywhere("hardware coherence", mm.root, from.get(), to.get());
      k.count("flushes.avoided.coherent-hardware");
      return;
    }
    const stride = k.copy(u64.of(0).add(stride_shift), "stride_shift");
    const freed = k.copy(bool.of(false).or(freed_tables), "freed_tables");
    const pages = to.get().sub(from.get()).shr(stride);
    k.if(to.get().ne(TLB_FLUSH_ALL).and(pages.gt(opt.tunables.tlb_single_page_flush_ceiling)), () => {
      from.set(0);
      to.set(TLB_FLUSH_ALL);
    });
    const request = { from: from.get(), to: to.get(), stride, freed };
    flushEverywhere(k, opt, mm, request);
  },
);

interface Hull {
  readonly from: Expr<U64>;
  readonly to: Expr<U64>;
  readonly stride: Expr<U64>;
  readonly freed: Expr<Bool>;
}

function flushEverywhere(k: Builder, opt: KernelOptions, mm: Mm, hull: Hull): void {
  const early = opt.fix["A-unmap-cpumask"] ? cpumask_any_but_this(k, mm) : undefined;
  // A full fence: page-table stores are before it, reads of the mask and of loaded_mm behind it.
  const new_tlb_gen = k.addReturn("inc_mm_tlb_gen", mm.tlb_gen, 1);
  get_flush_tlb_info(k, mm, hull, new_tlb_gen);
  const others = early ?? cpumask_any_but_this(k, mm);

  const targets = k.var(0, "targets");
  const local = k.var(false, "local");
  k.if(
    others,
    () => native_flush_tlb_multi(k, opt, mm, hull.freed, targets, local),
    () => {
      const loaded = k.read("this_cpu loaded_mm", cpu_tlbstate.at(k.cpu()).loaded_mm);
      local.set(loaded.eq(mmPointer(mm.id)));
    },
  );
  // This CPU flushes while the others do.
  k.if(local.get(), () =>
    k.irqsOff(() =>
      flush_tlb_func(k, opt, {
        mm: () => mmPointer(mm.id),
        start: () => hull.from,
        end: () => hull.to,
        stride_shift: () => hull.stride,
        new_tlb_gen: () => new_tlb_gen,
        wasted: () => {},
      }),
    ),
  );
  k.if(
    targets.get().ne(0),
    () => {
      csd_lock_wait(k);
      k.count("flushes.remote");
    },
    () =>
      k.if(
        local.get(),
        () => k.count("flushes.local"),
        () => k.count("flushes.avoided.mm-not-loaded"),
      ),
  );
}

/** Whether any CPU but this one is in the mask. Source: linux lib/cpumask.c, cpumask_any_but(). */
const cpumask_any_but_this = routine("cpumask_any_but", (k: Builder, mm: Mm): Expr<Bool> => {
  const any = k.var(0, "any");
  any.set(k.maskNext("cpumask_first", mm.mm_cpumask, 0));
  k.if(any.get().eq(k.cpu()), () =>
    any.set(k.maskNext("cpumask_next", mm.mm_cpumask, k.cpu().add(1))),
  );
  return k.copy(any.get().lt(k.cpus), "any_other");
});

/** Publish what is to be flushed. Source: linux arch/x86/mm/tlb.c, get_flush_tlb_info(). */
const get_flush_tlb_info = routine(
  "get_flush_tlb_info",
  (k: Builder, mm: Mm, hull: Hull, new_tlb_gen: Expr<U64>) => {
    const info = flush_tlb_info.at(k.cpu());
    k.write("info->mm", info.info_mm, mmPointer(mm.id));
    k.write("info->start", info.info_start, hull.from);
    k.write("info->end", info.info_end, hull.to);
    k.write("info->stride_shift", info.info_stride_shift, hull.stride);
    k.write("info->new_tlb_gen", info.info_new_tlb_gen, new_tlb_gen);
  },
);

/**
 * Ask the CPUs that need to flush; tell how many, and whether this CPU is one of them.
 *
 * Source: linux arch/x86/mm/tlb.c, native_flush_tlb_multi(), and the local part of smp_call_function_many_cond().
 */
const native_flush_tlb_multi = routine(
  "native_flush_tlb_multi",
  (
    k: Builder,
    opt: KernelOptions,
    mm: Mm,
    freed_tables: Expr<Bool>,
    targets: Var<U64>,
    local: Var<Bool>,
  ) => {
    runsLocally(k, mm, freed_tables, local);
    const lazyToo = opt.fix["A-lazy-tables"] ? bool.of(false) : freed_tables;
    smp_call_function_many(k, mm.mm_cpumask, targets, (cpu) => {
      const asked = k.var(true, "asked");
      k.if(lazyToo.not(), () => should_flush_tlb(k, opt, mm, cpu, asked));
      return asked.get();
    });
  },
);

/** Whether this CPU is to flush too. Source: linux kernel/smp.c, SCF_RUN_LOCAL in smp_call_function_many_cond(). */
const runsLocally = routine(
  "smp_call_function_many_cond.local",
  (k: Builder, mm: Mm, freed_tables: Expr<Bool>, local: Var<Bool>) => {
    const me = cpu_tlbstate.at(k.cpu());
    const inMask = k.maskTest("cpumask_test_cpu", mm.mm_cpumask, k.cpu());
    const loaded = k.read("loaded_mm", me.loaded_mm);
    const lazy = k.read("is_lazy", me.is_lazy);
    const uses = loaded.eq(mmPointer(mm.id)).and(lazy.not());
    local.set(inMask.and(freed_tables.or(uses)));
  },
);

/** Flush everything of an address space. Source: linux arch/x86/include/asm/tlbflush.h, flush_tlb_mm(). */
export function flush_tlb_mm(k: Builder, opt: KernelOptions, mm: Mm): void {
  flush_tlb_mm_range(k, opt, mm, 0, TLB_FLUSH_ALL, 0, true);
}

/** Flush one page. Source: linux arch/x86/include/asm/tlbflush.h, flush_tlb_page(). */
export function flush_tlb_page(k: Builder, opt: KernelOptions, mm: Mm, vpn: Expr<U64>): void {
  flush_tlb_mm_range(k, opt, mm, vpn, vpn.add(1), 0, false);
}
