/** Programs that several scenarios share: one page's entry is changed, whoever runs the address space, and flushed. */

import { type Builder, type Expr, type Field, type ProgramSource, program, type U64 } from "../dsl/index.js";
import { alloc_anon_folio } from "../kernel/memory-alloc.js";
import { current_mm, type Mm, mm_struct, mmOf } from "../kernel/mm_types.js";
import type { KernelOptions } from "../kernel/options.js";
import { folio_add_new_anon_rmap } from "../kernel/page.js";
import { entryAt, forEachTable, PTE, ptdesc, pte_alloc } from "../kernel/pgtable.js";
import { mk_pte, pte_mkdirty, pte_t, pte_wrprotect } from "../kernel/pte.js";
import { flush_tlb_page } from "../kernel/tlb.js";

/** A private page that may be read and written, as `mmap` and the setup of a stage want it. */
export const ANON_RW = 0b111n;

/** An address space by number; this CPU need not have it loaded. */
export function mmNumber(k: Builder, id: Expr<U64>): Mm {
  return mmOf(id, k.read("mm->pgd", mm_struct.at(id).pgd));
}

/** The entry of one page under its page-table lock. */
export function withPte(
  k: Builder,
  mm: Mm,
  vpn: Expr<U64>,
  body: (pte: Field<typeof pte_t>, table: Expr<U64>) => void,
): void {
  forEachTable(k, mm.root, PTE, vpn, vpn.add(1), ({ table }) =>
    k.locked(ptdesc.at(table).ptl, () => body(entryAt(k, table, vpn, PTE), table)),
  );
}

/** Pages 0 to `pages` - 1 of the running task's address space: private, written, mapped by nobody else. No mapping is recorded. */
export function populatePages(): ProgramSource {
  return program("populate", ["pages"], (k, { pages }) => {
    const mm = current_mm(k);
    k.forRange(
      0,
      pages,
      1,
      (vpn) => {
        const table = pte_alloc(k, mm, vpn);
        const pfn = alloc_anon_folio(k);
        folio_add_new_anon_rmap(k, pfn, mm.id, vpn);
        const prot = pte_t.of({ present: true, write: true, user: true, accessed: true, nx: true });
        k.write("set_pte_at", entryAt(k, table, vpn, PTE), pte_mkdirty(mk_pte(pfn, prot)));
      },
      "vpn",
    );
  });
}

export type Flush = (k: Builder, mm: Mm, vpn: Expr<U64>) => void;

/** Takes a page's entry out, flushes and returns: nobody may use the page from then on. */
export function unmapPage(
  opt: KernelOptions,
  name = "unmap_page",
  flush: Flush = (k, mm, vpn) => flush_tlb_page(k, opt, mm, vpn),
): ProgramSource {
  return program(name, ["mm", "vpn"], (k, args) => {
    const mm = mmNumber(k, args.mm);
    withPte(k, mm, args.vpn, (pte) => k.xchg("ptep_get_and_clear", pte, pte_t.zero));
    k.window("unmapped, not flushed");
    flush(k, mm, args.vpn);
    k.promise(mm.root, args.vpn, args.vpn.add(1), "none");
  });
}

/** Takes a page's write right away by a plain store, as set_pte_at() does, flushes and returns. */
export function protectPage(
  opt: KernelOptions,
  name = "protect_page",
  flush: Flush = (k, mm, vpn) => flush_tlb_page(k, opt, mm, vpn),
): ProgramSource {
  return program(name, ["mm", "vpn"], (k, args) => {
    const mm = mmNumber(k, args.mm);
    withPte(k, mm, args.vpn, (pte) => {
      const old = k.read("ptep_get", pte);
      k.write("set_pte_at", pte, pte_wrprotect(old));
    });
    k.window("protected, not flushed");
    flush(k, mm, args.vpn);
    k.promise(mm.root, args.vpn, args.vpn.add(1), "read");
  });
}
