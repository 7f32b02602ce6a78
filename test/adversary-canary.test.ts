/** For each invariant a case of a few steps in which one order of events breaks it, and the same case done right. */
import { afterAll, describe, expect, test } from "vitest";
import { enter, entry, LEAF_TABLE, PCID, populate, ROOT } from "../bench/spin/paging.js";
import { type Case, type CaseMachine, INVARIANTS, type Invariant, type Liberty } from "../src/dsl/case.js";
import { assemble, type Builder, cpuArray, program, pteAt, record, spinlock, u64 } from "../src/dsl/index.js";
import { searchCase } from "../src/engine/search.js";
import { exploreNaively } from "../src/reference/explore.js";

type Body = (k: Builder) => void;

const shared = record("global", { outer: spinlock("outer"), inner: spinlock("inner") });
const cpu = record("cpu", { asked: cpuArray(u64) });
const pte = pteAt(LEAF_TABLE, 0, entry);
/** Table above the leaf table. */
const UPPER_TABLE = 3;
const FRAME = 1;
const OTHER_FRAME = 2;
const rights = { present: true, user: true, accessed: true } as const;
const USER = 1;

/** CPU 1 forgets page 0, and says so. */
function shootdown(k: Builder): void {
  const { asked } = cpu.at(USER);
  k.write("ask", asked.at(0), 1);
  k.raiseOne("interrupt", USER);
  k.await("answer", asked.at(0), "eq", 0);
}

interface Play {
  /** What the programs do, one for each CPU from 0 on. */
  readonly bodies: readonly Body[];
  readonly touches?: readonly (0 | 1)[];
  readonly liberties?: readonly Liberty[];
  readonly devices?: readonly number[];
  readonly machine?: Partial<CaseMachine>;
}

/** Two pages, mapped, may be written; CPU 1 has written page 0. */
function caseOf({ bodies, touches = [], liberties = [], devices, machine }: Play): Case {
  const interrupt = program("call_function_interrupt", [], (k) => {
    const { asked } = cpu.at(k.cpu());
    k.if(k.read("who asks", asked.at(0)).ne(0), () => {
      k.flushPcid("flush", PCID);
      k.write("answer", asked.at(0), 0);
    });
  });
  return {
    program: assemble({
      entries: [populate(2), enter(), interrupt, ...bodies.map((body, on) => program(`cpu${on}`, [], body))],
      records: [shared, cpu],
      cpus: 2,
      radixBits: 1,
    }),
    machine: {
      cpus: 2,
      mms: 1,
      tasks: 1,
      tables: 5,
      frames: 3,
      radixBits: 1,
      model: "sc",
      storeBuffer: 1,
      assist: "strict",
      tlb: { sets: 2, ways: 1 },
      walkCache: 0,
      ...machine,
    },
    setup: [
      { do: "call", cpu: 0, entry: "populate", args: [] },
      { do: "call", cpu: USER, entry: "enter", args: [] },
      { do: "touch", cpu: USER, vpn: 0, kind: 1 },
    ],
    threads: bodies.map((_, on) => ({ cpu: on, does: [{ call: `cpu${on}`, args: [] }] })),
    liberties: [...touches.map((kind): Liberty => ({ cpu: USER, may: "touch", vpn: 0, kind })), ...liberties],
    windows: [],
    ...(devices && { devices }),
  };
}

const freed =
  (isFlushed: boolean): Body =>
  (k) => {
    k.xchg("unmap", pte, entry.zero);
    if (isFlushed) shootdown(k);
    k.freeFrame("free", FRAME);
  };

const protectedPage =
  (isFlushed: boolean): Body =>
  (k) => {
    k.write("protect", pte, entry.of({ ...rights, dirty: true, pfn: FRAME }));
    if (isFlushed) shootdown(k);
    k.promise(ROOT, 0, 1, "read");
  };

const copied =
  (isFlushed: boolean): Body =>
  (k) => {
    k.write("protect", pte, entry.of({ ...rights, dirty: true, pfn: FRAME }));
    if (isFlushed) shootdown(k);
    k.copyFrame("copy", FRAME, OTHER_FRAME, 0, ROOT);
    k.write("map the copy", pte, entry.of({ ...rights, write: true, dirty: true, pfn: OTHER_FRAME }));
    k.work("done");
  };

