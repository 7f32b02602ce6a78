/**
 * C5. A dirty page is written out. A CPU that has it writable and dirty in its TLB stores without a look at the page table, and nobody
 * hears of it.
 *
 *   CPU 2: has page 0 writable and dirty
 *   CPU 1: reclaim takes the entry out, and starts to write the page
 *   CPU 2: stores to the page
 *
 * unsafe without the flush before writing; safe with it, which only dirty entries need: through any other a store has to go back to the
 * page table, and faults.
 *
 * early-unlock is a question to Linux: reclaim meets a dirty page of a file that it leaves to the flusher thread, and unlocks it with its
 * flush still owed (shrink_folio_list(), behind try_to_unmap() and before try_to_unmap_flush_dirty()). The flusher finds no mapping to
 * write-protect, and writes. The search finds the lost store. Nobody has reported it; a flush before the unlock closes it.
 */

import { type ProgramSource, program, u64 } from "../dsl/index.js";
import type { KernelOptions } from "../kernel/options.js";
import { folio_mark_dirty, folio_remove_rmap, page } from "../kernel/page.js";
import { write_page } from "../kernel/page-writeback.js";
import { clearAndFlush } from "../kernel/rmap.js";
import { try_to_unmap_flush, try_to_unmap_flush_dirty } from "../kernel/rmap-batch.js";
import { mmNumber, withPte } from "./pages.js";
import { pageout, pageoutFolio, reclaimed, UNMAPPED, USER } from "./reclaimed.js";
import { scenario } from "./scenario.js";
import { call } from "./stage.js";

const STORES = [{ cpu: USER, may: "touch", vpn: 0, kind: 1 }] as const;
const PAGE = { frameAt: { mm: 0, vpn: 0 } } as const;

function build(broken: boolean) {
  return reclaimed({
    mutants: { "C-io-before-flush": broken },
    extra: (opt) => [pageoutFolio(opt)],
    does: [[], [pageout(0)]],
    liberties: STORES,
    windows: [UNMAPPED],
  });
}

/** Reclaim unmaps a page, finds it dirty and leaves it to others. */
function unmapAndKeep(opt: KernelOptions, flushesFirst: boolean): ProgramSource {
  return program("unmap_and_keep", ["pfn", "mm", "vpn"], (k, { pfn, mm: id, vpn }) => {
    const mm = mmNumber(k, id);
    k.writeLocked(page.at(pfn).folio_lock, () => {
      withPte(k, mm, vpn, (pte, table) => {
        const pteval = clearAndFlush(k, opt, { mm, table, vpn, pte });
        k.if(pteval.dirty, () => folio_mark_dirty(k, pfn));
        folio_remove_rmap(k, pfn, "folio_remove_rmap_pte");
      });
      if (flushesFirst) try_to_unmap_flush_dirty(k, opt);
    });
    k.window(UNMAPPED);
    try_to_unmap_flush(k, opt);
  });
}

/** What the flusher thread does with one page, which nothing maps by then. */
function writeback(opt: KernelOptions): ProgramSource {
  return program("writeback", ["pfn", "mm", "vpn"], (k, { pfn, mm, vpn }) => {
    k.writeLocked(page.at(pfn).folio_lock, () =>
      write_page(k, opt, mmNumber(k, mm), { pfn, key: u64.of(0) }, vpn),
    );
  });
}

function earlyUnlock(flushesFirst: boolean) {
  return reclaimed({
    extra: (opt) => [unmapAndKeep(opt, flushesFirst), writeback(opt)],
    does: [[call("writeback", PAGE, 0, 0)], [call("unmap_and_keep", PAGE, 0, 0)]],
    liberties: STORES,
    windows: [UNMAPPED, "writing back, judged clean"],
  });
}

export const subject = scenario({
  name: "C5-io-before-flush",
  question: "Must reclaim flush before it writes a page out, and is that enough?",
  source:
    "linux d950c9477d51 (2015), mm: defer flush of writable TLB entries; early-unlock is derived from linux 7.0 mm/vmscan.c",
  variants: {
    "no-flush": {
      title: "the page is written out before the flush",
      expected: "unsafe",
      breaks: "lost-dirty",
      build: () => build(true),
    },
    upstream: {
      title: "try_to_unmap_flush_dirty() comes first",
      expected: "safe",
      build: () => build(false),
    },
    "early-unlock": {
      title: "a dirty page is unlocked before the flush, and somebody else writes it out",
      expected: "unsafe",
      breaks: "lost-dirty",
      build: () => earlyUnlock(false),
    },
    "flush-before-unlock": {
      title: "the same with a flush before the unlock",
      expected: "safe",
      build: () => earlyUnlock(true),
    },
  },
});
