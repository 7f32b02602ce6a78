/** Published numbers, simulated: what the constants were fitted on comes out, and so does what they were not fitted on. */
import { beforeAll, describe, expect, test } from "vitest";
import { validateResultSchema } from "../src/engine/validate-result.js";
import { plain } from "../src/report/paint.js";
import { validationLines } from "../src/report/validation.js";
import { experiments } from "../src/validation/experiments.js";
import { errorOf, isWithin, type Row } from "../src/validation/row.js";
import { fencesOf, replaceFence } from "./docs-text.js";

let all: ReadonlyMap<string, readonly Row[]>;
beforeAll(async () => {
  const found = new Map<string, readonly Row[]>();
  for (const { id, rows } of experiments) found.set(id, await rows());
  all = found;
}, 120_000);

describe.each(experiments.map(({ id, about }) => [id, about] as const))("%s, %s", (id) => {
  test("every row that has a tolerance is within it", () => {
    const rows = all.get(id)!;
    expect(rows.some((row) => row.tolerance !== undefined)).toBe(true);
    const missed = rows.filter((row) => isWithin(row) === false);
    expect(missed.map((row) => `${row.what}: ${row.simulated} for ${row.published}`)).toEqual([]);
  });
});

test("what was fitted is what the calibration rows say, and nothing else", () => {
  const fitted = [...all.values()].flat().filter(({ kind }) => kind === "fitted");
  expect(fitted.map(({ id, published }) => [id, published])).toEqual([
    ["V1", 692],
    ["V1", 25_663],
    ["A19R2", 661],
    ["A19R2", 1436],
    ["A19R2", 1571],
  ]);
  for (const row of fitted) expect(Math.abs(errorOf(row)), row.what).toBeLessThan(0.01);
});

test("a row that is farther off than its tolerance says so", () => {
  const row = {
    id: "V0",
    kind: "predicted",
    what: "nothing",
    machine: "none",
    unit: "ns",
    source: "X",
  } as const;
  const off: Row = { ...row, published: 100, simulated: 111, tolerance: 0.1 };
  expect(isWithin(off)).toBe(false);
  expect(isWithin({ ...off, simulated: 109 })).toBe(true);
  expect(isWithin({ ...row, published: 100, simulated: 500 })).toBeUndefined();
  const { id: experiment, ...rest } = off;
  const rows = [{ ...rest, experiment, tolerance: 0.1, error: errorOf(off), within: false }];
  const result = validateResultSchema.parse({ schema: "shootdown/validate@1", rows, misses: 1 });
  const text = validationLines(result, new Map([["V0", "an experiment"]]), plain).join("\n");
  expect(text).toMatch(/nothing +none +100 ns +111 ns +\+11\.0% +10% +MISS/);
  expect(text).toContain("0 of 1 predictions are within their tolerance.");
});

test("docs/validation.md shows the table", () => {
  const rows = [...all.values()].flat().map(({ id: experiment, tolerance = null, ...row }) => {
    const within = isWithin({ id: experiment, ...row, ...(tolerance !== null && { tolerance }) }) ?? null;
    return { ...row, experiment, tolerance, error: errorOf({ id: experiment, ...row }), within };
  });
  const misses = rows.filter(({ within }) => within === false).length;
  const result = validateResultSchema.parse({ schema: "shootdown/validate@1", rows, misses });
  const titles = new Map(experiments.map(({ id, about }) => [id, about]));
  const text = `${validationLines(result, titles, plain).join("\n")}\n`;
  const fence = fencesOf("docs/validation.md").find(({ info }) => info === "text validation table")!;
  if (process.env.UPDATE_GOLDEN === "1") replaceFence(fence, text);
  else expect(fence.text).toBe(text);
});
