/**
 * Every change of a page-table entry's PRESENT, RW and D bits, under every rule for which changes need a flush, with every way in which
 * a CPU may have cached the old entry. The flush itself is ideal hardware's, because the question is about the rule alone.
 *
 *   CPU 0: for each old and each new entry: installs the old one; exchanges it for the new one; flushes if the rule says so; returns
 *   CPU 1: loads and stores at any time
 *
 * Three promises are kept: what is not mapped is not reached, what is read-only is not written, and a page whose D bit was cleared does
 * not get dirty unnoticed. safe: the rule of x86, of seed 001 (a clean page that loses its write right), and of relaxed raises, with a
 * strict dirty assist. unsafe: the rule of seed 001 with a legacy assist, and any rule that forgets RW, PRESENT or D.
 */

import type { DirtyAssist } from "../dsl/case.js";
import { type Bool, type Builder, type Expr, type ProgramSource, program, type U64 } from "../dsl/index.js";
import { pte_needs_flush } from "../kernel/mprotect.js";
import type { KernelOptions } from "../kernel/options.js";
import { type Pte, pte_t } from "../kernel/pte.js";
import { flush_tlb_page } from "../kernel/tlb.js";
import { ANON_RW, mmNumber, withPte } from "./pages.js";
import { scenario } from "./scenario.js";
import { call, stage } from "./stage.js";

const PRESENT = 1;
const RW = 2;
const DIRTY = 4;
const COMBINATIONS = 8;

type Rule = (k: Builder, opt: KernelOptions, before: Pte, after: Pte) => Expr<Bool>;

const kernelRule: Rule = (_k, opt, before, after) => pte_needs_flush(opt, before, after);

/** The kernel's rule with one of the three bits left out of it. */
function without(bit: number): Rule {
  return (k, opt, before, after) => {
    const kept = {
      ...(bit === PRESENT && { present: before.present }),
      ...(bit === RW && { write: before.write }),
      ...(bit === DIRTY && { dirty: before.dirty }),
    };
    return kernelRule(k, opt, before, after.with(kept));
  };
}

function entry(flags: Expr<U64>, pfn: Expr<U64>): Pte {
  const base = pte_t.of({ user: true, accessed: true });
  return base.with({
    present: flags.and(PRESENT).ne(0),
    write: flags.and(RW).ne(0),
    dirty: flags.and(DIRTY).ne(0),
    pfn,
  });
}

function allTransitions(opt: KernelOptions, rule: Rule): ProgramSource {
  return program("all_transitions", ["mm", "vpn"], (k, args) => {
    const mm = mmNumber(k, args.mm);
    withPte(k, mm, args.vpn, (pte) => {
      const { pfn } = k.read("ptep_get", pte);
      const change = (old: Expr<U64>, next: Expr<U64>): void => {
        k.xchg("install the old entry", pte, entry(old, pfn));
        flush_tlb_page(k, opt, mm, args.vpn);
        const before = k.xchg("ptep_modify_prot_start", pte, entry(next, pfn));
        const after = entry(next, pfn);
        k.if(rule(k, opt, before, after), () => flush_tlb_page(k, opt, mm, args.vpn));
        k.if(
          after.present.not(),
          () => k.promise(mm.root, args.vpn, args.vpn.add(1), "none", "nothing is left"),
          () => {
            k.if(after.write.not(), () =>
              k.promise(mm.root, args.vpn, args.vpn.add(1), "read", "reading is left"),
            );
            k.if(after.dirty.not(), () =>
              k.promise(mm.root, args.vpn, args.vpn.add(1), "clean", "writes will be noticed"),
            );
          },
        );
        k.work("page_mkwrite");
      };
      k.forRange(0, COMBINATIONS, 1, (old) => k.forRange(0, COMBINATIONS, 1, (next) => change(old, next)));
    });
  });
}

function build(needFlush: string, rule: Rule = kernelRule, assist: DirtyAssist = "strict") {
  return stage({
    set: { "need-flush": needFlush, shootdown: "coherent" },
    machine: { assist, model: "sc" },
    extra: (opt) => [allTransitions(opt, rule)],
    setup: [
      { do: "task", task: 0, mm: 0 },
      { do: "switch", cpu: 1, task: 0 },
      { do: "call", cpu: 1, entry: "mmap", args: [0, 1, ANON_RW] },
      { do: "touch", cpu: 1, vpn: 0, kind: 1 },
    ],
    threads: [{ cpu: 0, does: [call("all_transitions", 0, 0)] }],
    liberties: [
      { cpu: 1, may: "touch", vpn: 0, kind: 0 },
      { cpu: 1, may: "touch", vpn: 0, kind: 1 },
    ],
  });
}

export const subject = scenario({
  name: "D-flag-transitions",
  question: "Which changes of an entry's PRESENT, RW and D bits need a flush?",
  source:
    "linux arch/x86/include/asm/tlbflush.h, pte_flags_need_flush(); Nadav Amit's mails of 2022-06-27 and 2022-07-18",
  variants: {
    upstream: {
      title: "today's rule: a change of RW either way, a lost PRESENT or D",
      expected: "safe",
      build: () => build("x86-upstream"),
    },
    "rule-p": {
      title: "as upstream, but not a write right lost by a clean entry",
      expected: "safe",
      build: () => build("skip-clean"),
    },
    "relaxed-raise": {
      title: "as upstream, but not a gained right",
      expected: "safe",
      build: () => build("relaxed-raise"),
    },
    "rule-p-legacy": {
      title: "Rule P, with an assist that looks at P alone",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build("skip-clean", kernelRule, "legacy"),
    },
    "without-rw": {
      title: "as upstream, but RW does not count",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build("x86-upstream", without(RW)),
    },
    "without-present": {
      title: "as upstream, but PRESENT does not count",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build("x86-upstream", without(PRESENT)),
    },
    "without-dirty": {
      title: "as upstream, but D does not count",
      expected: "unsafe",
      breaks: "lost-dirty",
      build: () => build("x86-upstream", without(DIRTY)),
    },
  },
});
