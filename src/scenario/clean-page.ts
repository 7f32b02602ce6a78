/**
 * The stage of the rule "a write right that no write has used needs no flush": CPU 1 caches a page with the write right and D clear,
 * CPU 0 takes the right away.
 */

import type { DirtyAssist, Liberty, SetupStep, Thread } from "../dsl/case.js";
import type { ProgramSource } from "../dsl/index.js";
import type { KernelOptions, Mutants } from "../kernel/options.js";
import { ANON_RW } from "./pages.js";
import { call, stage, threadsOf } from "./stage.js";

const MADV_FREE = 8;
const PROT_READ = 1;

/** One page, written and then cleaned, so that the entry allows writing and D is clear; CPU 1 has it in its TLB. */
const cleanAndCached: readonly SetupStep[] = [
  ...threadsOf(0, 2),
  { do: "call", cpu: 0, entry: "mmap", args: [0, 1, ANON_RW] },
  { do: "touch", cpu: 0, vpn: 0, kind: 1 },
  { do: "call", cpu: 0, entry: "madvise", args: [0, 1, MADV_FREE] },
  { do: "touch", cpu: 1, vpn: 0, kind: 0 },
];

export interface CleanPage {
  readonly needFlush?: string;
  readonly assist?: DirtyAssist;
  readonly mutants?: Mutants;
  /** Unless said, CPU 0 calls mprotect(PROT_READ) and CPU 1 may write at any time. */
  readonly threads?: readonly Thread[];
  readonly liberties?: readonly Liberty[];
  readonly extra?: (opt: KernelOptions) => readonly ProgramSource[];
  readonly windows?: readonly string[];
}

export function cleanPage(play: CleanPage) {
  return stage({
    set: { "need-flush": play.needFlush ?? "skip-clean" },
    ...(play.mutants && { mutants: play.mutants }),
    ...(play.extra && { extra: play.extra }),
    entries: ["mprotect", "madvise"],
    machine: { assist: play.assist ?? "strict", storeBuffer: 3 },
    setup: cleanAndCached,
    threads: play.threads ?? [{ cpu: 0, does: [call("mprotect", 0, 1, PROT_READ)] }],
    liberties: play.liberties ?? [{ cpu: 1, may: "touch", vpn: 0, kind: 1 }],
    windows: play.windows ?? ["protected, unlocked, TLBs still warm"],
  });
}
