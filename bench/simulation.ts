/** Whole simulations as contestants: what somebody waits for who types `shootdown run`, less the start of Node. */
import { sum } from "../src/engine/collect.js";
import { type RunRequest, runSimulation } from "../src/engine/run.js";
import type { World } from "../src/engine/world.js";
import type { Contestant, Counts, Pass } from "./passes.js";

/** A simulation that runs from its start to its end in every pass. */
export function simulation(name: string, request: Omit<RunRequest, "seed" | "workloadName">): Contestant {
  return { name, pass: () => simulate({ ...request, seed: 1, workloadName: request.workload.name }) };
}

async function simulate(request: RunRequest): Promise<Pass> {
  let steps: number | undefined;
  const observed: RunRequest & { readonly onEnd: (world: World) => void } = {
    ...request,
    onEnd: (world) => {
      steps = sum(world, world.value("ST_TLB") + world.value("KERNEL_STEPS") * 8);
    },
  };
  const { simulated, tlb, ipis, cycles, trace, host } = await runSimulation(observed);
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
  return { nanoseconds: host.wallSeconds * 1e9, counts };
}
