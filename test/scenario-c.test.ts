/** The races of reclaim: each variant has the verdict, the broken invariant and the windows that its scenario says. */

import { describe, expect, test } from "vitest";
import { searchCase } from "../src/engine/search.js";
import { scenarioNamed, scenarioNames } from "../src/scenario/all.js";

const SECONDS = 300;
/** Stronger barriers where the weakest is safe already: millions of states each. */
const SLOW = new Set(["C-q3-weak/empty-wmb", "C-q3-weak/empty-mb"]);

const scenarios = await Promise.all(
  scenarioNames()
    .filter((name) => name.startsWith("C"))
    .map(scenarioNamed),
);

describe.each(scenarios.map((one) => [one.name, one] as const))("%s", (name, { variants }) => {
  const searched = Object.entries(variants).filter(([variant]) => !SLOW.has(`${name}/${variant}`));
  test.each(searched)("%s", { timeout: 1000 * SECONDS }, (_, { expected, breaks, build }) => {
    const found = searchCase(build(), { seconds: SECONDS });
    const missed = found.windows.filter(({ entered }) => entered === 0).map((window) => window.name);
    expect({ verdict: found.verdict, breaks: found.invariant }).toEqual({ verdict: expected, breaks });
    if (expected === "safe")
      expect({ missed, complete: found.complete }).toEqual({ missed: [], complete: true });
  });
});
