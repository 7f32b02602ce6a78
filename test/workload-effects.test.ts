/** What docs/workloads.md says that flushing costs each built-in workload is what it costs: a minute of simulations. */
import { test } from "vitest";
import { effects, expectPart } from "./workload-docs.js";

test("the table of effects is what the simulations give", { timeout: 900_000 }, async () => {
  expectPart("effects", await effects());
});
