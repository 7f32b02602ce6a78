import type { LatencyRow, RunResult } from "../engine/result.js";

/** A number of a run that policies are compared by. Its name is its path in the run's JSON. */
export interface Metric {
  readonly name: string;
  readonly of: (run: RunResult) => number;
}

const counted: readonly Metric[] = [
  { name: "simulated.cycles", of: (run) => run.simulated.cycles },
  { name: "flushes.local", of: (run) => run.flushes.local },
  { name: "flushes.remote", of: (run) => run.flushes.remote },
  { name: "flushes.full", of: (run) => run.flushes.full },
  { name: "flushes.pages", of: (run) => run.flushes.pages },
  { name: "ipis.sent", of: (run) => run.ipis.sent },
  { name: "ipis.received", of: (run) => run.ipis.received },
  { name: "tlb.walks", of: (run) => run.tlb.walks },
  { name: "tlb.walkCycles", of: (run) => run.tlb.walkCycles },
  { name: "cycles.user", of: (run) => run.cycles.user },
  { name: "cycles.kernel", of: (run) => run.cycles.kernel },
  { name: "cycles.lockWait", of: (run) => run.cycles.lockWait },
  { name: "cycles.ipiWait", of: (run) => run.cycles.ipiWait },
  { name: "cycles.irq", of: (run) => run.cycles.irq },
];

/** What these runs can be compared by: counters, then the latency of every operation that any of them did. */
export function metricsOf(runs: readonly RunResult[]): Metric[] {
  const operations = new Set(runs.flatMap((run) => Object.keys(run.latency)));
  const latencies = [...operations]
    .sort()
    .flatMap((operation) => [
      latencyMetric(operation, "mean"),
      latencyMetric(operation, "p50"),
      latencyMetric(operation, "p99"),
    ]);
  return [...counted, ...latencies];
}

/** 0 for an operation that the run never did. */
export function latencyMetric(operation: string, column: keyof LatencyRow): Metric {
  return { name: `latency.${operation}.${column}`, of: (run) => run.latency[operation]?.[column] ?? 0 };
}

/** Cycles of all CPUs: what the parts of `cycles` add up to. */
export function cpuCycles(run: RunResult): number {
  return run.cpus * run.simulated.cycles;
}
