/**
 * The stage of rules that no stale translation breaks: an entry gives a right, or carries a mark, that somebody else must hear of first.
 * CPU 0 does something to page 0 and then looks at its entry; CPU 1 waits for the news, which come only if the entry is right. A rule that
 * is broken shows as a standstill.
 */

import type { Case, Doing, SetupStep } from "../dsl/case.js";
import {
  type Bool,
  type Builder,
  type Expr,
  type ProgramSource,
  program,
  record,
  u64,
} from "../dsl/index.js";
import type { Mm } from "../kernel/mm_types.js";
import type { Mutants } from "../kernel/options.js";
import type { Pte } from "../kernel/pte.js";
import { ANON_RW, mmNumber, withPte } from "./pages.js";
import { call, stage, threadsOf } from "./stage.js";
import { AT_ONCE } from "./stale-writer.js";

const news = record("global", { told: u64 });
const { told } = news.at();

/** Whether the entry is as it has to be. */
export type Audit = (k: Builder, pte: Pte, mm: Mm) => Expr<Bool>;

function audit(isRight: Audit): ProgramSource {
  return program("audit", [], (k) => {
    const mm = mmNumber(k, u64.of(0));
    withPte(k, mm, u64.of(0), (field) => {
      const pte = k.read("ptep_get", field);
      k.window("the entry is looked at");
      k.if(isRight(k, pte, mm), () => k.write("tell", told, 1));
    });
  });
}

function waitForNews(): ProgramSource {
  return program("wait_for_news", [], (k) => {
    k.await("told", told, "ne", 0);
  });
}

export interface Audited {
  readonly set?: Readonly<Record<string, string>>;
  readonly mutants?: Mutants;
  readonly entries: readonly string[];
  /** The word of the mapping, of two pages; ANON_RW unless said. */
  readonly mapping?: bigint;
  readonly setup: readonly SetupStep[];
  readonly does: readonly Doing[];
  readonly isRight: Audit;
}

export function audited(play: Audited): Case {
  return stage({
    set: { ...AT_ONCE, ...play.set },
    ...(play.mutants && { mutants: play.mutants }),
    entries: play.entries,
    extra: () => [audit(play.isRight), waitForNews()],
    records: [news],
    machine: { cpus: 2, mms: 1, tasks: 2, tables: 6, frames: 6, storeBuffer: 2, tlb: { sets: 2, ways: 1 } },
    setup: [
      ...threadsOf(0, 2),
      { do: "call", cpu: 0, entry: "mmap", args: [0, 2, play.mapping ?? ANON_RW] },
      ...play.setup,
    ],
    threads: [
      { cpu: 0, does: [...play.does, call("audit")] },
      { cpu: 1, does: [call("wait_for_news")] },
    ],
    windows: ["the entry is looked at"],
  });
}
