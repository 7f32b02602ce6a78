/** Results as people read them: every figure beside the bar that it is held against. */
import { digits, times } from "../src/report/format.js";
import { type Paint, plain } from "../src/report/paint.js";
import { type Table, tableLines } from "../src/report/table.js";
import type { AdversaryRow } from "./adversary.js";
import type { HotPathRow } from "./hot-path.js";
import type { KernelRow } from "./kernel.js";
import type { OracleRow } from "./oracle.js";
import type { Timing } from "./passes.js";
import type { ReplayRow } from "./replay.js";
import type { Results } from "./suite.js";
import { flatnessTable, meetingTable, threadsTable } from "./tables-threads.js";

/** The product's bars, on one core. Units: millions a second; a ratio. */
const BARS = {
  /** A: accesses of a synthetic stream through the full model, the oracle on. */
  accesses: 80,
  /** B: lines of a text recording of accesses, unpacking and parsing included. */
  lines: 8,
  /** B: the same of a packed recording. */
  packedLines: 40,
  /** C: time with the oracle over time without it. */
  oracle: 1.15,
  /** D: micro-ops of the kernel. */
  microOps: 100,
  /** E: of the adversary, with nothing left out. */
  states: 2,
  transitions: 8,
} as const;

/** All tables, with what ran before them. */
export function resultLines(results: Results, paint: Paint = plain): string[] {
  const { hotPath, oracle, kernel, adversary, replay, notes, hash } = results;
  const tables = [
    hotPathTable(hotPath),
    oracleTable(oracle),
    kernelTable(kernel),
    adversaryTable(adversary),
    replayTable(replay),
    flatnessTable(results.flatness),
    threadsTable(results.threads),
    meetingTable(results.meeting),
  ];
  return [
    ...hostLines(results),
    "",
    ...tables.flatMap((table) => [...tableLines(table, paint), ""]),
    ...notes.map((note) => `note: ${note}`),
    `counts ${hash}`,
  ];
}

function hostLines({ host, size }: Results): string[] {
  const { node, v8, cpu, cpus, load, engine, commit, compiler } = host;
  return [
    `node ${node} (V8 ${v8}) on ${cpu}, ${cpus} CPUs, load ${load.toFixed(1)}`,
    `release build ${engine}${commit === undefined ? "" : `, commit ${commit}`}; C: ${compiler ?? "none"}`,
    `${size.rounds} rounds of ${size.accesses} accesses, ${size.simulationRounds} of each simulation; best and median time on the CPU, by turns`,
  ];
}

function hotPathTable(rows: readonly HotPathRow[]): Table {
  return {
    head: [
      "hot path",
      "ns/access",
      "median",
      "M/s",
      "C ns",
      "median",
      "ratio",
      `bar A: ${BARS.accesses} M/s`,
    ],
    rows: rows.map(({ stream, engine, c }) => [
      stream,
      ...timing(engine),
      digits(perMicrosecond(engine)),
      ...(c === undefined ? ["-", "-", "-"] : [...timing(c), times(engine.best / c.best)]),
      verdict(perMicrosecond(engine) >= BARS.accesses),
    ]),
  };
}

function oracleTable(rows: readonly OracleRow[]): Table {
  return {
    head: ["oracle", "ns, on", "median", "ns, off", "median", "ratio", `bar C: ${times(BARS.oracle)}`],
    rows: rows.map(({ work, on, off }) => [
      work,
      ...timing(on),
      ...timing(off),
      times(on.best / off.best),
      verdict(on.best / off.best <= BARS.oracle),
    ]),
  };
}

function kernelTable(rows: readonly KernelRow[]): Table {
  const rate = (of: Timing | undefined): string => (of === undefined ? "-" : digits(perMicrosecond(of)));
  return {
    head: [
      "kernel",
      "ns/call",
      "median",
      "M steps/s",
      "M micro-ops/s",
      `bar D: ${BARS.microOps} M/s`,
      "setup ms",
    ],
    rows: rows.map(({ work, call, step, microOp, setup }) => [
      work,
      ...timing(call),
      rate(step),
      rate(microOp),
      microOp === undefined ? "-" : verdict(perMicrosecond(microOp) >= BARS.microOps),
      digits(setup),
    ]),
  };
}

function adversaryTable(rows: readonly AdversaryRow[]): Table {
  return {
    head: [
      "adversary",
      "states",
      "ns/state",
      "median",
      "M states/s",
      "M transitions/s",
      `bar E: ${BARS.states} and ${BARS.transitions} M/s`,
      "setup ms",
    ],
    rows: rows.map(({ search, state, transition, setup, counts }) => [
      search,
      `${counts.states}`,
      ...timing(state),
      digits(perMicrosecond(state)),
      digits(perMicrosecond(transition)),
      verdict(perMicrosecond(state) >= BARS.states && perMicrosecond(transition) >= BARS.transitions),
      digits(setup),
    ]),
  };
}

function replayTable(rows: readonly ReplayRow[]): Table {
  return {
    head: ["replay", "reading, ns/line", "all, ns/line", "median", "M lines/s", "bar B, M/s", ""],
    rows: rows.map(({ file, isPacked, read, line, hasAccesses }) => {
      const bar = isPacked ? BARS.packedLines : BARS.lines;
      return [
        ...[file, digits(read.best), ...timing(line), digits(perMicrosecond(line))],
        ...(hasAccesses ? [String(bar), verdict(perMicrosecond(line) >= bar)] : ["-", "-"]),
      ];
    }),
  };
}

/** Best and median, in nanoseconds. */
export function timing({ best, median }: Timing): [string, string] {
  return [digits(best), digits(median)];
}

/** Units of work a microsecond, which is millions a second, at the best time. */
function perMicrosecond({ best }: Timing): number {
  return 1000 / best;
}

export function verdict(isMet: boolean): string {
  return isMet ? "met" : "missed";
}
