/**
 * D-clean-multi. After Rule P a TLB holds the write right of a page whose entry is read-only. Somebody later takes "the entry is
 * read-only and clean" for "nobody can write":
 *
 *   CPU 0: mprotect(PROT_READ): D was clear, no flush; then replaces the page by a copy without a flush before the copy
 *   CPU 1: writes through its old entry: the assist finds the right gone, or another frame, and faults
 *
 * safe with a strict assist: the two arguments chain, as long as D = 0 is a part of both. unsafe with a legacy one.
 */

import type { DirtyAssist } from "../dsl/case.js";
import { program } from "../dsl/index.js";
import { alloc_anon_folio } from "../kernel/memory-alloc.js";
import type { KernelOptions } from "../kernel/options.js";
import { folio_put } from "../kernel/page.js";
import { flush_tlb_page } from "../kernel/tlb.js";
import { cleanPage } from "./clean-page.js";
import { mmNumber, withPte } from "./pages.js";
import { scenario } from "./scenario.js";
import { call } from "./stage.js";

const PROT_READ = 1;

/** Puts a copy in a page's place, as KSM does, when the entry is read-only and clean; the flush comes only behind the copy. */
function replacePage(opt: KernelOptions) {
  return program("replace_page", ["mm", "vpn"], (k, args) => {
    const mm = mmNumber(k, args.mm);
    const copy = alloc_anon_folio(k);
    withPte(k, mm, args.vpn, (pte) => {
      const old = k.read("ptep_get", pte);
      k.if(old.present.and(old.write.not()).and(old.dirty.not()), () => {
        k.copyFrame("copy_mc_user_highpage", old.pfn, copy, args.vpn, mm.root);
        k.window("copied, TLBs may still allow writes");
        k.write("set_pte_at", pte, old.with({ pfn: copy }));
        flush_tlb_page(k, opt, mm, args.vpn);
        folio_put(k, old.pfn);
      });
    });
  });
}

function build(assist: DirtyAssist) {
  return cleanPage({
    assist,
    extra: (opt) => [replacePage(opt)],
    threads: [{ cpu: 0, does: [call("mprotect", 0, 1, PROT_READ), call("replace_page", 0, 0)] }],
    windows: ["copied, TLBs may still allow writes"],
  });
}

export const subject = scenario({
  name: "D-clean-multi",
  question:
    "May somebody who relies on a read-only entry follow somebody who skipped the flush because it was clean?",
  source:
    'Nadav Amit, "mm: relaxed TLB flushes and other optimi." (2022), together with KSM\'s replace_page()',
  variants: {
    strict: { title: "the assist looks at the write right", expected: "safe", build: () => build("strict") },
    legacy: {
      title: "the assist looks at P alone",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build("legacy"),
    },
  },
});
