/** Replaying recorded programs: reading, unpacking, parsing and simulating together. */
import { basename } from "node:path";
import type { MachinePreset } from "../src/machine/preset.js";
import { openTraceWorkload } from "../src/trace/feed.js";
import { byTurns, type Counts, type Timing, timingOf, WARM_UP } from "./passes.js";
import { Simulation } from "./simulation.js";

export interface ReplayRow {
  readonly file: string;
  /** Time for one line of the recording. */
  readonly line: Timing;
  readonly counts: Counts;
}

/** A recording under today's Linux. */
export async function measureReplay(
  file: string,
  machine: MachinePreset,
  { rounds, cpus }: { readonly rounds: number; readonly cpus: number },
): Promise<ReplayRow> {
  const workload = await openTraceWorkload([file]);
  const [passes] = await byTurns([new Simulation(file, { machine, policy: "deferred", cpus, workload })], rounds + WARM_UP);
  const { counts } = passes!.at(-1)!;
  return { file: basename(file), line: timingOf(passes!, counts.lines!), counts };
}
