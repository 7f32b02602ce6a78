/**
 * npm run bench:quantum [-- --tiny]
 *
 * What a quantum costs in truth and gains in time: simulations with quanta of 100 to 100,000 cycles, compared with a quantum of one
 * cycle, in which every CPU sees at once what others do. The table of docs/modelling.md comes from here.
 */
import { parseArgs } from "node:util";
import type { RunResult } from "../src/engine/result.js";
import { quantumOf, type RunRequest, runSimulation } from "../src/engine/run.js";
import { openWork } from "../src/engine/work.js";
import { machineNumbers } from "../src/machine/preset.js";
import { skylakeSp } from "../src/machine/skylake-sp.js";
import { tableLines } from "../src/report/table.js";
import type { Workload } from "../src/workload/feed.js";
import { cpuTime } from "./passes.js";
import { placeEngine, placeOf } from "./place.js";

const QUANTA = [100, 1000, 10_000, 100_000];
const CPUS = 8;

const { tiny } = parseArgs({ options: { tiny: { type: "boolean", default: false } } }).values;
const seeds = tiny ? [1] : [1, 2, 3, 4, 5];
const iterations = tiny ? "3" : "40";

interface Measured {
  readonly result: RunResult;
  readonly nanoseconds: number;
}

const measures: readonly (readonly [name: string, of: (result: RunResult) => number])[] = [
  ["simulated time", ({ simulated }) => simulated.cycles],
  ["IPIs", ({ ipis }) => ipis.received],
  ["walks", ({ tlb }) => tlb.walks],
  ["shootdown, mean", ({ latency }) => latency.shootdown?.mean ?? 0],
  ["lock wait", ({ cycles }) => cycles.lockWait],
];

placeEngine();
const own = quantumOf(machineNumbers(skylakeSp));
const quanta = [...QUANTA, own].sort((a, b) => a - b);
const rows: string[][] = [];
for (const name of ["munmap-loop", "mprotect-loop", "redis.strace.gz"]) {
  console.error(name);
  const exact = await measure(name, 1);
  // What chance does: each seed beside the next one.
  const others = [...exact.slice(1), ...exact.slice(0, 1)];
  rows.push([`${name}, 1, another seed`, ...measures.map(([, of]) => deviation(others, exact, of)), "1.00x"]);
  for (const quantum of quanta) {
    const measured = await measure(name, quantum);
    const time = (of: readonly Measured[]): number =>
      of.reduce((sum, { nanoseconds }) => sum + nanoseconds, 0);
    rows.push([
      `${name}, ${quantum}${quantum === own ? " (default)" : ""}`,
      ...measures.map(([, of]) => deviation(measured, exact, of)),
      `${(time(measured) / time(exact)).toFixed(2)}x`,
    ]);
  }
}
const head = ["quantum, cycles", ...measures.map(([measure]) => measure), "host time"];
for (const line of tableLines({ head, rows })) console.log(line);

async function measure(name: string, quantum: number): Promise<Measured[]> {
  const measured: Measured[] = [];
  for (const seed of seeds) {
    const workload = await workloadOf(name);
    const request: RunRequest = {
      ...{ machine: skylakeSp, policy: "deferred", cpus: CPUS, seed, workload, workloadName: name },
      size: { quantum },
    };
    const start = cpuTime();
    const result = await runSimulation(request);
    measured.push({ result, nanoseconds: cpuTime() - start });
  }
  return measured;
}

function workloadOf(name: string): Promise<Workload> {
  if (!name.includes(".")) return openWork({ kind: "workload", name, params: { iterations } }, CPUS);
  const files = [placeOf(`examples/${name}`)];
  return openWork({ kind: "trace", files, lenient: false, replicate: 1 }, CPUS);
}

/** Mean over the seeds of how far a measure is from what it is with a quantum of one cycle, and the largest of them. */
function deviation(
  measured: readonly Measured[],
  exact: readonly Measured[],
  of: (result: RunResult) => number,
): string {
  const each = measured.map(({ result }, index) => of(result) / of(exact[index]!.result) - 1);
  const mean = each.reduce((sum, one) => sum + one, 0) / each.length;
  const most = Math.max(...each.map(Math.abs));
  return `${percent(mean)} (${percent(most).replace("+", "")})`;
}

function percent(share: number): string {
  return Number.isFinite(share) ? `${share >= 0 ? "+" : ""}${(share * 100).toFixed(2)}%` : "-";
}
