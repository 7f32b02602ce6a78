import type { CompareResult, RunResult } from "../engine/result.js";
import { policiesOf, ratioOf } from "./compare.js";
import { count, digits } from "./format.js";
import type { Metric } from "./metrics.js";
import type { Interval } from "./statistics.js";

const time: Metric = { name: "simulated.cycles", of: (run) => run.simulated.cycles };
const ipis: Metric = { name: "ipis.received", of: (run) => run.ipis.received };
const flushes: Metric = { name: "flushes", of: (run) => run.flushes.local + run.flushes.remote };

/**
 * The comparison in one sentence per policy, and what the oracle saw.
 *
 * Shape: "deferred needs 3.1x fewer IPIs than eager and takes 12% less time; no violations."
 */
export function verdictLines(result: CompareResult): string[] {
  const { runs, baseline } = result;
  const others = policiesOf(runs).filter((policy) => policy !== baseline);
  if (!runs.some((run) => run.policy === baseline))
    return [`No run of ${baseline} was finished: nothing to compare.`];
  const broken = runs.some((run) => run.violations.length > 0);
  const lines = others.map((policy) => {
    const needs = `${policy} ${needed(runs, baseline, policy)} and ${taken(runs, baseline, policy)}`;
    const own = broken ? `; ${violationCount(runs, policy)}` : others.length === 1 ? "; no violations" : "";
    return `${needs}${own}.`;
  });
  if (broken && violations(runs, baseline).length > 0)
    lines.push(`${baseline}: ${violationCount(runs, baseline)}.`);
  if (!broken && others.length !== 1) lines.push("No violations.");
  return lines;
}

/** "no violations", or how many of which kind. */
export function violationCount(runs: readonly RunResult[], policy: string): string {
  const totals = new Map<string, number>();
  for (const violation of violations(runs, policy)) {
    totals.set(violation.invariant, (totals.get(violation.invariant) ?? 0) + violation.count);
  }
  if (totals.size === 0) return "no violations";
  const total = [...totals.values()].reduce((sum, one) => sum + one, 0);
  const kinds =
    totals.size === 1
      ? [...totals.keys()][0]
      : [...totals].map(([invariant, number]) => `${count(number)} ${invariant}`).join(", ");
  return `${count(total)} VIOLATION${total === 1 ? "" : "S"} (${kinds})`;
}

function violations(runs: readonly RunResult[], policy: string) {
  return runs.filter((run) => run.policy === policy).flatMap((run) => run.violations);
}

/** "needs 3.1x fewer IPIs than eager"; where nobody sends IPIs, the same of flushes. */
function needed(runs: readonly RunResult[], baseline: string, policy: string): string {
  const some = (metric: Metric): boolean => runs.some((run) => metric.of(run) > 0);
  const [metric, noun] = some(ipis) ? [ipis, "IPIs"] : [flushes, "flushes"];
  if (!some(metric)) return `needs no flush, as ${baseline},`;
  const interval = ratioOf(runs, baseline, policy, metric);
  if (interval === undefined) return `needs ${noun} where ${baseline} needs none`;
  const { ratio } = interval;
  if (ratio === 0) return `needs no ${noun} where ${baseline} does`;
  if (ratio === 1) return `needs as many ${noun} as ${baseline}`;
  if (isNoise(interval)) return `needs about as many ${noun} as ${baseline}`;
  if (ratio <= 0.5) return `needs ${short(1 / ratio)}x fewer ${noun} than ${baseline}`;
  if (ratio >= 2) return `needs ${short(ratio)}x as many ${noun} as ${baseline}`;
  return `needs ${percent(ratio)} ${ratio < 1 ? "fewer" : "more"} ${noun} than ${baseline}`;
}

/** "takes 12% less time". */
function taken(runs: readonly RunResult[], baseline: string, policy: string): string {
  const interval = ratioOf(runs, baseline, policy, time);
  if (interval === undefined || interval.ratio === 1) return "takes as long";
  const { ratio } = interval;
  if (isNoise(interval)) return "takes about as long";
  if (ratio <= 0.5) return `is ${short(1 / ratio)}x as fast`;
  if (ratio >= 2) return `takes ${short(ratio)}x as long`;
  return `takes ${percent(ratio)} ${ratio < 1 ? "less" : "more"} time`;
}

/** An interval over several seeds that holds 1. */
function isNoise(interval: Interval): boolean {
  return interval.low < interval.high && interval.low <= 1 && interval.high >= 1;
}

/** Two significant digits are enough in a sentence: 3.1, 16, 160. */
function short(ratio: number): string {
  return ratio < 9.95 ? ratio.toFixed(1) : digits(Math.round(ratio)).replace(/\.0$/, "");
}

function percent(ratio: number): string {
  const value = Math.abs(1 - ratio) * 100;
  if (value < 0.05) return "<0.1%";
  return `${value.toFixed(value < 9.95 ? 1 : 0)}%`;
}
