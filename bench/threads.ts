/** What it costs to have many CPUs, and what a second thread gains. */
import type { MachineNumbers } from "../src/machine/preset.js";
import { type CrowdOptions, type CrowdPass, CrowdWorld } from "./crowd.js";
import { WARM_UP } from "./hot-path.js";
import { byTurns, type Counts, differenceOf, type Timing, timingOf } from "./passes.js";

export interface CrowdSize {
  readonly rounds: number;
  /** Accesses of one pass, of all CPUs together, and of each at least: fewer would find its second level empty in the first passes. */
  readonly accesses: number;
  readonly perCpu: number;
  /** The first is what the others are compared with. */
  readonly cpus: readonly number[];
  /** Cycles. */
  readonly quanta: readonly number[];
  /** {CPUs, quantum} at which a second thread is measured. */
  readonly shared: readonly (readonly [cpus: number, quantum: number])[];
  /** Accesses of one pass there: passes of a few milliseconds differ by half, as threads have to wake and to find each other. */
  readonly sharedAccesses: number;
  readonly meetings: number;
}

/** CPU time of an access with one thread, whatever the number of CPUs. */
export interface FlatRow {
  readonly quantum: number;
  readonly cpus: number;
  readonly access: Timing;
  /** Over that of the first number of CPUs. */
  readonly ratio: number;
  /** What is planned for a CPU, and what its accesses touch of it. */
  readonly bytesPerCpu: number;
  readonly touchedPerCpu: number;
  readonly counts: Counts;
}

/** Time on the wall of an access, with one thread and with two; undefined when others used the cores all the time. */
export interface ThreadsRow {
  readonly cpus: number;
  readonly quantum: number;
  readonly one: Timing | undefined;
  readonly two: Timing | undefined;
  readonly counts: Counts;
  readonly difference?: string;
}

/** Two threads that meet without work, in nanoseconds, and what it takes to start the second one. */
export interface MeetingRow {
  readonly spinning: number;
  readonly sleeping: number;
  readonly startMs: number;
  readonly isQuiet: boolean;
}

export async function measureFlatness(machine: MachineNumbers, size: CrowdSize): Promise<FlatRow[]> {
  const rows: FlatRow[] = [];
  for (const quantum of size.quanta) {
    const worlds = size.cpus.map((cpus) => crowd(machine, { cpus, quantum, threads: 1 }, size));
    const measured = await byTurns(worlds, WARM_UP + size.rounds);
    const first = bestOf(measured[0]!);
    worlds.forEach((world, index) => {
      const passes = perAccess(measured[index]!.slice(WARM_UP));
      const access = timingOf(passes, 1);
      rows.push({
        ...{ quantum, cpus: size.cpus[index]!, access, ratio: access.best / first },
        bytesPerCpu: world.bytesPerCpu(),
        touchedPerCpu: world.touchedPerCpu(),
        counts: measured[index]!.at(-1)!.counts,
      });
    });
  }
  return rows;
}

export async function measureThreads(machine: MachineNumbers, size: CrowdSize): Promise<ThreadsRow[]> {
  const rows: ThreadsRow[] = [];
  for (const [cpus, quantum] of size.shared) {
    const accesses = size.sharedAccesses;
    const worlds = [1, 2].map((threads) => crowd(machine, { cpus, quantum, threads }, { ...size, accesses }));
    try {
      for (const world of worlds) await world.start();
      const [one, two] = await byTurns(worlds, WARM_UP + size.rounds);
      const difference = differenceOf(["one thread", "two"], one!, two!);
      rows.push({
        ...{ cpus, quantum, one: wallOf(one!), two: wallOf(two!), counts: two!.at(-1)!.counts },
        ...(difference !== undefined && { difference }),
      });
    } finally {
      for (const world of worlds) await world.close();
    }
  }
  return rows;
}

export async function measureMeeting(machine: MachineNumbers, size: CrowdSize): Promise<MeetingRow> {
  const world = crowd(machine, { cpus: 2, quantum: 1000, threads: 2 }, size);
  try {
    const startMs = await world.start();
    const { isQuiet } = await world.pass();
    return {
      spinning: world.meeting(size.meetings),
      sleeping: world.meeting(Math.ceil(size.meetings / 10), 0),
      ...{ startMs, isQuiet },
    };
  } finally {
    await world.close();
  }
}

function crowd(
  machine: MachineNumbers,
  options: Omit<CrowdOptions, "accesses">,
  { accesses, perCpu }: CrowdSize,
): CrowdWorld {
  return new CrowdWorld(machine, { ...options, accesses: Math.max(accesses, perCpu * options.cpus) });
}

/** A pass ends when the first CPU is dry, so passes differ a little in length. */
function perAccess(passes: readonly CrowdPass[]): CrowdPass[] {
  return passes.map((pass) => ({ ...pass, nanoseconds: pass.nanoseconds / pass.counts.accesses! }));
}

function bestOf(passes: readonly CrowdPass[]): number {
  return timingOf(perAccess(passes.slice(WARM_UP)), 1).best;
}

/** Of those passes in which nobody else had the cores. */
function wallOf(passes: readonly CrowdPass[]): Timing | undefined {
  const quiet = passes.slice(WARM_UP).filter(({ isQuiet }) => isQuiet);
  if (quiet.length === 0) return undefined;
  const walls = quiet.map(({ wall, counts }) => ({ nanoseconds: wall / counts.accesses!, counts }));
  return timingOf(walls, 1);
}
