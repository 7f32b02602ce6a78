/** The slow search on cases so small that their states can be counted by hand. */
import { expect, test } from "vitest";
import type { Builder, SpinLock } from "../src/dsl/index.js";
import { exploreNaively } from "../src/reference/explore.js";
import { caseOf, glob } from "./tiny-case.js";

const works = (k: Builder): void => {
  k.work("a");
  k.work("b");
};

test("two programs of two steps have nine states and twelve transitions", () => {
  const found = exploreNaively(caseOf({ zero: works, one: works }));
  expect(found).toMatchObject({ states: 9, transitions: 12, complete: true, verdict: "safe", deadlocks: 0 });
});

test("registers that nothing reads any more do not tell states apart", () => {
  const reads = (k: Builder): void => {
    k.read("read", glob.word);
    k.work("end");
  };
  const writes = (k: Builder): void => {
    k.write("write", glob.word, 1);
  };
  expect(exploreNaively(caseOf({ zero: reads, one: writes })).states).toBe(6);
});

test("a buffered store drains when it likes, or at the end of the program at the latest", () => {
  const writes = (k: Builder): void => {
    k.write("write", glob.word, 1);
    k.work("end");
  };
  const sc = exploreNaively(caseOf({ zero: writes }));
  expect(sc).toMatchObject({ states: 3, transitions: 2 });
  const tso = exploreNaively(caseOf({ zero: writes, machine: { model: "tso" } }));
  expect(tso).toMatchObject({ states: 4, transitions: 4 });
});

test("two locks taken in two orders are a deadlock, found by a shortest way", () => {
  const take = (first: SpinLock<string>, second: SpinLock<string>) => (k: Builder) => {
    k.locked(first, () => k.locked(second, () => {}));
  };
  const found = exploreNaively(
    caseOf({ zero: take(glob.left, glob.right), one: take(glob.right, glob.left) }),
    100,
    { whole: true },
  );
  expect(found).toMatchObject({ complete: true, verdict: "unsafe", deadlocks: 1 });
  expect(found.violations.map(({ invariant, path }) => [invariant, path.length])).toEqual([["progress", 2]]);
  expect(found.violations[0]!.what).toMatch(/CPU 0 waits at LOCK .* CPU 1 waits at LOCK/);
});

test("a window that is never entered is no safety", () => {
  const enters = (k: Builder): void => {
    k.work("a");
    k.window("danger");
    k.work("b");
  };
  const verdictOf = (windows: readonly string[]) => exploreNaively(caseOf({ zero: enters, windows })).verdict;
  expect(verdictOf(["danger"])).toBe("safe");
  expect(verdictOf(["danger", "another"])).toBe("unknown");
});

test("a search that its limit cuts knows nothing", () => {
  const cut = exploreNaively(caseOf({ zero: works, one: works }), 8);
  expect(cut).toMatchObject({ states: 8, complete: false, verdict: "unknown" });
});

test("an interrupt is taken at any time, once", () => {
  const play = caseOf({
    zero: (k) => k.raiseOne("send", 1),
    one: works,
    interrupt: (k) => k.work("handle"),
  });
  // Before it is sent 3; then for each of 3 places: pending, in the handler, served.
  expect(exploreNaively(play)).toMatchObject({ states: 12, verdict: "safe" });
});
