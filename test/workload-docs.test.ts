/** docs/workloads.md says what the workloads say of themselves; UPDATE_GOLDEN=1 rewrites it. */
import { expect, test } from "vitest";
import { z } from "zod";
import { stepSchemas } from "../src/workload/yaml-schema.js";
import { namesInTable, tableRows } from "./docs-text.js";
import { builtinParts, expectPart } from "./workload-docs.js";

const file = "docs/workloads.md";

test("the built-in workloads are described as they describe themselves", () => {
  expectPart("builtins", builtinParts());
});

test("the steps of files are all there, with all their keys", () => {
  const rows = tableRows(file, "steps").map(([step, keys]) => [
    step,
    ...keys!.split(", ").filter((key) => key !== ""),
  ]);
  const schemas = Object.entries(stepSchemas(z.unknown())).map(([verb, { shape }]) => [
    `\`${verb}\``,
    ...Object.keys(shape)
      .filter((key) => key !== verb)
      .map((key) => `\`${key}\``),
  ]);
  expect(rows).toEqual(schemas);
});

test("the streams of files are all there", () => {
  const schema = z.toJSONSchema(stepSchemas(z.unknown()).access, { io: "input" });
  const text = JSON.stringify(schema);
  for (const kind of namesInTable(file, "streams")) expect(text).toContain(`"${kind}"`);
  expect(namesInTable(file, "streams")).toHaveLength(7);
});
