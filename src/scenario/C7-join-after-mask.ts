/**
 * C7. A batched flush asks the CPUs that ran the address space when the page was unmapped. What of one that comes later?
 *
 *   CPU 2: has page 0 in the PCID slot of address space 0, and runs address space 1 for a while
 *   CPU 1: reclaim unmaps page 0 of address space 0, flushes: CPU 2 flushes what it has loaded
 *   CPU 2: switches back; the slot is as old as the address space, so it is kept
 *   CPU 2: uses page 0
 *
 * unsafe when the batch does not raise the generation; safe when it does so before it reads the mask.
 */

import { program } from "../dsl/index.js";
import type { KernelOptions } from "../kernel/options.js";
import { clearAndFlush } from "../kernel/rmap.js";
import { try_to_unmap_flush } from "../kernel/rmap-batch.js";
import { mmNumber, withPte } from "./pages.js";
import { pageout, pageoutFolio, reclaimed, UNMAPPED, USER } from "./reclaimed.js";
import { scenario } from "./scenario.js";
import { call, switchTo } from "./stage.js";

/** Reclaim of one page to its end: behind the flush, nobody uses the frame any more. */
function reclaimPage(opt: KernelOptions) {
  return program("reclaim_page", ["mm", "vpn"], (k, args) => {
    const mm = mmNumber(k, args.mm);
    withPte(k, mm, args.vpn, (pte, table) => {
      clearAndFlush(k, opt, { mm, table, vpn: args.vpn, pte });
    });
    k.window(UNMAPPED);
    try_to_unmap_flush(k, opt);
    k.promise(mm.root, args.vpn, args.vpn.add(1), "none");
  });
}

function build(broken: boolean) {
  return reclaimed({
    mutants: { "C-no-gen-bump": broken },
    extra: (opt) => [reclaimPage(opt)],
    setup: [
      { do: "task", task: 3, mm: 1 },
      { do: "switch", cpu: USER, task: 3 },
    ],
    does: [[], [call("reclaim_page", 0, 0)], [switchTo(2)]],
    windows: [UNMAPPED],
  });
}

/** The same with reclaim in full: it frees the frame. */
function calls(broken: boolean) {
  return reclaimed({
    mutants: { "C-no-gen-bump": broken },
    extra: (opt) => [pageoutFolio(opt)],
    setup: [
      { do: "task", task: 3, mm: 1 },
      { do: "switch", cpu: USER, task: 3 },
    ],
    does: [[], [pageout(0)], [switchTo(2)]],
    windows: [UNMAPPED],
  });
}

export const subject = scenario({
  name: "C7-join-after-mask",
  question: "Does a batched flush reach a CPU that loads the address space after its mask was read?",
  source: "linux arch/x86/include/asm/tlbflush.h, arch_tlbbatch_add_pending(), since 72b252aed506 (2015)",
  variants: {
    "no-generation": {
      title: "the batch remembers CPUs and raises no generation",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build(true),
    },
    upstream: {
      title: "the generation is raised first",
      expected: "safe",
      build: () => build(false),
    },
    "calls-no-generation": {
      title: "reclaim in full, without a generation: the frame goes to somebody else",
      expected: "unsafe",
      breaks: "stale-frame",
      build: () => calls(true),
    },
    calls: {
      title: "reclaim in full, as upstream",
      expected: "safe",
      build: () => calls(false),
    },
  },
});
