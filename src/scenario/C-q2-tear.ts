/**
 * Does the flag need WRITE_ONCE()? A compiler may store a plain variable in parts, or move the store.
 *
 * Both callers find absent entries, in different tables; reclaim has unmapped the second one's page before. Safe in two halves, because
 * half a flag is a flag; unsafe when it is cleared before the flush, which barrier() forbids:
 *
 *   CPU 0: clears the flag, flushes ...
 *   CPU 1: finds its entry absent and the flag clear; returns
 *   CPU 2: uses the page; CPU 0's interrupt has not arrived
 *
 * The question went away when the flag became an atomic word.
 */

import type { Mutants } from "../kernel/options.js";
import { RELIED, reclaimed, rely, UNMAPPED, USER, unmap } from "./reclaimed.js";
import { scenario } from "./scenario.js";

const IN_B = 2;

function clearing(mutants: Mutants) {
  return reclaimed({
    set: { reclaim: "batched-flag" },
    mutants,
    pages: 3,
    setup: [{ do: "call", cpu: 1, entry: "unmap_batched", args: [0, IN_B] }],
    does: [[rely(0)], [rely(IN_B)]],
    liberties: [{ cpu: USER, may: "touch", vpn: IN_B }],
    windows: [RELIED],
  });
}

function setting(mutants: Mutants) {
  return reclaimed({
    set: { reclaim: "batched-flag" },
    mutants,
    does: [[rely(0)], [unmap(0)]],
    windows: [UNMAPPED, RELIED],
  });
}

export const subject = scenario({
  name: "C-q2-tear",
  question: "Does the flag of batched flushes need WRITE_ONCE?",
  source: "Nadav Amit, linux-mm, 2020-12-23, question 2",
  variants: {
    "cleared-at-once": {
      title: "the store is one word, behind the flush",
      expected: "safe",
      build: () => clearing({}),
    },
    "cleared-in-halves": {
      title: "the flag is cleared by two stores",
      expected: "safe",
      build: () => clearing({ "C-flag-torn": true }),
    },
    "set-in-halves": {
      title: "the flag is set by two stores",
      expected: "safe",
      build: () => setting({ "C-flag-torn": true }),
    },
    "cleared-early": {
      title: "the compiler moves the store before the flush",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => clearing({ "C-flag-early": true }),
    },
  },
});
