/**
 * C9. Whoever works through a page table may drop its lock on the way, and take it again.
 *
 *   CPU 0: asks under the lock whether reclaim owes a flush, looks at page 0, drops the lock
 *   CPU 1: reclaim takes page 1's entry out and puts the flush off
 *   CPU 0: takes the lock again; page 1's entry is absent; returns
 *   CPU 2: uses page 1
 *
 * unsafe when it asks only the first time; safe when it asks every time. The two halves are calls of their own here, because a call's
 * promise says nothing of what another one has done meanwhile; the rule C-relock breaks it in zap_pte_range() itself.
 */

import { RELIED, reclaimed, rely, relyOnAbsence, UNMAPPED, USER, unmap, unmapBatched } from "./reclaimed.js";
import { scenario } from "./scenario.js";
import { call } from "./stage.js";

function build(asksAgain: boolean) {
  return reclaimed({
    extra: (opt) => [
      unmapBatched(opt),
      relyOnAbsence(opt),
      relyOnAbsence(opt, "take_lock_again", asksAgain ? undefined : () => {}),
    ],
    pages: 2,
    does: [[rely(0), call("take_lock_again", 0, 1)], [unmap(1)]],
    liberties: [{ cpu: USER, may: "touch", vpn: 1 }],
    windows: [UNMAPPED, RELIED],
  });
}

export const subject = scenario({
  name: "C9-relock",
  question:
    "Is it enough to ask once whether reclaim owes a flush, when the page-table lock is dropped in between?",
  source: "linux 383c4613c67c (2025), mm: close theoretical race where stale TLB entries could linger",
  variants: {
    "asks-once": {
      title: "it asks when it takes the lock the first time",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build(false),
    },
    upstream: {
      title: "it asks every time",
      expected: "safe",
      build: () => build(true),
    },
  },
});
