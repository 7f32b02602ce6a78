/** The CPU that complies with a flush: one request, however many others it has missed. Part of Linux's tlb.c. */

import { type Builder, type Expr, routine, type U64, u64 } from "../dsl/index.js";
import { mm_struct } from "./mm_types.js";
import type { KernelOptions } from "./options.js";
import { is_global_asid, mm_needs_global_asid, useGlobalAsid } from "./tlb-asid.js";
import { switch_to_init_mm } from "./tlb-switch.js";
import { flush_tlb_local } from "./tlb-user.js";
import {
  cpu_tlbstate,
  ctxs,
  flush_tlb_info,
  INIT_MM,
  kern_pcid,
  mmId,
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
  /** Read under unified reclaim only; else a request is about one generation. */
  readonly first_tlb_gen: (k: Builder) => Expr<U64>;
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
    first_tlb_gen: (k) => k.read("f->first_tlb_gen", info.info_first_tlb_gen),
    wasted: (k) => k.count("ipis.wasted"),
  };
}

/** The same request, read at once: whoever has asked may ask for something else as soon as he is answered. */
export function takeOver(k: Builder, opt: KernelOptions, f: FlushRequest): FlushRequest {
  const [mm, start, end] = [f.mm(k), f.start(k), f.end(k)];
  const [stride_shift, new_tlb_gen] = [f.stride_shift(k), f.new_tlb_gen(k)];
  const first_tlb_gen = opt.generations ? f.first_tlb_gen(k) : new_tlb_gen;
  return {
    mm: () => mm,
    start: () => start,
    end: () => end,
    stride_shift: () => stride_shift,
    new_tlb_gen: () => new_tlb_gen,
    first_tlb_gen: () => first_tlb_gen,
    wasted: f.wasted,
  };
}

/**
 * Make this CPU's TLB follow one request. Interrupts are off.
 *
 * A CPU that does not run the address space any more leaves its mask; a lazy one lets go of it altogether, because it
 * could walk tables speculatively that are about to be freed.
 * Source: linux arch/x86/mm/tlb.c, flush_tlb_func().
 */
export const flush_tlb_func = routine("flush_tlb_func", (k: Builder, opt: KernelOptions, f: FlushRequest) => {
  const me = cpu_tlbstate.at(k.cpu());
  k.flushBegins();
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
          const comply = (): void => {
            const is_lazy = k.read("is_lazy", me.is_lazy);
            k.if(
              is_lazy,
              () => switch_to_init_mm(k, opt),
              () => flushLoadedMm(k, opt, mmId(loaded_mm), f),
            );
          };
          if (opt.globalAsids) unlessGlobal(k, opt, mmId(loaded_mm), f, comply);
          else comply();
        },
      ),
  );
});

/** A broadcast keeps a global ASID up to date, so a CPU that has one, or changes to it now, has nothing to flush. */
function unlessGlobal(
  k: Builder,
  opt: KernelOptions,
  id: Expr<U64>,
  f: FlushRequest,
  comply: () => void,
): void {
  const mm = mm_struct.at(id);
  const asid = k.read("loaded_mm_asid before", cpu_tlbstate.at(k.cpu()).loaded_mm_asid);
  const global_asid = k.read("mm_global_asid", mm.global_asid);
  k.if(
    mm_needs_global_asid(global_asid, asid),
    () => useGlobalAsid(k, opt, mm, global_asid),
    () => k.if(is_global_asid(asid), () => f.wasted(k), comply),
  );
}

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
        const first = opt.generations ? f.first_tlb_gen(k) : new_tlb_gen;
        // The range is all that has changed since this CPU flushed the last time.
        const next = local_tlb_gen.add(1);
        const complete = opt.generations ? first.le(next) : first.eq(next);
        const follows = complete.and(new_tlb_gen.eq(mm_tlb_gen));
        const inOrder = opt.fix["A-gen-reorder"] ? new_tlb_gen.ne(TLB_GENERATION_INVALID) : follows;
        k.work("flush_tlb_func");
        k.if(
          end.ne(TLB_FLUSH_ALL).and(inOrder),
          () => flushRange(k, f.start(k), end, f.stride_shift(k)),
          () => {
            if (opt.pti) flush_tlb_local(k, opt, asid);
            else k.flushPcid("flush_tlb_local", kern_pcid(opt, asid));
            k.count("flushes.full");
          },
        );
        k.write("ctxs[loaded_mm_asid].tlb_gen", slot.tlb_gen, mm_tlb_gen);
        k.flushEnds();
      });
    });
  },
);

/**
 * This CPU forgets some pages of the loaded address space; nobody else is asked, and no generation tells of it.
 *
 * Source: none in Linux; the local half of a relaxed flush, as proposed by Nadav Amit in July 2022.
 */
export const flush_tlb_local_range = routine(
  "flush_tlb_local_range",
  (k: Builder, start: Expr<U64>, end: Expr<U64>) =>
    k.irqsOff(() => {
      k.flushBegins();
      k.work("flush_tlb_func");
      flushRange(k, start, end, u64.of(0));
      k.flushEnds();
      k.count("flushes.local");
    }),
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
