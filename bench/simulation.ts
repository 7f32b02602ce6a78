/**
 * Whole simulations as contestants: a workload under a policy, from its first record to its last. A program that unpacks a recording
 * runs beside, in a process of its own, and is not counted.
 */
import { sum } from "../src/engine/collect.js";
import type { RunResult } from "../src/engine/result.js";
import { type RunRequest, runSimulation } from "../src/engine/run.js";
import type { World } from "../src/engine/world.js";
import type { Workload } from "../src/workload/feed.js";
import { type Contestant, type Counts, cpuTime, type Pass } from "./passes.js";

export interface SimulationPass extends Pass {
  /** Time before the work begins: assembling the kernel, laying out the world. It is not part of `nanoseconds`. */
  readonly setupNanoseconds: number;
}

/** A simulation that starts anew in every pass. */
export class Simulation implements Contestant<SimulationPass> {
  readonly name: string;
  readonly #request: Omit<RunRequest, "seed" | "workloadName">;

  constructor(name: string, request: Omit<RunRequest, "seed" | "workloadName">) {
    this.name = name;
    this.#request = request;
  }

  async pass(): Promise<SimulationPass> {
    const { workload } = this.#request;
    const start = cpuTime();
    let opened = start;
    let steps: Counts = {};
    const request: RunRequest & { readonly onEnd: (world: World) => void } = {
      ...this.#request,
      seed: 1,
      workloadName: workload.name,
      // The work is opened when everything else stands.
      workload: whenOpened(workload, () => {
        opened = cpuTime();
      }),
      onEnd: (world) => {
        steps = stepsOf(world);
      },
    };
    const result = await runSimulation(request);
    const nanoseconds = cpuTime() - opened;
    return { nanoseconds, setupNanoseconds: opened - start, counts: { ...countsOf(result), ...steps } };
  }
}

function whenOpened(workload: Workload, tell: () => void): Workload {
  const { name, tasks, mms, starters, pages } = workload;
  return {
    ...{ name, tasks, mms, starters },
    ...(pages !== undefined && { pages }),
    open: (seed) => {
      tell();
      return workload.open(seed);
    },
  };
}

/** Steps that the simulated kernel took and, where the engine counts them, all its micro-ops: steps and free ones. */
function stepsOf(world: World): Counts {
  const tally = (index: number): number => sum(world, world.value("ST_TLB") + index * 8);
  const steps = tally(world.value("KERNEL_STEPS"));
  const free = world.constants("FREE_OPS").get("");
  return { steps, ...(free !== undefined && { microOps: steps + tally(free) }) };
}

function countsOf({ simulated, tlb, ipis, cycles, trace }: RunResult): Counts {
  return {
    cycles: simulated.cycles,
    accesses: simulated.accesses,
    calls: sumOf(simulated.operations),
    walks: tlb.walks,
    walkReads: tlb.walkMemoryReads,
    ipis: ipis.sent,
    kernelCycles: cycles.kernel + cycles.irq,
    ...(trace !== undefined && { lines: trace.lines, recordedAccesses: sumOf(trace.accesses) }),
  };
}

function sumOf(counts: Counts): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
