import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import { jsonSchemas } from "../src/engine/json-schemas.js";
import { compareResultSchema, runResultSchema } from "../src/engine/result.js";
import { compareResult } from "../src/report/compare.js";
import { sampleRun, sampleViolation } from "./sample-run.js";

const ajv = new Ajv2020({ strict: true, allErrors: true });
const schemas = jsonSchemas();
const validate = {
  run: ajv.compile(JSON.parse(schemas["run.schema.json"]!)),
  compare: ajv.compile(JSON.parse(schemas["compare.schema.json"]!)),
};
const broken = sampleRun({ policy: "never", violations: [sampleViolation] });

test.each(Object.keys(schemas))("schema/%s is what write-schemas.ts writes today", (file) => {
  const written = readFileSync(new URL(`../schema/${file}`, import.meta.url), "utf8");
  expect(written, "run `npm run build && node dist/engine/write-schemas.js`").toBe(schemas[file]);
});

test("a run and a comparison pass the published schemas", () => {
  expect(validate.run(sampleRun()), ajv.errorsText(validate.run.errors)).toBe(true);
  expect(validate.run(broken), ajv.errorsText(validate.run.errors)).toBe(true);
  const comparison = JSON.parse(JSON.stringify(compareResult("eager", [sampleRun(), broken], true)));
  expect(comparison.interrupted).toBe(true);
  expect(validate.compare(comparison), ajv.errorsText(validate.compare.errors)).toBe(true);
  expect(compareResultSchema.parse(comparison)).toEqual(comparison);
});

test("a misspelt, missing or negative field is refused by both", () => {
  const { ipis, ...missing } = sampleRun();
  const wrong = [{ ...sampleRun(), polcy: "x" }, missing, { ...sampleRun(), ipis: { ...ipis, sent: -1 } }];
  for (const run of wrong) {
    expect(validate.run(run)).toBe(false);
    expect(runResultSchema.safeParse(run).success).toBe(false);
  }
});

test("a ratio may be null, for a baseline of 0", () => {
  const none = { policy: "deferred", metric: "ipis.received", ratio: null, low: null, high: null };
  const comparison = { ...compareResult("eager", [sampleRun()], false), ratios: [none] };
  expect(validate.compare(comparison)).toBe(true);
  expect(validate.compare({ ...comparison, ratios: [{ ...none, ratio: "1.0" }] })).toBe(false);
});
