/** Every benchmark in turn, at the size that is asked for. */
import { existsSync } from "node:fs";
import { machineNumbers } from "../src/machine/preset.js";
import { skylakeSp } from "../src/machine/skylake-sp.js";
import { InputError } from "../src/trace/errors.js";
import { type AdversaryRow, measureAdversary } from "./adversary.js";
import { describeHost, type Host, shortHash } from "./host.js";
import { type HotPathRow, measureHotPath } from "./hot-path.js";
import { type KernelRow, measureKernel } from "./kernel.js";
import { measureOracleOnKernel, measureOracleOnStream, type OracleRow } from "./oracle.js";
import { placeOf } from "./place.js";
import { measureReplay, type ReplayRow } from "./replay.js";
import { streamKinds } from "./streams.js";
import {
  type CrowdSize,
  type FlatRow,
  type MeetingRow,
  measureFlatness,
  measureMeeting,
  measureThreads,
  type ThreadsRow,
} from "./threads.js";
import { compileTwin } from "./twin.js";

export interface Size {
  /** Rounds in which engine and C take turns, and those of whole simulations, which take longer. */
  readonly rounds: number;
  readonly simulationRounds: number;
  /** Length of a stream: a power of two, as it fills a ring. */
  readonly accesses: number;
  /** Rounds of each thread of munmap-loop, and the CPUs it runs on. */
  readonly iterations: number;
  readonly cpus: number;
  /** States of one search, at most. */
  readonly states: number;
  /** Recordings in examples/. */
  readonly recordings: readonly string[];
  /** Many CPUs, and two threads. */
  readonly crowd: CrowdSize;
}

export const FULL: Size = {
  rounds: 31,
  simulationRounds: 5,
  accesses: 2 ** 18,
  iterations: 800,
  cpus: 8,
  states: 2_000_000,
  recordings: ["gzip.lackey.gz", "sqlite.lackey.zst", "zstd.drmemtrace", "redis.strace.gz"],
  crowd: {
    rounds: 9,
    accesses: 2 ** 19,
    perCpu: 6000,
    cpus: [1, 8, 64, 256, 1024],
    quanta: [1000, 10_000, 50_000],
    shared: [8, 64, 256].flatMap((cpus) => [1000, 10_000].map((quantum) => [cpus, quantum] as const)),
    sharedAccesses: 2 ** 22,
    meetings: 100_000,
  },
};

/** Says nothing about speed: it shows in seconds that everything runs, and that the counts agree. */
export const TINY: Size = {
  rounds: 2,
  simulationRounds: 1,
  accesses: 2 ** 12,
  iterations: 3,
  cpus: 2,
  states: 2000,
  recordings: ["redis.strace.gz"],
  crowd: {
    ...{
      rounds: 1,
      accesses: 2 ** 12,
      perCpu: 100,
      cpus: [1, 4],
      quanta: [1000],
      shared: [[4, 1000]],
      sharedAccesses: 2 ** 12,
    },
    meetings: 10,
  },
};

export interface Results {
  readonly schema: "shootdown/bench@1";
  readonly host: Host;
  readonly size: Size;
  readonly hotPath: readonly HotPathRow[];
  readonly oracle: readonly OracleRow[];
  readonly kernel: readonly KernelRow[];
  readonly adversary: readonly AdversaryRow[];
  readonly replay: readonly ReplayRow[];
  readonly flatness: readonly FlatRow[];
  readonly threads: readonly ThreadsRow[];
  readonly meeting: MeetingRow;
  /** Of all counts: it changes exactly when a result of the simulator does. */
  readonly hash: string;
  /** What was left out, and why. */
  readonly notes: readonly string[];
}

/** A space that can be seen in full, and a larger one. */
const SEARCHES = ["C-q1-calls/flag", "C-q4-unify/two-zaps"];

/** Runs everything; `onStart` hears of each part. Counts that differ do not stop it: see differencesOf(). */
export async function runSuite(size: Size, onStart: (what: string) => void = () => {}): Promise<Results> {
  const notes: string[] = [];
  const machine = machineNumbers(skylakeSp);
  const compiled = compileTwin(machine);
  if (typeof compiled === "string") notes.push(`${compiled}; the comparison with C is left out`);
  const twin = typeof compiled === "string" ? undefined : compiled;
  const host = describeHost(twin?.command);
  const simulations = { iterations: size.iterations, rounds: size.simulationRounds, cpus: size.cpus };
  const hotPath: HotPathRow[] = [];
  const oracle: OracleRow[] = [];
  try {
    for (const kind of streamKinds) {
      onStart(`hot path, ${kind.name}`);
      hotPath.push(await measureHotPath(kind, machine, size, twin));
    }
  } finally {
    twin?.remove();
  }
  for (const kind of streamKinds) {
    onStart(`oracle, ${kind.name}`);
    oracle.push(await measureOracleOnStream(kind, skylakeSp, size));
  }
  onStart("oracle, munmap-loop");
  oracle.push(await measureOracleOnKernel(skylakeSp, "deferred", simulations));
  onStart("kernel, munmap-loop");
  const kernel = await measureKernel(skylakeSp, ["eager", "deferred"], simulations);
  onStart("adversary");
  const adversary = await measureAdversary(SEARCHES, { states: size.states, rounds: size.simulationRounds });
  const replay: ReplayRow[] = [];
  for (const name of size.recordings) {
    onStart(`replay, ${name}`);
    const rows = await replayOf(name, size);
    if (typeof rows === "string") notes.push(rows);
    else replay.push(...rows);
  }
  onStart("many CPUs");
  const flatness = await measureFlatness(machine, size.crowd);
  onStart("two threads");
  const threads = await measureThreads(machine, size.crowd);
  const meeting = await measureMeeting(machine, size.crowd);
  const rows = [...hotPath, ...oracle, ...kernel, ...adversary, ...replay, ...flatness, ...threads];
  const counts = rows.map((row) => row.counts);
  return {
    ...{ schema: "shootdown/bench@1", host, size, hotPath, oracle, kernel, adversary, replay },
    ...{ flatness, threads, meeting },
    ...{ hash: shortHash(JSON.stringify(counts)), notes },
  };
}

/** Where counts differ that must be equal, as sentences. */
export function differencesOf({ hotPath, oracle, threads, replay }: Results): string[] {
  const rows = [
    ...hotPath.map(({ stream, difference }) => ({ what: stream, difference })),
    ...oracle.map(({ work, difference }) => ({ what: work, difference })),
    ...threads.map(({ cpus, difference }) => ({ what: `${cpus} CPUs, two threads`, difference })),
    ...replay.map(({ file, difference }) => ({ what: file, difference })),
  ];
  return rows.flatMap(({ what, difference }) => (difference === undefined ? [] : [`${what}: ${difference}`]));
}

/** Rows, or why there are none: not every machine has the program that unpacks a recording. */
async function replayOf(name: string, size: Size): Promise<ReplayRow[] | string> {
  const file = placeOf(`examples/${name}`);
  if (!existsSync(file)) return `examples/${name} is not there; its replay is left out`;
  try {
    return await measureReplay(file, skylakeSp, { rounds: size.simulationRounds, cpus: size.cpus });
  } catch (error) {
    if (error instanceof InputError) return `${error.message}; the replay is left out`;
    throw error;
  }
}
