/** Replaying recorded programs: reading, unpacking, parsing and simulating together. */
import { basename } from "node:path";
import type { MachinePreset } from "../src/machine/preset.js";
import { openTraceWorkload } from "../src/trace/feed.js";
import { byTurns, type Counts, type Timing, timingOf } from "./passes.js";
import { Simulation } from "./simulation.js";

export interface ReplayRow {
  readonly file: string;
  /** Time for one line of the recording. */
  readonly line: Timing;
  /** Whether the recording holds accesses; one of system calls alone says little about accesses a second. */
  readonly hasAccesses: boolean;
  readonly counts: Counts;
}

/** A recording under today's Linux. */
export async function measureReplay(
  file: string,
  machine: MachinePreset,
  { rounds, cpus }: { readonly rounds: number; readonly cpus: number },
): Promise<ReplayRow> {
  const workload = await openTraceWorkload([file]);
  // The first pass warms up.
  const [passes] = await byTurns(
    [new Simulation(file, { machine, policy: "deferred", cpus, workload })],
    1 + rounds,
  );
  const { counts } = passes!.at(-1)!;
  return {
    file: basename(file),
    line: timingOf(passes!.slice(1), counts.lines!),
    hasAccesses: counts.recordedAccesses! > 0,
    counts,
  };
}
