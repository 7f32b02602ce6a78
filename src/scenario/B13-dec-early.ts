/**
 * B13. B5 under today's rule, but tlb_flush_pending is lowered before the flush is complete: the fault believes it.
 *
 * unsafe; safe when it is lowered behind the flush.
 */

import { scenario } from "./scenario.js";
import { liftedWhileWritten } from "./stale-writer.js";

const build = (broken: boolean) => liftedWhileWritten({ pending: "uffd-armed" }, { "B-dec-early": broken });

export const subject = scenario({
  name: "B13-dec-early",
  question: "May tlb_flush_pending be lowered before the flush is complete?",
  source: "linux include/linux/mm_types.h, dec_tlb_flush_pending(), its comment: a mutant of it",
  variants: {
    early: {
      title: "lowered, then flushed",
      expected: "unsafe",
      breaks: "lost-write",
      build: () => build(true),
    },
    upstream: { title: "flushed, then lowered", expected: "safe", build: () => build(false) },
  },
});
