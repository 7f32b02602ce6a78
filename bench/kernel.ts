/** Kernel-heavy runs: how many micro-ops of the simulated kernel a second of the host pays for. */
import type { MachinePreset } from "../src/machine/preset.js";
import { builtinWorkload } from "../src/workload/builtins.js";
import { byTurns, type Counts, type Timing, timingOf } from "./passes.js";
import { Simulation } from "./simulation.js";

export interface KernelRow {
  readonly work: string;
  /** Time for one system call with all that follows from it: faults, interrupts, context switches. */
  readonly call: Timing;
  /** Time for one step, that is for one shared access of the kernel. Absent where steps are not counted. */
  readonly step?: Timing;
  /** Time for one micro-op, steps and free ones alike. Absent where free ones are not counted. */
  readonly microOp?: Timing;
  /** Shortest time, in milliseconds, before the work begins. */
  readonly setup: number;
  readonly counts: Counts;
}

/** munmap-loop under each policy, by turns. The first round warms up. */
export async function measureKernel(
  machine: MachinePreset,
  policies: readonly string[],
  {
    iterations,
    rounds,
    cpus,
  }: { readonly iterations: number; readonly rounds: number; readonly cpus: number },
): Promise<KernelRow[]> {
  const workload = builtinWorkload("munmap-loop", { iterations: `${iterations}` }, cpus);
  const contestants = policies.map((policy) => new Simulation(policy, { machine, policy, cpus, workload }));
  const measured = await byTurns(contestants, 1 + rounds);
  return measured.map((all, index) => {
    const passes = all.slice(1);
    const { counts } = passes[0]!;
    return {
      work: `munmap-loop, ${policies[index]}, ${cpus} CPUs`,
      call: timingOf(passes, counts.calls!),
      ...(counts.steps !== undefined && { step: timingOf(passes, counts.steps) }),
      ...(counts.microOps !== undefined && { microOp: timingOf(passes, counts.microOps) }),
      setup: Math.min(...passes.map(({ setupNanoseconds }) => setupNanoseconds)) / 1e6,
      counts,
    };
  });
}
