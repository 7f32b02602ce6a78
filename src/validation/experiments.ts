import { flushSizeExperiments } from "./flush-size.js";
import { needlessExperiments } from "./needless.js";
import type { Experiment, Row } from "./row.js";
import { targetExperiments } from "./targets.js";

export const experiments: readonly Experiment[] = [
  ...flushSizeExperiments,
  ...targetExperiments,
  ...needlessExperiments,
];

/** All rows, one experiment after the other. */
export async function validationRows(chosen: readonly Experiment[] = experiments): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { rows: run } of chosen) rows.push(...(await run()));
  return rows;
}
