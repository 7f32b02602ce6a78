/** Cases of two CPUs and a few words, for searches whose spaces are small. */
import type { Case, CaseMachine } from "../src/dsl/case.js";
import { assemble, type Builder, program, record, type SpinLock, spinlock, u64 } from "../src/dsl/index.js";

const shared = record("global", {
  word: u64,
  flag: u64,
  left: spinlock("left"),
  right: spinlock("right"),
});
export const glob = shared.at();
const mm = record("mm", { pgd: u64, mm_users: u64 });
const task = record("task", { mm: u64 });

export type Body = (k: Builder) => void;

const MACHINE: CaseMachine = {
  cpus: 2,
  mms: 1,
  tasks: 2,
  tables: 6,
  frames: 3,
  radixBits: 1,
  model: "sc",
  storeBuffer: 2,
  assist: "strict",
  tlb: { sets: 2, ways: 1 },
  walkCache: 0,
};

export interface TinyPlay {
  readonly zero: Body;
  readonly one?: Body;
  readonly interrupt?: Body;
  readonly machine?: Partial<CaseMachine>;
  readonly windows?: readonly string[];
}

/** CPU 0 runs `zero`, CPU 1 runs `one`. */
export function caseOf({
  zero,
  one = () => {},
  interrupt = () => {},
  machine,
  windows = [],
}: TinyPlay): Case {
  const sources = { zero, one, call_function_interrupt: interrupt };
  return {
    program: assemble({
      entries: Object.entries(sources).map(([name, body]) => program(name, [], body)),
      records: [shared, mm, task],
      cpus: 2,
      radixBits: 1,
    }),
    machine: { ...MACHINE, ...machine },
    setup: [],
    threads: [
      { cpu: 0, does: [{ call: "zero", args: [] }] },
      { cpu: 1, does: [{ call: "one", args: [] }] },
    ],
    liberties: [],
    windows,
  };
}

/** Dekker's pattern: each CPU stores to a word of its own and then loads the other's. */
export function storeThenLoad(model: CaseMachine["model"]): Case {
  const half =
    (own: typeof glob.word, others: typeof glob.word): Body =>
    (k) => {
      k.write("store", own, 1);
      k.read("load", others);
      k.work("end");
    };
  return caseOf({ zero: half(glob.word, glob.flag), one: half(glob.flag, glob.word), machine: { model } });
}

/** CPU 0 takes left, then right; CPU 1 takes `first`, then `second`. */
export function lockBoth(first: SpinLock<string>, second: SpinLock<string>): Case {
  const take =
    (outer: SpinLock<string>, inner: SpinLock<string>): Body =>
    (k) =>
      k.locked(outer, () => k.locked(inner, () => {}));
  return caseOf({ zero: take(glob.left, glob.right), one: take(first, second) });
}
