/** The races about pending flushes: what the search finds in each variant, and that every rule of theirs is broken by one. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { searchCase } from "../src/engine/search.js";
import { MUTANTS } from "../src/kernel/options.js";
import { scenarioNamed, scenarioNames } from "../src/scenario/all.js";

const FOLDER = join(import.meta.dirname, "../src/scenario");

/** Millions of states, or random runs in place of a search: `shootdown check` has the time for them. */
const LARGE: ReadonlySet<string> = new Set([
  "B1-numa-migrate upstream-ipi",
  "B4-ksm entry-only-ipi",
  "B5-uffdwp-cow v7-ipi",
  "B5-uffdwp-cow deferred-gen-ipi",
  "B11-nested-lost-levels upstream",
]);

const scenarios = await Promise.all(
  scenarioNames()
    .filter((name) => name.startsWith("B"))
    .map(scenarioNamed),
);

test("there is a scenario for each race", () => {
  expect(scenarios.map(({ name }) => name)).toEqual([
    "B1-numa-migrate",
    "B2-bool-pending",
    "B3-madv-miss",
    "B4-ksm",
    "B5-uffdwp-cow",
    "B6-softdirty",
    "B7-zap-mkclean",
    "B11-nested-lost-levels",
    "B12-order-free",
    "B13-dec-early",
    "B-bloom-clear",
    "B-gen-nobump",
    "B-lock-exclusion",
    "B-v5-refcount",
  ]);
});

describe.each(scenarios)("$name", ({ name, variants }) => {
  const small = Object.entries(variants).filter(([variant]) => !LARGE.has(`${name} ${variant}`));
  test.each(small)(
    "%s has the verdict that it is known to have",
    (_, { build, bounds, expected, breaks }) => {
      const play = build();
      const model = bounds?.model ?? play.machine.model;
      const found = searchCase({ ...play, machine: { ...play.machine, model } });
      expect({ verdict: found.verdict, breaks: found.invariant }).toEqual({ verdict: expected, breaks });
      expect(found.cut).toBeUndefined();
    },
  );
});

test("every rule about gathers and pending flushes is broken by a variant", () => {
  const text = readdirSync(FOLDER)
    .filter((file) => /^(?:B.*|stale-writer)\.ts$/.test(file))
    .map((file) => readFileSync(join(FOLDER, file), "utf8"))
    .join("\n");
  const rules = Object.keys(MUTANTS).filter((rule) => rule.startsWith("B-") || rule === "cow-by-refcount");
  expect(rules.filter((rule) => !text.includes(`"${rule}"`))).toEqual([]);
});

test("variants that the search is spared exist", () => {
  const known = scenarios.flatMap(({ name, variants }) =>
    Object.keys(variants).map((variant) => `${name} ${variant}`),
  );
  expect([...LARGE].filter((variant) => !known.includes(variant))).toEqual([]);
});
