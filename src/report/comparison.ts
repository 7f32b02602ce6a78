import type { CompareResult, RunResult } from "../engine/result.js";
import { policiesOf, ratioOf } from "./compare.js";
import { configurationLine } from "./configuration.js";
import { digits, plural, times } from "./format.js";
import type { Paint } from "./paint.js";
import { recordedLines } from "./recorded.js";
import { type Row, rowsOf } from "./rows.js";
import { mean } from "./statistics.js";
import { tableLines } from "./table.js";
import { traceLines } from "./trace-lines.js";
import { verdictLines } from "./verdict.js";
import { violationLines } from "./violations.js";

export const accuracyNote =
  "Cycle-approximate: read ratios, not absolutes; docs/modelling.md says what is left out.";

/** A comparison as a page of text: what ran, the table, what the oracle saw, the verdict. */
export function comparisonLines(result: CompareResult, paint: Paint): string[] {
  const { runs } = result;
  const stopped = result.interrupted ? [paint("red", "Interrupted: only finished runs are counted.")] : [];
  if (runs.length === 0) return stopped;
  const broken = violationLines(runs, paint);
  const compared = wholeSeeds(runs);
  return [
    paint("bold", titleLine(compared)),
    ...traceLines(runs[0]!),
    ...stopped,
    "",
    ...tableLines(comparisonTable({ ...result, runs: compared }), paint),
    "",
    ...(broken.length > 0 ? [...broken, ""] : []),
    ...verdictLines(result).map((line) => paint("bold", line)),
    paint("dim", accuracyNote),
    paint("dim", configurationLine(compared)),
    ...(result.recordings ?? []).flatMap((recording) => ["", ...recordedLines(recording, paint)]),
  ];
}

/** The runs of seeds that every policy has finished; all of them when there is no such seed. */
function wholeSeeds(runs: readonly RunResult[]): RunResult[] {
  const policies = policiesOf(runs).length;
  const whole = runs.filter((run) => runs.filter(({ seed }) => seed === run.seed).length === policies);
  return whole.length === 0 ? [...runs] : whole;
}

/** "munmap-loop on skylake-sp, 8 CPUs, seeds 1 to 5 (means)". */
export function titleLine(runs: readonly RunResult[]): string {
  const { workload, machine, cpus } = runs[0]!;
  const seeds = [...new Set(runs.map((run) => run.seed))].sort((a, b) => a - b);
  const hasGaps = seeds.at(-1)! - seeds[0]! !== seeds.length - 1;
  const range = hasGaps ? seeds.join(", ") : `${seeds[0]} to ${seeds.at(-1)}`;
  const seedText = seeds.length === 1 ? `seed ${seeds[0]}` : `seeds ${range} (means)`;
  return `${workload} on ${machine}, ${plural(cpus, "CPU")}, ${seedText}`;
}

function comparisonTable(result: CompareResult) {
  const { runs, baseline } = result;
  const policies = policiesOf(runs);
  const hasSpread = new Set(runs.map((run) => run.seed)).size > 1;
  const ratioHead = `/ ${baseline}${hasSpread ? " [95% CI]" : ""}`;
  const head = ["", ...policies.flatMap((policy) => (policy === baseline ? [policy] : [policy, ratioHead]))];
  const rows = rowsOf(runs).map((row) => [
    row.title,
    ...policies.flatMap((policy) => {
      const own = runs.filter((run) => run.policy === policy);
      const value = row.write(mean(own.map(row.metric.of)), own);
      return policy === baseline ? [value] : [value, ratioText(result, policy, row, hasSpread)];
    }),
  ]);
  return { head, rows };
}

function ratioText(result: CompareResult, policy: string, row: Row, hasSpread: boolean): string {
  const interval = ratioOf(result.runs, result.baseline, policy, row.metric);
  if (interval === undefined) return "-";
  const text = times(interval.ratio);
  return hasSpread ? `${text} [${digits(interval.low)}, ${digits(interval.high)}]` : text;
}
