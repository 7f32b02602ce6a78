/**
 * A7. A CPU flushes while it holds a page-table lock, and waits for everybody's answer; another one spins for that lock with its
 * interrupts off, so it never answers.
 *
 * progress is broken where the lock is waited for with interrupts off; with trylock, or with interrupts on, everybody ends.
 */

import { program } from "../dsl/index.js";
import type { KernelOptions } from "../kernel/options.js";
import { forEachTable, PTE, ptdesc } from "../kernel/pgtable.js";
import { pte_t } from "../kernel/pte.js";
import { flush_tlb_page } from "../kernel/tlb.js";
import { ANON_RW, mmNumber, withPte } from "./pages.js";
import { scenario } from "./scenario.js";
import { call, stage } from "./stage.js";

type Taking = "interrupts-off" | "trylock" | "interrupts-on";

function unmapUnderLock(opt: KernelOptions) {
  return program("unmap_under_ptl", ["mm", "vpn"], (k, args) => {
    const mm = mmNumber(k, args.mm);
    withPte(k, mm, args.vpn, (pte) => {
      k.xchg("ptep_clear_flush", pte, pte_t.zero);
      k.window("flushing under the lock");
      flush_tlb_page(k, opt, mm, args.vpn);
    });
    k.promise(mm.root, args.vpn, args.vpn.add(1), "none");
  });
}

function takePtl(how: Taking) {
  return program("take_ptl", ["mm", "vpn"], (k, args) => {
    const mm = mmNumber(k, args.mm);
    forEachTable(k, mm.root, PTE, args.vpn, args.vpn.add(1), ({ table }) => {
      const { ptl } = ptdesc.at(table);
      const work = (): void => k.work("page_mkwrite");
      if (how === "interrupts-on") k.locked(ptl, work);
      else if (how === "trylock") k.irqsOff(() => k.trylock("spin_trylock", ptl, work));
      else k.irqsOff(() => k.locked(ptl, work));
    });
  });
}

function build(how: Taking) {
  return stage({
    extra: (opt) => [unmapUnderLock(opt), takePtl(how)],
    setup: [
      { do: "task", task: 0, mm: 0 },
      { do: "switch", cpu: 1, task: 0 },
      { do: "call", cpu: 1, entry: "mmap", args: [0, 1, ANON_RW] },
      { do: "touch", cpu: 1, vpn: 0, kind: 1 },
    ],
    threads: [
      { cpu: 0, does: [call("unmap_under_ptl", 0, 0)] },
      { cpu: 1, does: [call("take_ptl", 0, 0)] },
    ],
    liberties: [{ cpu: 1, may: "touch", vpn: 0 }],
    windows: ["flushing under the lock"],
  });
}

export const subject = scenario({
  name: "A7-irqoff-ptl",
  question: "May a page-table lock be waited for with interrupts off?",
  source:
    "linux mm: flushes under the page-table lock wait for every CPU; speculative page faults (2017) therefore used trylock",
  variants: {
    "interrupts-off": {
      title: "spin for the lock with interrupts off",
      expected: "unsafe",
      breaks: "progress",
      build: () => build("interrupts-off"),
    },
    trylock: { title: "try once with interrupts off", expected: "safe", build: () => build("trylock") },
    "interrupts-on": {
      title: "spin for the lock with interrupts on",
      expected: "safe",
      build: () => build("interrupts-on"),
    },
  },
});
