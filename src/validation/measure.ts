/** The micro-benchmarks behind the published numbers, as plans, and one simulation of each. */
import { runSimulation } from "../engine/run.js";
import type { Tunables } from "../kernel/options.js";
import { machineNamed } from "../machine/presets.js";
import { LOAD, STORE } from "../workload/feed.js";
import { anonymous, groups, readWrite, threads } from "../workload/loop.js";
import type { Plan, Step } from "../workload/plan.js";
import { PlanWorkload } from "../workload/plan-workload.js";
import { call, compute, MADV_DONTNEED, repeat, sweep, useStack } from "../workload/steps.js";
import { PROT_READ } from "../workload/vma-word.js";

const rounds = 200;
/** Rounds of a busy thread: it must not end before the one that is measured. */
const busyRounds = 100 * rounds;

export interface Setting {
  readonly machine: string;
  /** Variants by slot, on top of today's Linux. */
  readonly set?: Readonly<Record<string, string>>;
  readonly tunables?: Partial<Tunables>;
  /** Pages that the measured thread's calls are about; 1 unless said. */
  readonly pages?: number;
  /** CPUs that run busy threads of the same process; the measured one runs on CPU 0. */
  readonly busy?: readonly number[];
}

/** Latencies in cycles of one run, in the order in which they ended, by the entry of the kernel; `flush` is one CPU's own flush. */
export type Latencies = ReadonlyMap<string, readonly number[]>;

/** MADV_DONTNEED of the pages and a load of each, over and over. */
export function madviseAndTouch(setting: Setting): Promise<Latencies> {
  return measure(setting, [sweep("own", LOAD), call("madvise", "own", MADV_DONTNEED)]);
}

/** mprotect to read-only and back, with the accesses between them that bring the translations back. */
export function protectAndBack(setting: Setting): Promise<Latencies> {
  return measure(setting, [
    sweep("own", STORE),
    call("mprotect", "own", PROT_READ),
    sweep("own", LOAD),
    call("mprotect", "own", readWrite),
  ]);
}

async function measure(setting: Setting, steps: readonly Step[]): Promise<Latencies> {
  const { machine, busy = [], pages = 1, set = {}, tunables } = setting;
  const preset = machineNamed(machine);
  const cpus = 1 + Math.max(0, ...busy);
  const idler: readonly Step[] = [repeat(busyRounds, useStack, compute(500))];
  const plan: Plan = {
    name: "validation",
    regions: { own: anonymous(pages, "thread") },
    groups: groups(
      { ...threads("measured", 1, [repeat(rounds, ...steps)]), cpu: 0 },
      ...busy.map((cpu) => ({ ...threads(`busy ${cpu}`, 1, idler), cpu })),
    ),
  };
  const latencies = new Map<string, number[]>();
  await runSimulation({
    machine: preset,
    policy: "deferred",
    set,
    ...(tunables && { tunables }),
    cpus,
    seed: 1,
    workload: new PlanWorkload(plan, cpus, preset.ghz.value),
    workloadName: plan.name,
    onLatency: (name, cpu, cycles) => {
      if (cpu !== 0) return;
      const all = latencies.get(name) ?? [];
      latencies.set(name, all);
      all.push(cycles);
    },
  });
  return latencies;
}

/** The middle one; a few at the beginning meet threads that are not awake yet. Throws when there is none. */
export function median(values: readonly number[] | undefined): number {
  if (values === undefined || values.length === 0) throw new RangeError("nothing was measured");
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

export function nanoseconds(machine: string, cycles: number): number {
  return cycles / machineNamed(machine).ghz.value;
}
