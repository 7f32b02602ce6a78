/** What the oracle costs: the same work with it and without it. It may take time on the host, and must change no count. */
import { type MachinePreset, machineNumbers } from "../src/machine/preset.js";
import { builtinWorkload } from "../src/workload/builtins.js";
import { WARM_UP } from "./hot-path.js";
import { HotWorld } from "./hot-world.js";
import { byTurns, type Contestant, type Counts, differenceOf, type Timing, timingOf } from "./passes.js";
import { Simulation } from "./simulation.js";
import { makeStream, type StreamKind } from "./streams.js";

export interface OracleRow {
  readonly work: string;
  /** Time for an access of a stream, or for a system call of a simulation. */
  readonly on: Timing;
  readonly off: Timing;
  readonly counts: Counts;
  /** Where counts with and without the oracle disagree, as a sentence. */
  readonly difference?: string;
}

/** A stream of accesses: nothing ever goes stale, so this is what the oracle takes from the hot path. */
export async function measureOracleOnStream(
  kind: StreamKind,
  machine: MachinePreset,
  { accesses, rounds }: { readonly accesses: number; readonly rounds: number },
): Promise<OracleRow> {
  const stream = makeStream(kind, accesses);
  const world = (oracle: boolean) =>
    new HotWorld(stream, machineNumbers(machine), { name: nameOf(oracle), build: "release", oracle });
  return measure(kind.name, [world(true), world(false)], { warmUp: WARM_UP, rounds, unit: "accesses" });
}

/** A kernel that is busy with page tables: what the oracle takes where it has most to do. */
export async function measureOracleOnKernel(
  machine: MachinePreset,
  policy: string,
  {
    iterations,
    rounds,
    cpus,
  }: { readonly iterations: number; readonly rounds: number; readonly cpus: number },
): Promise<OracleRow> {
  const workload = builtinWorkload("munmap-loop", { iterations: `${iterations}` }, cpus);
  const run = (oracle: boolean) =>
    new Simulation(nameOf(oracle), { machine, policy, cpus, workload, size: { oracle } });
  return measure(`munmap-loop, ${policy}`, [run(true), run(false)], { warmUp: 1, rounds, unit: "calls" });
}

function nameOf(oracle: boolean): string {
  return `the oracle ${oracle ? "on" : "off"}`;
}

/** `unit` is the count that times are given for; rounds of `warmUp` are compared, but not timed. */
async function measure(
  work: string,
  contestants: readonly [Contestant, Contestant],
  { warmUp, rounds, unit }: { readonly warmUp: number; readonly rounds: number; readonly unit: string },
): Promise<OracleRow> {
  const [on, off] = await byTurns(contestants, warmUp + rounds);
  const { counts } = on!.at(-1)!;
  const difference = differenceOf([contestants[0].name, contestants[1].name], on!, off!);
  return {
    work,
    on: timingOf(on!.slice(warmUp), counts[unit]!),
    off: timingOf(off!.slice(warmUp), counts[unit]!),
    counts,
    ...(difference !== undefined && { difference }),
  };
}
