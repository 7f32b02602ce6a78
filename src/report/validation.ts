import type { ValidateResult } from "../engine/validate-result.js";
import type { Paint } from "./paint.js";
import { tableLines } from "./table.js";

type Row = ValidateResult["rows"][number];

/** Published against simulated, a table for each experiment, and how many rows miss. */
export function validationLines(
  { rows, misses }: ValidateResult,
  titles: ReadonlyMap<string, string>,
  paint: Paint,
): string[] {
  const lines: string[] = [];
  for (const [experiment, title] of titles) {
    const own = rows.filter((row) => row.experiment === experiment);
    const head = ["", "machine", "published", "simulated", "error", "tolerance", ""];
    const table = tableLines({ head, rows: own.map(cells) }, paint);
    lines.push(paint("bold", `${experiment}: ${title} [${own[0]!.source}]`), ...table, "");
  }
  const asked = rows.filter(({ within, kind }) => within !== null && kind === "predicted").length;
  const missed = rows.filter(({ within, kind }) => within === false && kind === "predicted").length;
  const fitted = misses - missed === 0 ? "" : ` ${misses - missed} of those that were fitted on miss.`;
  lines.push(
    paint("bold", `${asked - missed} of ${asked} predictions are within their tolerance.${fitted}`),
    paint("dim", "docs/validation.md says what was fitted, and what agreement does not prove."),
  );
  return lines;
}

function cells({ what, machine, unit, published, simulated, error, tolerance, within, kind }: Row): string[] {
  const verdict = within === false ? "MISS" : kind === "fitted" ? "fitted" : within === null ? "shown" : "ok";
  return [
    what,
    machine,
    number(published, unit),
    number(simulated, unit),
    percent(error),
    tolerance === null ? "" : `${(100 * tolerance).toFixed(0)}%`,
    verdict,
  ];
}

function number(value: number, unit: Row["unit"]): string {
  if (unit === "ratio") return `${value.toFixed(2)}x`;
  if (unit === "R²") return value.toFixed(4);
  return `${Math.round(value).toLocaleString("en-US")} ${unit}`;
}

/** Never "-0.0%". */
function percent(error: number): string {
  const text = (100 * error).toFixed(1);
  return `${Number(text) === 0 ? "0.0" : error > 0 ? `+${text}` : text}%`;
}
