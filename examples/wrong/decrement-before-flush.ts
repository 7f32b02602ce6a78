/** Wrong: whoever takes a write right away says that no flush is pending any more, and flushes only then. */
import { type Builder, type Field, program, record, routine, u64 } from "shootdown/dsl";
import {
  current_mm,
  entryAt,
  flush_tlb_page,
  folio_alloc,
  forEachTable,
  type KernelOptions,
  type Mm,
  PTE,
  ptdesc,
  pte_mkwrite,
  pte_t,
  pte_wrprotect,
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

const writeProtect = (opt: KernelOptions, isEarly: boolean) =>
  program("write_protect", [], (k) => {
    const mm = current_mm(k);
    const { my_flush_pending } = pending.at(mm.id);
    k.add("raise_pending", my_flush_pending, 1);
    underLock(k, mm, (pte) => k.write("set_pte_at", pte, pte_wrprotect(k.read("ptep_get", pte))));
    if (isEarly) k.add("lower_pending", my_flush_pending, -1);
    k.window("protected, not flushed");
    flush_tlb_page(k, opt, mm, page);
    if (!isEarly) k.add("lower_pending", my_flush_pending, -1);
  });

/** Copies a read-only page. A pending flush is done first, so that nobody writes to the old page while it is copied. */
const copyOnWrite = routine("copy_on_write", (k: Builder, opt: KernelOptions, mm: Mm) => {
  const old = k.var(pte_t.zero, "old");
  underLock(k, mm, (pte) => old.set(k.read("ptep_get", pte)));
  k.if(old.get().write.not(), () => {
    k.if(k.read("flush_pending", pending.at(mm.id).my_flush_pending).ne(0), () =>
      flush_tlb_page(k, opt, mm, page),
    );
    const fresh = folio_alloc(k);
    k.copyFrame("copy_user_page", old.get().pfn, fresh, page, mm.root);
    underLock(k, mm, (pte) => {
      k.xchg("ptep_clear", pte, pte_t.zero);
      flush_tlb_page(k, opt, mm, page);
      k.write("set_pte_at", pte, pte_mkwrite(old.get().with({ pfn: fresh })));
    });
  });
});

const build = (isEarly: boolean) => () =>
  stage({
    records: [pending],
    extra: (opt) => [
      writeProtect(opt, isEarly),
      program("copy_page", [], (k) => copyOnWrite(k, opt, current_mm(k))),
    ],
    machine: { cpus: 3, tables: 6, frames: 6, storeBuffer: 2, tlb: { sets: 1, ways: 1 } },
    setup: [
      ...threadsOf(0, 3),
      { do: "call", cpu: 0, entry: "mmap", args: [0, 1, 0b111] },
      { do: "touch", cpu: 2, vpn: PAGE, kind: 1 },
    ],
    threads: [
      { cpu: 0, does: [call("write_protect")] },
      { cpu: 1, does: [call("copy_page")] },
    ],
    liberties: [{ cpu: 2, may: "touch", vpn: PAGE, kind: 1 }],
    windows: ["protected, not flushed"],
  });

export const subject = scenario({
  name: "decrement-before-flush",
  question: "May a flush be called done before it is?",
  source: "rule of tlb_flush_pending, linux include/linux/mm_types.h",
  variants: {
    early: { title: "lowered, then flushed", expected: "unsafe", breaks: "lost-write", build: build(true) },
    late: { title: "flushed, then lowered", expected: "safe", build: build(false) },
  },
});
