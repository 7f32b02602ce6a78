/**
 * D-clean-knl. On some CPUs an assist that comes too late leaves a stray D bit in an entry that is not present any more.
 *
 *   CPU 0: takes the page out (munmap), flushes
 *   CPU 1: writes meanwhile: the assist finds the entry gone, faults, but has set D in the empty entry
 *   CPU 0: maps the page again: is the entry empty?
 *
 * safe with the test for an empty entry that ignores A and D; with a plain comparison the fault finds something in the entry that is
 * nothing, takes it for a swap entry or a page, and never ends.
 */

import { program } from "../dsl/index.js";
import type { KernelOptions } from "../kernel/options.js";
import { pte_none, pte_t } from "../kernel/pte.js";
import { flush_tlb_page } from "../kernel/tlb.js";
import { cleanPage } from "./clean-page.js";
import { mmNumber, withPte } from "./pages.js";
import { scenario } from "./scenario.js";
import { call, store } from "./stage.js";

/** Takes a page out, and then waits until it finds the entry empty, as whoever wants to put something there does. */
function emptyPage(opt: KernelOptions, masked: boolean) {
  return program("empty_page", ["mm", "vpn"], (k, args) => {
    const mm = mmNumber(k, args.mm);
    withPte(k, mm, args.vpn, (pte) => {
      k.xchg("ptep_get_and_clear", pte, pte_t.zero);
    });
    k.window("unmapped, not flushed");
    flush_tlb_page(k, opt, mm, args.vpn);
    withPte(k, mm, args.vpn, (pte) => {
      const now = k.read("ptep_get", pte);
      const empty = masked ? pte_none(now) : now.raw.eq(0);
      // What is neither empty nor present would be taken for a swap entry.
      k.if(empty.not().and(now.present.not()), () =>
        k.while(
          () => now.present.not(),
          () => k.work("page_mkwrite"),
        ),
      );
    });
  });
}

function build(masked: boolean) {
  return cleanPage({
    needFlush: "x86-upstream",
    assist: "knl",
    extra: (opt) => [emptyPage(opt, masked)],
    threads: [
      { cpu: 0, does: [call("empty_page", 0, 0)] },
      { cpu: 1, does: [store(0)] },
    ],
    liberties: [],
    windows: ["unmapped, not flushed"],
  });
}

export const subject = scenario({
  name: "D-clean-knl",
  question: "May an entry with nothing but a stray D bit be taken for something?",
  source: "linux arch/x86/include/asm/pgtable.h, _PAGE_KNL_ERRATUM_MASK",
  variants: {
    "plain-test": {
      title: "an entry is empty when it is 0",
      expected: "unsafe",
      breaks: "progress",
      bounds: { livelock: true },
      build: () => build(false),
    },
    "masked-test": {
      title: "A and D do not count",
      expected: "safe",
      bounds: { livelock: true },
      build: () => build(true),
    },
  },
});