const judged =
  (isFlushed: boolean): Body =>
  (k) => {
    k.xchg("clean", pte, entry.of({ ...rights, write: true, pfn: FRAME }));
    if (isFlushed) shootdown(k);
    k.judgeClean("write back", FRAME);
  };

const unhooked =
  (isFlushed: boolean): Body =>
  (k) => {
    k.xchg("unhook", pteAt(UPPER_TABLE, 0, entry), entry.zero);
    if (isFlushed) shootdown(k);
    k.freeTable("free", LEAF_TABLE);
    k.work("done");
  };

const moved =
  (isFlushed: boolean): Body =>
  (k) => {
    k.xchg("move", pte, entry.of({ ...rights, write: true, dirty: true, pfn: OTHER_FRAME }));
    if (isFlushed) shootdown(k);
  };

const locks =
  (first: "outer" | "inner", second: "outer" | "inner"): Body =>
  (k) => {
    const lock = shared.at();
    k.locked(lock[first] as typeof lock.outer, () => k.locked(lock[second] as typeof lock.outer, () => {}));
  };

const sleeper =
  (isInside: boolean): Body =>
  (k) => {
    k.locked(shared.at().outer, () => {
      if (isInside) k.mightSleep("sleep");
    });
    if (!isInside) k.mightSleep("sleep");
  };

interface Canary {
  readonly invariant: Invariant;
  readonly what: string;
  readonly build: (isRight: boolean) => Play;
}

const canaries: readonly Canary[] = [
  {
    invariant: "stale-frame",
    what: "a frame is freed while it is cached",
    build: (isRight) => ({ bodies: [freed(isRight)], touches: [0] }),
  },
  {
    invariant: "stale-right",
    what: "a call returns while a right that it took away is cached",
    build: (isRight) => ({ bodies: [protectedPage(isRight)], touches: [1] }),
  },
  {
    invariant: "lost-write",
    what: "a page is written while it is copied",
    build: (isRight) => ({ bodies: [copied(isRight)], touches: [1] }),
  },
  {
    invariant: "lost-dirty",
    what: "a page that is taken for clean is written by an entry that is dirty already",
    build: (isRight) => ({ bodies: [judged(isRight)], touches: [1] }),
  },
  {
    invariant: "stale-table",
    what: "a page table is freed while a way into it is cached",
    build: (isRight) => ({
      bodies: [unhooked(isRight)],
      liberties: [
        { cpu: USER, may: "fill", vpn: 0 },
        { cpu: USER, may: "evict", vpn: 0 },
      ],
      machine: { walkCache: 1 },
    }),
  },
  {
    invariant: "split-view",
    what: "a page moves to another frame and nobody is told",
    build: (isRight) => ({ bodies: [moved(isRight)], touches: [0] }),
  },
  {
    invariant: "progress",
    what: "two locks are taken in two orders",
    build: (isRight) => ({
      bodies: [locks("outer", "inner"), isRight ? locks("outer", "inner") : locks("inner", "outer")],
    }),
  },
  {
    invariant: "progress",
    what: "somebody sleeps with a spinlock held",
    build: (isRight) => ({ bodies: [sleeper(!isRight)] }),
  },
  {
    invariant: "stale-device",
    what: "a frame is freed while a device has it cached",
    build: (isRight) => ({ bodies: [freed(isRight)], touches: [0], devices: [USER] }),
  },
];

const found = new Set<Invariant>();

describe.each(canaries)("$invariant: $what", ({ invariant, build }) => {
  test("is found, by engine and twin, by ways of the same length", () => {
    const play = caseOf(build(false));
    const search = searchCase(play);
    expect([search.verdict, search.invariant]).toEqual(["unsafe", invariant]);
    const { violations } = exploreNaively(play);
    expect(violations.map((violation) => violation.invariant)).toContain(invariant);
    expect(search.path!.length).toBe(violations[0]!.path.length);
    found.add(invariant);
  });

  test("done right is safe, and all of it is seen", () => {
    const play = caseOf(build(true));
    const search = searchCase(play);
    expect(search).toMatchObject({ verdict: "safe", complete: true });
    expect(exploreNaively(play)).toMatchObject({ verdict: "safe", states: search.states });
  });
});

afterAll(() => {
  expect([...found].sort()).toEqual([...INVARIANTS].sort());
});
