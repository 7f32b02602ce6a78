import type { CompareResult, Ratio, RecordedFlushes, RunResult } from "../engine/result.js";
import { type Metric, metricsOf } from "./metrics.js";
import { type Interval, pairedRatio } from "./statistics.js";

/**
 * The comparison of runs of several policies over the same work.
 *
 * Shape: `runs` are in any order; a run without a partner of the same seed under the baseline counts for no ratio.
 */
export function compareResult(
  baseline: string,
  runs: readonly RunResult[],
  interrupted: boolean,
  recordings: readonly RecordedFlushes[] = [],
): CompareResult {
  const ratios: Ratio[] = [];
  for (const policy of policiesOf(runs)) {
    if (policy === baseline) continue;
    for (const metric of metricsOf(runs)) {
      const interval = ratioOf(runs, baseline, policy, metric);
      const none = { ratio: null, low: null, high: null };
      ratios.push({ policy, metric: metric.name, ...(interval ?? none) });
    }
  }
  return {
    schema: "shootdown/compare@1",
    baseline,
    runs: [...runs],
    ratios,
    ...(recordings.length > 0 && { recordings: [...recordings] }),
    ...(interrupted && { interrupted }),
  };
}

/** The policies of these runs, in the order in which they first appear. */
export function policiesOf(runs: readonly RunResult[]): string[] {
  return [...new Set(runs.map((run) => run.policy))];
}

/** Undefined when the baseline has nothing to divide by, or the two have no seed in common. */
export function ratioOf(
  runs: readonly RunResult[],
  baseline: string,
  policy: string,
  metric: Metric,
): Interval | undefined {
  const partners = new Map(runs.filter((run) => run.policy === baseline).map((run) => [run.seed, run]));
  const paired = runs.filter((run) => run.policy === policy && partners.has(run.seed));
  if (paired.length === 0) return undefined;
  const base = paired.map((run) => metric.of(partners.get(run.seed)!));
  return pairedRatio(base, paired.map(metric.of));
}
