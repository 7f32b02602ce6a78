/** Replaying recorded programs: reading, unpacking, parsing and simulating together, and reading alone. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MachinePreset } from "../src/machine/preset.js";
import { EventBlock } from "../src/trace/event.js";
import { openTraceWorkload } from "../src/trace/feed.js";
import { openTrace, recordings } from "../src/trace/format.js";
import { packTrace } from "../src/trace/packed-writer.js";
import {
  byTurns,
  type Contestant,
  type Counts,
  cpuTime,
  differenceOf,
  type Pass,
  type Timing,
  timingOf,
} from "./passes.js";
import { Simulation } from "./simulation.js";

export interface ReplayRow {
  readonly file: string;
  /** Whether it is in our own packed format, which has a bar of its own. */
  readonly isPacked: boolean;
  /** Time for one line or record of the recording: reading it, and replaying it. */
  readonly read: Timing;
  readonly line: Timing;
  /** Whether the recording holds accesses; one of system calls alone says little about accesses a second. */
  readonly hasAccesses: boolean;
  readonly counts: Counts;
  /** Where the packed recording gives another result than what it was packed from. */
  readonly difference: string | undefined;
}

/** Reads a recording from beginning to end. What unpacks it in a process of its own is not counted. */
class Reading implements Contestant {
  readonly name: string;
  readonly #files: readonly string[];
  readonly #block = new EventBlock();

  constructor(name: string, files: readonly string[]) {
    this.name = name;
    this.#files = files;
  }

  async pass(): Promise<Pass> {
    const start = cpuTime();
    const reader = await openTrace(this.#files);
    let rows = 0;
    while (await reader.read(this.#block)) rows += this.#block.length;
    const { lines } = reader.counts;
    return { nanoseconds: cpuTime() - start, counts: { lines, rows } };
  }
}

/** A recording under today's Linux, as it was recorded and packed. */
export async function measureReplay(
  file: string,
  machine: MachinePreset,
  size: { readonly rounds: number; readonly cpus: number },
): Promise<ReplayRow[]> {
  const folder = mkdtempSync(join(tmpdir(), "shootdown-bench-"));
  try {
    const [recording] = await recordings([file]);
    const packed = join(folder, "packed.sdt");
    await packTrace(recording!, packed);
    const names = [recording!.name, `${recording!.name}, packed`];
    return await measurePair(names, [file, packed], machine, size);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function measurePair(
  names: readonly string[],
  files: readonly string[],
  machine: MachinePreset,
  { rounds, cpus }: { readonly rounds: number; readonly cpus: number },
): Promise<ReplayRow[]> {
  const all = await Promise.all(files.map((file) => recordings([file])));
  const workloads = await Promise.all(files.map((file) => openTraceWorkload([file])));
  // The first pass warms up.
  const reads = await byTurns(
    all.map(([recording], index) => new Reading(names[index]!, recording!.files)),
    1 + rounds,
  );
  const runs = await byTurns(
    workloads.map((workload, index) => {
      return new Simulation(names[index]!, { machine, policy: "deferred", cpus, workload });
    }),
    1 + rounds,
  );
  const difference =
    differenceOf([names[1]!, names[0]!], reads[1]!, reads[0]!) ??
    differenceOf([names[1]!, names[0]!], runs[1]!, runs[0]!);
  return files.map((_, index) => {
    const { counts } = runs[index]!.at(-1)!;
    return {
      file: names[index]!,
      isPacked: index === 1,
      read: timingOf(reads[index]!.slice(1), counts.lines!),
      line: timingOf(runs[index]!.slice(1), counts.lines!),
      hasAccesses: counts.recordedAccesses! > 0,
      counts,
      difference: index === 1 ? difference : undefined,
    };
  });
}
