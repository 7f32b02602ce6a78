/**
 * Whole simulations as contestants: a workload under a policy, from its first record to its last. A program that unpacks a recording
 * runs beside, in a process of its own, and is not counted.
 */
import { sum } from "../src/engine/collect.js";
import { type RunRequest, runSimulation } from "../src/engine/run.js";
import type { World } from "../src/engine/world.js";
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
    let steps: number | undefined;
    const request: RunRequest & { readonly onEnd: (world: World) => void } = {
      ...this.#request,
      seed: 1,
      workloadName: workload.name,
      // Work is opened when everything else stands.
      workload: {
        name: workload.name,
        tasks: workload.tasks,
        mms: workload.mms,
        starters: workload.starters,
        ...(workload.pages !== undefined && { pages: workload.pages }),
        open: (seed) => {
          opened = cpuTime();
          return workload.open(seed);
        },
      },
      onEnd: (world) => {
        steps = sum(world, world.value("ST_TLB") + world.value("KERNEL_STEPS") * 8);
      },
    };
    const { simulated, tlb, ipis, cycles, trace } = await runSimulation(request);
    const nanoseconds = cpuTime() - opened;
    const counts: Counts = {
      cycles: simulated.cycles,
      accesses: simulated.accesses,
      calls: Object.values(simulated.operations).reduce((all, count) => all + count, 0),
      walks: tlb.walks,
      walkReads: tlb.walkMemoryReads,
      ipis: ipis.sent,
      kernelCycles: cycles.kernel + cycles.irq,
      ...(steps !== undefined && { steps }),
      ...(trace !== undefined && { lines: trace.lines }),
    };
    return { nanoseconds, setupNanoseconds: opened - start, counts };
  }
}
