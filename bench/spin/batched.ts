/**
 * Reclaim takes pages out of the page table and leaves the flush for later; madvise must not act on a page before that flush is done.
 * The same steps as batched.pml. CPUs 0.. use the pages; of the last two, one reclaims and one calls madvise.
 *
 * Source: linux mm/rmap.c, set_tlb_ubc_flush_pending() and flush_tlb_batched_pending(), with one flag (until 5.18) or two counters.
 */
import type { Case } from "../../src/dsl/case.js";
import {
  assemble,
  type Builder,
  cpuArray,
  type ProgramSource,
  program,
  pteAt,
  record,
  routine,
  spinlock,
  u64,
} from "../../src/dsl/index.js";
import { enter, entry, LEAF_TABLE, PCID, populate, ROOT } from "./paging.js";

const shared = record("global", { batched: u64 });
/** Page n has the lock of frame n. */
const page = record("frame", { ptl: spinlock("ptl") });
const cpu = record("cpu", { asked: cpuArray(u64) });

const DONE_SHIFT = 16;
const OWED_MASK = 0xffff;

type Rule = "flag" | "counters";

export interface BatchedSize {
  readonly users: number;
  readonly pages: number;
  readonly rule: Rule;
}

export function batchedCase({ users, pages, rule }: BatchedSize): Case {
  const all = Array.from({ length: pages }, (_, at) => at);
  const [reclaimer, adviser] = [users, users + 1];
  const flushUsers = (k: Builder, asker: number): void => {
    const asked = (user: number) => cpu.at(user).asked.at(asker);
    const targets = Array.from({ length: users }, (_, user) => user);
    for (const user of targets) {
      k.write(`ask ${user}`, asked(user), 1);
      k.raiseOne(`interrupt ${user}`, user);
    }
    for (const user of targets) k.await(`answer of ${user}`, asked(user), "eq", 0);
  };
  const reclaim = program("reclaim", [], (k) => {
    for (const at of all) unmap(k, at, rule);
    flushUsers(k, reclaimer);
    for (const at of all) k.freeFrame(`free ${at}`, at + 1);
  });
  const madvise = program("madvise", ["vpn"], (k, { vpn }) => {
    k.locked(page.at(vpn).ptl, () => {
      flushOwed(k, rule, () => flushUsers(k, adviser));
      k.promise(ROOT, vpn, vpn.add(1), "none");
    });
  });
  return {
    program: assemble({
      entries: [populate(pages), enter(), reclaim, madvise, handler([reclaimer, adviser])],
      records: [shared, page, cpu],
      cpus: users + 2,
      radixBits: 2,
    }),
    machine: {
      cpus: users + 2,
      mms: 1,
      tasks: 1,
      tables: 5,
      frames: pages + 1,
      radixBits: 2,
      model: "sc",
      storeBuffer: 1,
      assist: "strict",
      tlb: { sets: 4, ways: 1 },
      walkCache: 0,
    },
    setup: [
      { do: "call", cpu: 0, entry: "populate", args: [] },
      ...Array.from({ length: users }, (_, user) => ({
        do: "call" as const,
        cpu: user,
        entry: "enter",
        args: [],
      })),
    ],
    threads: [
      { cpu: reclaimer, does: [{ call: "reclaim", args: [] }] },
      { cpu: adviser, does: all.map((vpn) => ({ call: "madvise", args: [vpn] })) },
    ],
    liberties: Array.from({ length: users }, (_, user) =>
      all.map((vpn) => ({ cpu: user, may: "touch" as const, vpn })),
    ).flat(),
    windows: ["unmapped, flush owed"],
  };
}

const unmap = routine("unmap", (k: Builder, at: number, rule: Rule) => {
  k.locked(page.at(at).ptl, () => {
    k.xchg("clear", pteAt(LEAF_TABLE, at, entry), entry.zero);
    if (rule === "flag") k.write("owe", shared.at().batched, 1);
    else k.addReturn("owe", shared.at().batched, 1);
    k.window("unmapped, flush owed");
  });
});

function flushOwed(k: Builder, rule: Rule, flush: () => void): void {
  const { batched } = shared.at();
  const seen = k.read("is a flush owed", batched);
  if (rule === "flag") {
    k.if(seen.ne(0), () => {
      flush();
      k.write("nothing is owed", batched, 0);
    });
    return;
  }
  const owed = seen.and(OWED_MASK);
  k.if(owed.ne(seen.shr(DONE_SHIFT)), () => {
    flush();
    k.cmpxchg("done as far as was owed", batched, seen, owed.or(owed.shl(DONE_SHIFT)));
  });
}

/** Answers who has asked; who asks meanwhile interrupts again. */
function handler(askers: readonly number[]): ProgramSource {
  return program("call_function_interrupt", [], (k) => {
    for (const asker of askers) {
      const asked = cpu.at(k.cpu()).asked.at(asker);
      k.if(k.read(`does ${asker} ask`, asked).ne(0), () => {
        k.flushPcid(`forget for ${asker}`, PCID);
        k.write(`answer ${asker}`, asked, 0);
      });
    }
  });
}
