/** Kernel-heavy runs: how many steps of the simulated kernel a second of the host pays for. */
import type { MachinePreset } from "../src/machine/preset.js";
import { builtinWorkload } from "../src/workload/builtins.js";
import { byTurns, type Counts, type Timing, timingOf, WARM_UP } from "./passes.js";
import { Simulation } from "./simulation.js";

export interface KernelRow {
  readonly work: string;
  /** Time for one system call with all that follows from it: faults, interrupts, context switches. */
  readonly call: Timing;
  /** Time for one step: one shared access of the kernel, with the free operations behind it. Absent where steps are not counted. */
  readonly step?: Timing;
  /** Shortest time, in milliseconds, before the work begins. */
  readonly setup: number;
  readonly counts: Counts;
}

/** munmap-loop under each policy, by turns. */
export async function measureKernel(
  machine: MachinePreset,
  policies: readonly string[],
  { iterations, rounds, cpus }: { readonly iterations: number; readonly rounds: number; readonly cpus: number },
): Promise<KernelRow[]> {
  const workload = builtinWorkload("munmap-loop", { iterations: `${iterations}` }, cpus);
  const contestants = policies.map((policy) => new Simulation(policy, { machine, policy, cpus, workload }));
  const measured = await byTurns(contestants, rounds + WARM_UP);
  return measured.map((passes, index) => {
    const { counts } = passes.at(-1)!;
    return {
      work: `munmap-loop, ${policies[index]}, ${cpus} CPUs`,
      call: timingOf(passes, counts.calls!),
      ...(counts.steps !== undefined && { step: timingOf(passes, counts.steps) }),
      setup: Math.min(...passes.map(({ setupNanoseconds }) => setupNanoseconds)) / 1e6,
      counts,
    };
  });
}
