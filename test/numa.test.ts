/* NUMA: a socket is a node, memory comes from the nearest one, and a page of another one costs more to clear or copy. */
import { expect, test } from "vitest";
import { runSimulation } from "../src/engine/run.js";
import type { MachinePreset } from "../src/machine/preset.js";
import { machineFrom } from "../src/machine/yaml-machine.js";
import { builtinWorkload } from "../src/workload/builtins.js";
import { YamlFile } from "../src/yaml-file.js";

const twoCores = "topology: { threadsPerCore: 1, coresPerCcx: 1, coresPerSocket: 1, sockets: 2 }";
const machine = (text: string): MachinePreset =>
  machineFrom(new YamlFile("box.yaml", `extends: skylake-sp\n${text}`));

/** Snapshots of data that CPU 0 has written first and that a thread on CPU 1 goes on writing. */
async function snapshots(box: MachinePreset) {
  const params = { data: "200", snapshots: "2", rounds: "300", writes: "100", threads: "2" };
  const workload = builtinWorkload("fork-cow", params, 2);
  return runSimulation({
    ...{ machine: box, policy: "deferred", cpus: 2, seed: 1, workload, workloadName: "fork-cow" },
    build: "debug",
  });
}

test("within a socket all memory is near", async () => {
  const { memory, faults } = await snapshots(machine("topology: { sockets: 1 }"));
  expect(faults.cow).toBeGreaterThan(0);
  expect(memory).toEqual({ nodes: 1, remote: 0 });
});

test("a thread that unmaps and maps again stays on its node, on whichever socket it runs", async () => {
  const workload = builtinWorkload("munmap-loop", { iterations: "5", threads: "2" }, 2);
  const box = machine(twoCores);
  const run = await runSimulation({
    ...{ machine: box, policy: "deferred", cpus: 2, seed: 1, workload, workloadName: "munmap-loop" },
    build: "debug",
  });
  expect(run.faults.minor).toBeGreaterThan(100);
  expect(run.memory).toEqual({ nodes: 2, remote: 0 });
});

test("memory that another socket has written first is far, and copying it takes longer", async () => {
  const millisecond = 2_500_000;
  const near = machine(`${twoCores}\nprices: { frameRemote: 0 ns }`);
  const far = machine(`${twoCores}\nprices: { frameRemote: 1ms }`);
  const [cheap, dear] = [await snapshots(near), await snapshots(far)];
  expect(dear.memory.nodes).toBe(2);
  expect(dear.memory.remote).toBeGreaterThan(0);
  expect(cheap.latency.page_fault!.max).toBeLessThan(millisecond);
  expect(dear.latency.page_fault!.max).toBeGreaterThan(millisecond);
});

test("a machine has as many nodes as its CPUs fill sockets", async () => {
  const workload = builtinWorkload(
    "munmap-loop",
    { iterations: "1", initiators: "1", pages: "1", reads: "1" },
    12,
  );
  const run = await runSimulation({
    ...{ machine: machine("topology: { coresPerCcx: 1, coresPerSocket: 2 }"), policy: "deferred" },
    ...{ cpus: 12, seed: 1, workload, workloadName: "munmap-loop" },
  });
  expect(run.memory.nodes).toBe(3);
});
