/**
 * C2 with whole system calls: two MADV_DONTNEED on CPU 0, reclaim of a page of the other table on CPU 1, a user on CPU 2. The order of
 * events is that of C-q1-lost-flag.
 *
 * unsafe with the flag.
 */

import type { Slots } from "../kernel/options.js";
import { batchedIs, pageout, pageoutFolio, reclaimed, UNMAPPED, USER } from "./reclaimed.js";
import { scenario } from "./scenario.js";
import { call } from "./stage.js";

/** The second page of the first table, and the first page of the second. */
const IN_A = 1;
const IN_B = 2;
const MADV_DONTNEED = 4;

/** Some earlier batch of reclaim's is on record: 1 is both the flag and one pending page. */
const EARLIER = batchedIs(1);

function calls(reclaim: Slots["reclaim"]) {
  const dontneed = (vpn: number) => call("madvise", vpn, vpn + 1, MADV_DONTNEED);
  return reclaimed({
    set: { reclaim },
    entries: ["madvise"],
    extra: (opt) => [pageoutFolio(opt)],
    caller: true,
    pages: 3,
    // Page 1 is absent by now: a call that has something to flush of its own would cover what reclaim owes.
    setup: [{ do: "call", cpu: 0, entry: "madvise", args: [IN_A, IN_A + 1, MADV_DONTNEED] }, EARLIER],
    does: [[dontneed(IN_A), dontneed(IN_B)], [pageout(IN_B)]],
    liberties: [{ cpu: USER, may: "touch", vpn: IN_B }],
    windows: [UNMAPPED],
  });
}

export const subject = scenario({
  name: "C-q1-calls",
  question: "Can two calls of madvise and a batch of reclaim lose a flag between them?",
  source: "Nadav Amit, linux-mm, 2020-12-23, question 1",
  variants: {
    flag: {
      title: "two MADV_DONTNEED and reclaim in full, with the flag",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => calls("batched-flag"),
    },
  },
});
