import type { ValidateResult } from "../engine/validate-result.js";
import { validationLines } from "../report/validation.js";
import { experiments, validationRows } from "../validation/experiments.js";
import { errorOf, isWithin, type Row } from "../validation/row.js";
import { type Delivery, deliver } from "./deliver.js";
import { exitCodes } from "./exit-codes.js";
import { ResultFile } from "./result-file.js";

/** What `validate` does once its arguments are understood. Sets the exit code. */
export async function validateWork(options: Delivery): Promise<void> {
  const { json } = options;
  const file = json === undefined || json === "-" ? undefined : new ResultFile(json);
  const rows = (await validationRows()).map(asResult);
  const misses = rows.filter(({ within }) => within === false).length;
  const result: ValidateResult = { schema: "shootdown/validate@1", rows, misses };
  const titles = new Map(experiments.map(({ id, about }) => [id, about]));
  deliver(result, (paint) => validationLines(result, titles, paint), options, file);
  process.exitCode = misses > 0 ? exitCodes.finding : exitCodes.done;
}

function asResult(row: Row): ValidateResult["rows"][number] {
  const { id: experiment, kind, what, machine, unit, published, simulated, tolerance = null, source } = row;
  const within = isWithin(row) ?? null;
  return {
    ...{ experiment, kind, what, machine, unit, published, simulated },
    ...{ error: errorOf(row), tolerance, within, source },
  };
}
