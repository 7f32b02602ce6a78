/** The adversary of the engine against the slow one of the twin: the same states, transitions, violations and deadlocks. */
import { describe, expect, test } from "vitest";
import type { Case } from "../src/dsl/case.js";
import type { Builder } from "../src/dsl/index.js";
import type { Build } from "../src/engine/load.js";
import { searchCase } from "../src/engine/search.js";
import { exploreNaively } from "../src/reference/explore.js";
import { scenarioNamed } from "../src/scenario/all.js";
import { caseOf, glob, lockBoth, storeThenLoad } from "./tiny-case.js";

const BUILDS: readonly Build[] = ["debug", "release"];

/** Counts of the whole space by both. */
function bothCount(play: Case, build: Build): void {
  const found = searchCase(play, { build, count: true });
  const naive = exploreNaively(play, 20_000, { whole: true });
  expect(naive.complete).toBe(true);
  const { states, transitions, deadlocks, verdict } = naive;
  expect(found).toMatchObject({ complete: true, states, transitions, deadlocks, verdict });
}

/** The shortest violation by both. */
function bothFind(play: Case): void {
  const found = searchCase(play, { build: "debug" });
  const [shortest] = exploreNaively(play).violations;
  expect(found.verdict).toBe(shortest === undefined ? "safe" : "unsafe");
  expect(found.invariant).toBe(shortest?.invariant);
  expect(found.path?.length).toBe(shortest?.path.length);
}

const CASES: Readonly<Record<string, () => Case>> = {
  "store buffering under sc": () => storeThenLoad("sc"),
  "store buffering under tso": () => storeThenLoad("tso"),
  "store buffering under weak": () => storeThenLoad("weak"),
  "two locks in one order": () => lockBoth(glob.left, glob.right),
  "two locks in two orders": () => lockBoth(glob.right, glob.left),
  "a lost update": () => {
    const adds = (k: Builder) => {
      const old = k.read("read", glob.word);
      k.write("write", glob.word, old.add(1));
    };
    return caseOf({ zero: adds, one: adds });
  },
  "message passing under weak": () =>
    caseOf({
      zero: (k) => {
        k.write("data", glob.word, 7);
        k.write("flag", glob.flag, 1);
        k.work("end");
      },
      one: (k) => {
        k.read("flag", glob.flag);
        k.read("data", glob.word);
        k.work("end");
      },
      machine: { model: "weak" },
    }),
  "an interrupt that is waited for": () =>
    caseOf({
      zero: (k) => {
        k.raiseOne("send", 1);
        k.await("served", glob.flag, "eq", 1);
      },
      one: (k) => k.work("busy"),
      interrupt: (k) => k.write("serve", glob.flag, 1),
    }),
};

describe.each(BUILDS)("the %s build counts as the twin does", (build) => {
  test.each(Object.entries(CASES))("%s", (_, make) => bothCount(make(), build));
});

test("the shortest deadlock is found", () => {
  bothFind(lockBoth(glob.right, glob.left));
  bothFind(lockBoth(glob.left, glob.right));
});

const SCENARIOS = [
  ["D-clean-race", "judge-what-was-read"],
  ["D-clean-race", "judge-the-exchange"],
  ["A5-switch-barrier", "no-fence-sc"],
] as const;

test.each(SCENARIOS)(
  "%s/%s has as many states as on the twin",
  async (name, variant) => {
    const play = (await scenarioNamed(name)).variants[variant]!.build();
    bothCount(play, "debug");
  },
  60_000,
);

test("a bound that cuts makes the verdict unknown, and is named", () => {
  const play = lockBoth(glob.left, glob.right);
  expect(searchCase(play, { depth: 2 })).toMatchObject({ verdict: "unknown", complete: false, cut: "depth" });
  expect(searchCase(play, { states: 3 })).toMatchObject({
    verdict: "unknown",
    complete: false,
    cut: "states",
  });
  expect(searchCase(play, { memoryBytes: 2 ** 20 })).toMatchObject({ verdict: "unknown", cut: "memory" });
  expect(searchCase(play, { seconds: 0, depth: 1 })).toMatchObject({ verdict: "unknown" });
});

test("a TLB that is too small is said to be", async () => {
  const play = (await scenarioNamed("A1-gen-reorder")).variants.upstream!.build();
  const small = { ...play, machine: { ...play.machine, tlb: { sets: 1, ways: 1 } } };
  expect(() => searchCase(small)).toThrow("machine.tlb or machine.walkCache is too small");
});

test("preemptions are bounded: none finds no lost update, one does, and both say so", () => {
  const adds = (k: Builder) => {
    const old = k.read("read", glob.word);
    k.write("write", glob.word, old.add(1));
    k.work("end");
  };
  const play = caseOf({ zero: adds, one: adds });
  const none = searchCase(play, { preemptions: 0 });
  const one = searchCase(play, { preemptions: 1 });
  const all = searchCase(play);
  expect(none).toMatchObject({ verdict: "unknown", cut: "preemptions" });
  expect(one).toMatchObject({ verdict: "unknown", cut: "preemptions" });
  expect(none.states).toBeLessThan(one.states);
  // Who went on last is a part of a bounded state, so that there may be more of them than without a bound.
  expect(searchCase(play, { preemptions: 100 })).toMatchObject({ verdict: "safe", complete: true });
  expect(all.complete).toBe(true);
});

test("random runs find the deadlock of two locks, the same one for the same seed, and show no safety", () => {
  const crossed = lockBoth(glob.right, glob.left);
  const pct = { runs: 500, changes: 1, seed: 7 };
  const found = searchCase(crossed, { pct });
  expect(found).toMatchObject({ verdict: "unsafe", invariant: "progress", method: "pct", isShortest: false });
  expect(searchCase(crossed, { pct }).path).toEqual(found.path);
  const safe = lockBoth(glob.left, glob.right);
  expect(searchCase(safe, { pct })).toMatchObject({ verdict: "unknown", cut: "runs", method: "pct" });
});

test("random runs find a use of a stale translation that the search finds", async () => {
  const play = (await scenarioNamed("A1-gen-reorder")).variants["range-in-any-order"]!.build();
  const found = searchCase(play, { pct: { runs: 20_000, changes: 3, seed: 1 } });
  expect(found).toMatchObject({ verdict: "unsafe", invariant: "stale-right", method: "pct" });
});

test("what a search finds with orders left out is made as short as without", async () => {
  const play = (await scenarioNamed("A5-switch-barrier")).variants["no-fence"]!.build();
  const reduced = searchCase(play, { reduce: true });
  const full = searchCase(play);
  expect(reduced).toMatchObject({ verdict: "unsafe", isShortest: true });
  expect(reduced.path?.length).toBe(full.path?.length);
});
