import { z } from "zod";
import { machineSchema } from "../machine/yaml-schema.js";
import { publishedWorkloadSchema } from "../workload/yaml-schema.js";
import { checkResultSchema } from "./check-result.js";
import { compareResultSchema, runResultSchema, traceInfoSchema } from "./result.js";
import { validateResultSchema } from "./validate-result.js";

/** The published JSON Schemas (draft 2020-12): the text of each file of schema/, by file name. */
export function jsonSchemas(): Record<string, string> {
  return {
    "run.schema.json": schemaText("A simulation: what `shootdown run --json` writes", runResultSchema),
    "compare.schema.json": schemaText(
      "A comparison: what `shootdown compare --json` and `shootdown replay --json` write",
      compareResultSchema,
    ),
    "trace.schema.json": schemaText(
      "A recording: what `shootdown trace info --json` writes",
      traceInfoSchema,
    ),
    "workload.schema.json": schemaText(
      "A workload: what `shootdown run FILE.yaml` and `shootdown compare FILE.yaml` read",
      publishedWorkloadSchema(),
    ),
    "machine.schema.json": schemaText("A machine: what `--machine FILE.yaml` reads", machineSchema),
    "check.schema.json": schemaText("A check: what `shootdown check --json` writes", checkResultSchema),
    "validate.schema.json": schemaText(
      "Published numbers beside simulated ones: what `shootdown validate --json` writes",
      validateResultSchema,
    ),
  };
}

function schemaText(title: string, schema: z.ZodType): string {
  // Seen from the reader of a file, who is on the input side.
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: "input" });
  return `${JSON.stringify({ $schema, title, ...rest }, null, 2)}\n`;
}
