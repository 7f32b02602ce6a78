/**
 * C10. A page comes back from swap while another CPU still has its old translation.
 *
 *   CPU 2: has page 0 in its TLB
 *   CPU 1: reclaim takes the entry out, puts the flush off, and sleeps over some other page of its batch
 *   CPU 0: faults on page 0, gets a frame, stores to it
 *   CPU 2: reads page 0 by its old translation
 *
 * safe while the page is in the swap cache: CPU 0 gets the same frame. unsafe when the fault takes a new one in any case.
 *
 * The other two go on to the point where reclaim has written the page out and taken it out of the swap cache, and owes nothing but the
 * flush before it frees the frame. dirty-page is safe: it was flushed before it was written. clean-page is a question to Linux. An entry
 * that a load brought back from swap is clean, so no flush comes before the writing; a fault finds nothing in the swap cache and reads the
 * slot into a new frame. Until reclaim has come to the end of its batch, CPU 0 and CPU 2 have different frames for one page, and CPU 2 does
 * not see what CPU 0 has stored. The search finds it; nobody has reported it. No data is lost.
 */

import { type ProgramSource, program } from "../dsl/index.js";
import type { KernelOptions, Mutants } from "../kernel/options.js";
import { free_frozen_pages, page } from "../kernel/page.js";
import { try_to_unmap } from "../kernel/rmap.js";
import { try_to_unmap_flush } from "../kernel/rmap-batch.js";
import { folio_alloc_swap } from "../kernel/swapfile.js";
import { damon_get_folio, pageout_locked } from "../kernel/vmscan.js";
import { pageoutFolio, reclaimed, UNMAPPED, USER } from "./reclaimed.js";
import { scenario } from "./scenario.js";
import { call, store } from "./stage.js";

const PAGE = { frameAt: { mm: 0, vpn: 0 } } as const;

/** Reclaim of one page, up to where it is unmapped and in the swap cache. */
function unmapOnly(opt: KernelOptions): ProgramSource {
  return program("unmap_to_swap", ["pfn"], (k, { pfn }) => {
    damon_get_folio(k, pfn, k.var(0, "folio_list"));
    k.writeLocked(page.at(pfn).folio_lock, () => {
      folio_alloc_swap(k, pfn);
      try_to_unmap(k, opt, pfn);
    });
  });
}

/** The same, up to where the frame waits for the flush. */
function untilFlush(opt: KernelOptions): ProgramSource {
  return program("pageout_until_flush", ["pfn"], (k, { pfn }) => {
    damon_get_folio(k, pfn, k.var(0, "folio_list"));
    const freeable = k.var(false, "freeable");
    k.writeLocked(page.at(pfn).folio_lock, () => pageout_locked(k, opt, pfn, freeable));
  });
}

/** What comes at the end of a batch. */
function endOfBatch(opt: KernelOptions): ProgramSource {
  return program("end_of_batch", ["pfn"], (k, { pfn }) => {
    try_to_unmap_flush(k, opt);
    const references = k.read("folio_ref_count", page.at(pfn)._refcount);
    k.if(references.eq(0), () => free_frozen_pages(k, pfn));
  });
}

function build(half: "unmap_to_swap" | "pageout_until_flush", mutants: Mutants, clean = false) {
  return reclaimed({
    mutants,
    extra: (opt) => [pageoutFolio(opt), unmapOnly(opt), untilFlush(opt), endOfBatch(opt)],
    caller: true,
    // Once to swap and back by a load leaves an entry that is clean.
    setup: clean
      ? [
          { do: "call", cpu: 1, entry: "pageout_folio", args: [PAGE] },
          { do: "touch", cpu: USER, vpn: 0, kind: 0 },
        ]
      : [],
    does: [[store(0)], [call(half, PAGE), call("end_of_batch", PAGE)]],
    liberties: [{ cpu: USER, may: "touch", vpn: 0 }],
    windows: [UNMAPPED],
  });
}

export const subject = scenario({
  name: "C10-swapin-inside-window",
  question: "May a page be mapped again while the flush for taking it out is owed?",
  source: "derived from linux 7.0 mm/vmscan.c and mm/memory.c, do_swap_page(); not reported upstream",
  variants: {
    "new-frame": {
      title: "the fault never looks into the swap cache",
      expected: "unsafe",
      breaks: "split-view",
      build: () => build("unmap_to_swap", { "C-swapin-new-frame": true }),
    },
    "swap-cache": {
      title: "the fault finds the page in the swap cache, as upstream",
      expected: "safe",
      build: () => build("unmap_to_swap", {}),
    },
    "dirty-page": {
      title: "a dirty page has left the swap cache, as upstream",
      expected: "safe",
      build: () => build("pageout_until_flush", {}),
    },
    "clean-page": {
      title: "a page whose entry is clean has left the swap cache, as upstream",
      expected: "unsafe",
      breaks: "split-view",
      build: () => build("pageout_until_flush", {}, true),
    },
  },
});
