/**
 * C1. Reclaim takes an entry out and puts the flush off; somebody finds it absent, needs no flush for it, and returns.
 *
 *   CPU 2: has page 0 writable
 *   CPU 1: reclaim: page 0's entry is gone, the flush comes later
 *   CPU 0: mprotect(READ): the entry is absent, nothing to do; returns
 *   CPU 2: stores to page 0
 *
 * unsafe without a look at what reclaim owes (2015 to 2017); safe with the flag of 2017, the counters of 5.17 and generations. The
 * variants with system calls have mprotect() and the whole of reclaim in place of the parts that matter.
 */

import type { Slots } from "../kernel/options.js";
import { pageout, pageoutFolio, RELIED, reclaimed, rely, UNMAPPED, USER, unmap } from "./reclaimed.js";
import { scenario } from "./scenario.js";
import { call } from "./stage.js";

const STORES = [{ cpu: USER, may: "touch", vpn: 0, kind: 1 }] as const;
const PROT_READ = 1;

function parts(reclaim: Slots["reclaim"], looks = true) {
  return reclaimed({
    set: { reclaim },
    mutants: { "C-no-pending-check": !looks },
    does: [[rely(0)], [unmap(0)]],
    liberties: STORES,
    windows: [UNMAPPED, RELIED],
  });
}

function calls(looks: boolean) {
  return reclaimed({
    mutants: { "C-no-pending-check": !looks },
    entries: ["mprotect"],
    extra: (opt) => [pageoutFolio(opt)],
    caller: true,
    does: [[call("mprotect", 0, 1, PROT_READ)], [pageout(0)]],
    liberties: STORES,
    windows: [UNMAPPED],
  });
}

export const subject = scenario({
  name: "C1-mprotect-vs-reclaim",
  question: "May mprotect take an entry that reclaim has emptied for one that no TLB holds?",
  source: "linux 3ea277194daa (2017), mm, mprotect: flush TLB if potentially racing with a parallel reclaim",
  variants: {
    "no-look": {
      title: "nobody looks whether reclaim owes a flush",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => parts("batched-flag", false),
    },
    flag: {
      title: "the flag of 2017",
      expected: "safe",
      build: () => parts("batched-flag"),
    },
    counters: {
      title: "the counters of 5.17",
      expected: "safe",
      build: () => parts("batched-counters"),
    },
    "calls-no-look": {
      title: "mprotect and reclaim in full; nobody looks",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => calls(false),
    },
    calls: {
      title: "mprotect and reclaim in full, as upstream",
      expected: "safe",
      build: () => calls(true),
    },
  },
});
