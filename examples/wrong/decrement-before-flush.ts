/** Wrong: whoever takes a page away says that no flush is pending any more, and flushes only then. A second caller believes it. */
import { type Builder, type Field, program, record, u64 } from "shootdown/dsl";
import {
  current_mm,
  entryAt,
  flush_tlb_page,
  forEachTable,
  type KernelOptions,
  type Mm,
  PTE,
  ptdesc,
  pte_t,
} from "shootdown/kernel";
import { call, scenario, stage, threadsOf } from "shootdown/scenario";

const pending = record("mm", { my_flush_pending: u64 });
const PAGE = 0;
const page = u64.of(PAGE);

/** Runs `body` on the page's entry, under the lock of its page table. */
function underLock(k: Builder, mm: Mm, body: (pte: Field<typeof pte_t>) => void): void {
  forEachTable(k, mm.root, PTE, page, page.add(1), ({ table, start }) =>
    k.locked(ptdesc.at(table).ptl, () => body(entryAt(k, table, start, PTE))),
  );
}

const unmap = (opt: KernelOptions, isEarly: boolean) =>
  program("unmap", [], (k) => {
    const mm = current_mm(k);
    const { my_flush_pending } = pending.at(mm.id);
    k.add("raise_pending", my_flush_pending, 1);
    underLock(k, mm, (pte) => k.xchg("ptep_get_and_clear", pte, pte_t.zero));
    if (isEarly) k.add("lower_pending", my_flush_pending, -1);
    k.window("unmapped, not flushed");
    flush_tlb_page(k, opt, mm, page);
    if (!isEarly) k.add("lower_pending", my_flush_pending, -1);
    k.promise(mm.root, page, page.add(1), "none");
  });

/** Wants the page gone too. It finds no entry, and flushes only if somebody still has to. */
const unmapAgain = (opt: KernelOptions) =>
  program("unmap_again", [], (k) => {
    const mm = current_mm(k);
    const seen = k.var(pte_t.zero, "seen");
    underLock(k, mm, (pte) => seen.set(k.read("ptep_get", pte)));
    k.if(seen.get().present.not(), () => {
      const pendingNow = k.read("flush_pending", pending.at(mm.id).my_flush_pending);
      k.if(pendingNow.ne(0), () => flush_tlb_page(k, opt, mm, page));
      k.promise(mm.root, page, page.add(1), "none");
    });
  });

const build = (isEarly: boolean) => () =>
  stage({
    records: [pending],
    extra: (opt) => [unmap(opt, isEarly), unmapAgain(opt)],
    setup: [
      ...threadsOf(0, 2),
      { do: "call", cpu: 0, entry: "mmap", args: [0, 1, 0b111] },
      { do: "touch", cpu: 1, vpn: PAGE, kind: 1 },
    ],
    threads: [
      { cpu: 0, does: [call("unmap")] },
      { cpu: 1, does: [call("unmap_again")] },
    ],
    liberties: [{ cpu: 1, may: "touch", vpn: PAGE, kind: 1 }],
    windows: ["unmapped, not flushed"],
  });

export const subject = scenario({
  name: "decrement-before-flush",
  question: "May a flush be called done before it is?",
  source: "the rule of tlb_flush_pending, linux include/linux/mm_types.h",
  variants: {
    early: { title: "lowered, then flushed", expected: "unsafe", breaks: "stale-right", build: build(true) },
    late: { title: "flushed, then lowered", expected: "safe", build: build(false) },
  },
});
