/** The races about pending flushes: each has a scenario, and every rule of theirs is broken by a variant. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { searchCase } from "../src/engine/search.js";
import { MUTANTS } from "../src/kernel/options.js";
import { scenarioNamed, scenarioNames } from "../src/scenario/all.js";

const FOLDER = join(import.meta.dirname, "../src/scenario");

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
    "B-collapse-copy",
    "B-gen-nobump",
    "B-lock-exclusion",
    "B-mkclean-mms",
    "B-mremap-truncate",
    "B-v5-refcount",
  ]);
});

test("every rule about gathers and pending flushes is broken by a variant", () => {
  const text = readdirSync(FOLDER)
    .filter((file) => /^(?:B.*|stale-writer)\.ts$/.test(file))
    .map((file) => readFileSync(join(FOLDER, file), "utf8"))
    .join("\n");
  const rules = Object.keys(MUTANTS).filter((rule) => rule.startsWith("B-") || rule === "cow-by-refcount");
  expect(rules.filter((rule) => !text.includes(`"${rule}"`))).toEqual([]);
});

test("the way to a standstill is a shortest one, whatever orders were left out", async () => {
  const play = (await scenarioNamed("B-mkclean-mms")).variants["one-mm"]!.build();
  const shortest = searchCase(play);
  expect(shortest).toMatchObject({ verdict: "unsafe", invariant: "progress", isShortest: true });
  const found = searchCase(play, { reduce: true, fullStates: 0, symmetry: false });
  expect(found.isShortest).toBe(true);
  expect(found.path).toHaveLength(shortest.path!.length);
});
