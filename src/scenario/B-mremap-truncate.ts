/**
 * mremap() moves entries to another place. Others come to a page without mmap_lock, by the file that it belongs to: whoever finds it at
 * the new place flushes the new place, and frees it.
 *
 *   CPU 2: has the page in its TLB, under the old address
 *   CPU 0: mremap(): moves the entry, drops the page-table locks, has not flushed
 *   CPU 1: ftruncate(): takes the entry from the new place, flushes the new address, frees the page
 *   CPU 2: writes to the old address
 *
 * unsafe if the flush comes behind the locks; safe before.
 */

import { program } from "../dsl/index.js";
import type { KernelOptions } from "../kernel/options.js";
import { folio_put } from "../kernel/page.js";
import { pte_t } from "../kernel/pte.js";
import { flush_tlb_page } from "../kernel/tlb.js";
import { ANON_RW, mmNumber, withPte } from "./pages.js";
import { scenario } from "./scenario.js";
import { call, stage, threadsOf } from "./stage.js";
import { AT_ONCE } from "./stale-writer.js";

const [OLD, NEW] = [0, 2];

/** What unmap_mapping_pages() does with one page that it finds. */
function truncatePage(opt: KernelOptions) {
  return program("truncate_page", ["mm", "vpn"], (k, args) => {
    const mm = mmNumber(k, args.mm);
    const pfn = k.var(0, "pfn");
    withPte(k, mm, args.vpn, (pte) => {
      const old = k.xchg("ptep_get_and_clear", pte, pte_t.zero);
      k.if(old.present, () => pfn.set(old.pfn));
    });
    k.if(pfn.get().ne(0), () => {
      flush_tlb_page(k, opt, mm, args.vpn);
      k.window("found at its new place");
      folio_put(k, pfn.get());
    });
  });
}

function build(broken: boolean) {
  return stage({
    set: AT_ONCE,
    mutants: { "B-mremap-flush-late": broken },
    entries: ["mremap"],
    extra: (opt) => [truncatePage(opt)],
    machine: { cpus: 3, mms: 1, tasks: 3, tables: 9, frames: 4, storeBuffer: 2, tlb: { sets: 1, ways: 1 } },
    setup: [
      ...threadsOf(0, 3),
      { do: "call", cpu: 0, entry: "mmap", args: [OLD, OLD + 1, ANON_RW] },
      // The table of the new place is there already.
      { do: "call", cpu: 0, entry: "mmap", args: [NEW + 1, NEW + 2, ANON_RW] },
      { do: "touch", cpu: 0, vpn: NEW + 1, kind: 1 },
      { do: "touch", cpu: 2, vpn: OLD, kind: 1 },
    ],
    threads: [
      { cpu: 0, does: [call("mremap", OLD, 1, NEW, 1)] },
      { cpu: 1, does: [call("truncate_page", 0, NEW)] },
    ],
    liberties: [{ cpu: 2, may: "touch", vpn: OLD, kind: 1 }],
    windows: ["moved, both locks dropped", "found at its new place"],
  });
}

export const subject = scenario({
  name: "B-mremap-truncate",
  question: "May mremap() flush the old place after it has dropped the page-table locks?",
  source:
    'commit eb66ae030829, "mremap: properly flush TLB before releasing the page" (2018), CVE-2018-18281',
  variants: {
    "flush-late": {
      title: "the flush comes behind the locks (before 4.19)",
      expected: "unsafe",
      breaks: "stale-frame",
      build: () => build(true),
    },
    upstream: { title: "it comes before the locks are dropped", expected: "safe", build: () => build(false) },
  },
});
