/** What the search finds in each variant of each scenario. Variants of millions of states are left to `shootdown check`, which CI runs. */

import { describe, expect, test } from "vitest";
import { searchCase } from "../src/engine/search.js";
import { scenarioNamed, scenarioNames } from "../src/scenario/all.js";
import { oneIn } from "./thorough.js";

/** Seconds each: whole interrupts, whole system calls, weak memory with much to reorder. */
const LARGE = /-ipi$|calls|^empty|^two-zaps$|^B11|^B-gen-nobump|^A1-|^C-q1-calls|^D-pending/;

const scenarios = await Promise.all(oneIn(4, scenarioNames()).map(scenarioNamed));

describe.each(scenarios.map((one) => [one.name, one] as const))("%s", (name, { variants }) => {
  const small = Object.entries(variants).filter(([variant]) => !LARGE.test(name) && !LARGE.test(variant));
  test.skipIf(small.length === 0).each(small.length > 0 ? small : Object.entries(variants))(
    "%s has the verdict that it is known to have",
    { timeout: 120_000 },
    (_, { build, bounds = {}, expected, breaks }) => {
      const play = build();
      const { livelock = false, model = play.machine.model } = bounds;
      const found = searchCase({ ...play, machine: { ...play.machine, model } }, { livelock, reduce: true });
      expect({ verdict: found.verdict, breaks: found.invariant }).toEqual({ verdict: expected, breaks });
      if (expected !== "safe") return;
      const missed = found.windows.filter(({ entered }) => entered === 0).map((window) => window.name);
      expect({ missed, complete: found.complete }).toEqual({ missed: [], complete: true });
    },
  );
});
