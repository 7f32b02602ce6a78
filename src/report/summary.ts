import type { RunResult } from "../engine/result.js";
import { accuracyNote, titleLine } from "./comparison.js";
import { configurationLine } from "./configuration.js";
import { count, cyclesAsTime, share } from "./format.js";
import { cpuCycles } from "./metrics.js";
import type { Paint } from "./paint.js";
import { rowsOf } from "./rows.js";
import { tableLines } from "./table.js";
import { traceLines } from "./trace-lines.js";
import { violationCount } from "./verdict.js";
import { cyclesPerSecond, violationLines } from "./violations.js";

const cyclesParts = [
  ["user", "user code"],
  ["walk", "page walks"],
  ["kernel", "kernel"],
  ["lockWait", "waiting for locks"],
  ["ipiWait", "waiting for IPIs"],
  ["irq", "interrupt handlers"],
  ["idle", "idle"],
] as const;

/** One run as a page of text. */
export function summaryLines(run: RunResult, paint: Paint): string[] {
  const rows = rowsOf([run]).map((row) => [row.title, row.write(row.metric.of(run), [run])]);
  const broken = violationLines([run], paint);
  return [
    paint("bold", `${titleLine([run])}, policy ${run.policy}`),
    ...traceLines(run),
    "",
    ...tableLines({ head: ["", run.policy], rows: [...rows, ...faultRows(run)] }, paint),
    "",
    ...tableLines(latencyTable(run), paint),
    "",
    ...tableLines(timeTable(run), paint),
    "",
    ...(broken.length > 0 ? [...broken, ""] : []),
    paint("bold", `${run.policy}: ${violationCount([run], run.policy)}.`),
    paint("dim", accuracyNote),
    paint("dim", configurationLine([run])),
  ];
}

function faultRows(run: RunResult): string[][] {
  const { faults, tlb } = run;
  return [
    ["memory accesses", count(run.simulated.accesses)],
    ["TLB hits, first / second level", `${count(tlb.l1Hits)} / ${count(tlb.stlbHits)}`],
    [
      "faults, minor / copy / spurious / refused",
      `${count(faults.minor)} / ${count(faults.cow)} / ${count(faults.spurious)} / ${count(faults.segv)}`,
    ],
  ];
}

function latencyTable(run: RunResult) {
  const rate = cyclesPerSecond(run);
  const time = (cycles: number): string => cyclesAsTime(cycles, rate);
  const rows = Object.entries(run.latency)
    .filter(([, row]) => row.count > 0)
    .map(([name, row]) => [
      name,
      count(row.count),
      ...[row.mean, row.p50, row.p90, row.p99, row.max].map(time),
    ]);
  return { head: ["latency", "count", "mean", "p50", "p90", "p99", "max"], rows };
}

function timeTable(run: RunResult) {
  const total = cpuCycles(run);
  const rows = cyclesParts.map(([part, title]) => [title, share(total === 0 ? 0 : run.cycles[part] / total)]);
  return { head: ["CPU time", "share"], rows };
}
