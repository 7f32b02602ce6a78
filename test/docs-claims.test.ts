/** What docs/json.md and docs/modelling.md say of the numbers of a run: what adds up, and what changes nothing. */
import { describe, expect, test } from "vitest";
import type { RunResult } from "../src/engine/result.js";
import { runSimulation } from "../src/engine/run.js";
import { openWork } from "../src/engine/work.js";
import { machines } from "../src/machine/presets.js";
import { policyNames } from "../src/policy/policies.js";

const cpus = 6;

async function run(name: string, policy: string, machine = machines[0]!, boundOrder = 0): Promise<RunResult> {
  const params = { iterations: "12", pages: "40", threads: "9" };
  const workload = await openWork({ kind: "workload", name, params }, cpus);
  const size = { boundOrder };
  return runSimulation({ machine, policy, cpus, seed: 3, workload, workloadName: name, size });
}

function withoutHost({ host: _, ...rest }: RunResult): Omit<RunResult, "host"> {
  return rest;
}

const runs = ["munmap-loop", "mprotect-loop"].flatMap((name) =>
  policyNames.flatMap((policy) => machines.map((machine) => [name, policy, machine.name, machine] as const)),
);

describe("sums", () => {
  test.each(runs)("%s, %s, %s", async (name, policy, _, machine) => {
    const { simulated, tlb, ipis, cycles } = await run(name, policy, machine);
    const parts = Object.values(cycles).reduce((sum, part) => sum + part, 0);
    expect(parts).toBe(cpus * simulated.cycles);
    expect(tlb.accesses).toBe(simulated.accesses);
    expect(tlb.l1Hits + tlb.stlbHits + tlb.walks).toBe(tlb.accesses);
    expect(tlb.walkCycles).toBe(cycles.walk);
    expect(ipis.sent + ipis.coalesced).toBe(ipis.received);
  });
});

describe("what changes nothing", () => {
  test.each(policyNames)("the order in which CPUs are visited within a quantum, under %s", async (policy) => {
    const first = withoutHost(await run("munmap-loop", policy));
    for (const order of [1, 2]) {
      expect(withoutHost(await run("munmap-loop", policy, machines[0], order))).toEqual(first);
    }
  });
});
