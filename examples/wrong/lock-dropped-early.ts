/** Wrong: an entry is read under the page-table lock and written when the lock is dropped. Somebody has unmapped the page meanwhile. */
import { type Builder, type Field, program, u64 } from "shootdown/dsl";
import {
  current_mm,
  entryAt,
  flush_tlb_page,
  folio_put,
  forEachTable,
  type KernelOptions,
  PTE,
  ptdesc,
  pte_t,
  pte_wrprotect,
} from "shootdown/kernel";
import { call, scenario, stage, threadsOf } from "shootdown/scenario";

const PAGE = 0;
const page = u64.of(PAGE);

const writeProtect = (opt: KernelOptions, isEarly: boolean) =>
  program("write_protect", [], (k: Builder) => {
    const mm = current_mm(k);
    forEachTable(k, mm.root, PTE, page, page.add(1), ({ table, start }) => {
      const pte: Field<typeof pte_t> = entryAt(k, table, start, PTE);
      const old = k.var(pte_t.zero, "old");
      const protect = (): void =>
        k.if(old.get().present, () => k.write("set_pte_at", pte, pte_wrprotect(old.get())));
      k.locked(ptdesc.at(table).ptl, () => {
        old.set(k.read("ptep_get", pte));
        if (!isEarly) protect();
      });
      k.window("read, lock dropped");
      if (isEarly) protect();
    });
    flush_tlb_page(k, opt, mm, page);
  });

const unmapAndFree = (opt: KernelOptions) =>
  program("unmap_and_free", [], (k: Builder) => {
    const mm = current_mm(k);
    const old = k.var(pte_t.zero, "old");
    forEachTable(k, mm.root, PTE, page, page.add(1), ({ table, start }) =>
      k.locked(ptdesc.at(table).ptl, () =>
        old.set(k.xchg("ptep_get_and_clear", entryAt(k, table, start, PTE), pte_t.zero)),
      ),
    );
    flush_tlb_page(k, opt, mm, page);
    folio_put(k, old.get().pfn);
  });

const build = (isEarly: boolean) => () =>
  stage({
    extra: (opt) => [writeProtect(opt, isEarly), unmapAndFree(opt)],
    setup: [
      ...threadsOf(0, 2),
      { do: "call", cpu: 0, entry: "mmap", args: [0, 1, 0b111] },
      { do: "touch", cpu: 1, vpn: PAGE, kind: 1 },
    ],
    threads: [
      { cpu: 0, does: [call("write_protect")] },
      { cpu: 1, does: [call("unmap_and_free")] },
    ],
    liberties: [{ cpu: 1, may: "touch", vpn: PAGE, kind: 0 }],
    windows: ["read, lock dropped"],
  });

export const subject = scenario({
  name: "lock-dropped-early",
  question: "May an entry that was read under the lock be written without it?",
  source: "the rule of the page-table lock",
  variants: {
    early: { title: "read, unlock, write", expected: "unsafe", breaks: "stale-frame", build: build(true) },
    late: { title: "read, write, unlock", expected: "safe", build: build(false) },
  },
});
