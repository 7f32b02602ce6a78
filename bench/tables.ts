/** Results as people read them: every figure beside the bar that it is held against. */
import { digits, times } from "../src/report/format.js";
import { type Paint, plain } from "../src/report/paint.js";
import { tableLines } from "../src/report/table.js";
import type { Timing } from "./passes.js";
import type { Results } from "./suite.js";

/** The product's bars, on one core. Units: millions a second; a ratio. */
export const BARS = {
  /** A: accesses of a synthetic stream through the full model, the oracle on. */
  accesses: 80,
  /** B: lines of a text recording, unpacking and parsing included. */
  lines: 8,
  /** C: time with the oracle over time without it. */
  oracle: 1.15,
  /** D: steps of the kernel. */
  steps: 100,
} as const;

/** All tables, with what ran before them. */
export function resultLines(results: Results, paint: Paint = plain): string[] {
  const { hotPath, oracle, kernel, replay, notes, hash } = results;
  return [
    ...hostLines(results),
    "",
    ...tableLines(
      {
        head: ["hot path", "ns/access", "median", "M/s", "C ns", "median", "engine/C", `bar A: ${BARS.accesses} M/s`],
        rows: hotPath.map(({ stream, engine, c }) => [
          stream,
          ...timing(engine),
          digits(perMicrosecond(engine)),
          ...(c === undefined ? ["-", "-", "-"] : [...timing(c), times(engine.best / c.best)]),
          verdict(perMicrosecond(engine) >= BARS.accesses),
        ]),
      },
      paint,
    ),
    "",
    ...tableLines(
      {
        head: ["oracle", "on", "median", "off", "median", "on/off", `bar C: ${times(BARS.oracle)}`],
        rows: oracle.map(({ work, on, off }) => [
          work,
          ...timing(on),
          ...timing(off),
          times(on.best / off.best),
          verdict(on.best / off.best <= BARS.oracle),
        ]),
      },
      paint,
    ),
    "",
    ...tableLines(
      {
        head: ["kernel", "ns/call", "median", "ns/step", "median", "M steps/s", `bar D: ${BARS.steps} M/s`, "setup ms"],
        rows: kernel.map(({ work, call, step, setup }) => [
          work,
          ...timing(call),
          ...(step === undefined
            ? ["-", "-", "-", "-"]
            : [...timing(step), digits(perMicrosecond(step)), verdict(perMicrosecond(step) >= BARS.steps)]),
          digits(setup),
        ]),
      },
      paint,
    ),
    "",
    ...tableLines(
      {
        head: ["replay", "ns/line", "median", "M lines/s", `bar B: ${BARS.lines} M/s`],
        rows: replay.map(({ file, line }) => [
          file,
          ...timing(line),
          digits(perMicrosecond(line)),
          verdict(perMicrosecond(line) >= BARS.lines),
        ]),
      },
      paint,
    ),
    "",
    ...notes.map((note) => `note: ${note}`),
    `counts ${hash}`,
  ];
}

function hostLines({ host, size }: Results): string[] {
  const { node, v8, cpu, cpus, load, engine, commit, compiler } = host;
  return [
    `node ${node} (V8 ${v8}) on ${cpu}, ${cpus} CPUs, load ${load.toFixed(1)}`,
    `release build ${engine}${commit === undefined ? "" : ` of commit ${commit}`}; C: ${compiler ?? "none"}`,
    `${size.rounds} rounds of ${size.accesses} accesses, ${size.simulationRounds} of simulations; best and median time on the CPU, by turns`,
  ];
}

/** Best and median, in nanoseconds. */
function timing({ best, median }: Timing): [string, string] {
  return [digits(best), digits(median)];
}

/** Units of work a microsecond, which is millions a second, at the best time. */
function perMicrosecond({ best }: Timing): number {
  return 1000 / best;
}

function verdict(isMet: boolean): string {
  return isMet ? "met" : "missed";
}
