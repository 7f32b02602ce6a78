import type { RunResult } from "../engine/result.js";
import { count, seconds, share } from "./format.js";
import { cpuCycles, latencyMetric, type Metric } from "./metrics.js";
import { mean } from "./statistics.js";
import { cyclesPerSecond } from "./violations.js";

/** A line of the table: a quantity that policies are compared by, and how to write it. */
export interface Row {
  readonly title: string;
  readonly metric: Metric;
  /** `value` is the mean over `runs`, the runs of one policy. */
  readonly write: (value: number, runs: readonly RunResult[]) => string;
}

const systemCalls = ["munmap", "mprotect", "madvise"] as const;

/** The rows that say something about these runs; a latency of a call that nobody made says nothing. */
export function rowsOf(runs: readonly RunResult[]): Row[] {
  const called = systemCalls.filter((name) => runs.some((run) => (run.latency[name]?.count ?? 0) > 0));
  return [
    {
      title: "simulated time",
      metric: { name: "simulated.seconds", of: (run) => run.simulated.seconds },
      write: seconds,
    },
    counter("flushes, local", "flushes.local", (run) => run.flushes.local),
    counter("flushes, remote", "flushes.remote", (run) => run.flushes.remote),
    counter("flushes of everything", "flushes.full", (run) => run.flushes.full),
    counter("pages flushed", "flushes.pages", (run) => run.flushes.pages),
    counter("IPIs received", "ipis.received", (run) => run.ipis.received),
    duration("shootdown, p50", latencyMetric("shootdown", "p50")),
    duration("shootdown, p99", latencyMetric("shootdown", "p99")),
    ...called.map((name) => duration(`${name}, mean`, latencyMetric(name, "mean"))),
    counter("TLB misses (walks)", "tlb.walks", (run) => run.tlb.walks),
    {
      title: "CPU time waiting for IPIs",
      metric: {
        name: "ipiWait share",
        of: (run) => (cpuCycles(run) === 0 ? 0 : run.cycles.ipiWait / cpuCycles(run)),
      },
      write: share,
    },
  ];
}

function counter(title: string, name: string, of: (run: RunResult) => number): Row {
  return { title, metric: { name, of }, write: count };
}

/** Written as time, and as a dash where it never happened. */
function duration(title: string, metric: Metric): Row {
  return {
    title,
    metric,
    write: (value, runs) => (value === 0 ? "-" : seconds(value / mean(runs.map(cyclesPerSecond)))),
  };
}
