/**
 * The stage of the races about switching back: CPU 1 has page 0 in the PCID slot of address space 0, runs address space 1, and switches back
 * while CPU 0 unmaps the page.
 */

import type { Case, CaseMachine } from "../dsl/case.js";
import type { Mutants } from "../kernel/options.js";
import { ANON_RW, unmapPage } from "./pages.js";
import { call, stage, switchTo } from "./stage.js";

export function switchBack(mutants: Mutants, machine: Partial<CaseMachine> = {}): Case {
  return stage({
    mutants,
    machine,
    extra: (opt) => [unmapPage(opt)],
    setup: [
      { do: "task", task: 0, mm: 0 },
      { do: "task", task: 1, mm: 1 },
      { do: "switch", cpu: 1, task: 0 },
      { do: "call", cpu: 1, entry: "mmap", args: [0, 1, ANON_RW] },
      { do: "touch", cpu: 1, vpn: 0, kind: 1 },
      { do: "switch", cpu: 1, task: 1 },
    ],
    threads: [
      { cpu: 0, does: [call("unmap_page", 0, 0)] },
      { cpu: 1, does: [switchTo(0)] },
    ],
    liberties: [{ cpu: 1, may: "touch", vpn: 0 }],
    windows: ["unmapped, not flushed"],
  });
}
