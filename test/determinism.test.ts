/** A result is a function of inputs and seed: nothing about how the host computes it can be seen in it. */
import { describe, expect, test } from "vitest";
import type { RunResult } from "../src/engine/result.js";
import { type RunRequest, runSimulation } from "../src/engine/run.js";
import { skylakeSp } from "../src/machine/skylake-sp.js";
import { zen4 } from "../src/machine/zen4.js";
import { builtins } from "../src/workload/builtins.js";
import { oneIn } from "./thorough.js";
import { tinyBuiltins } from "./tiny-builtins.js";

const cpus = 6;
/** More threads than CPUs, so that tasks are switched too. */
const givenTo = (name: string) => ({ ...tinyBuiltins[name], threads: "8" });

function request(name: string, over: Partial<RunRequest> = {}): RunRequest {
  const workload = builtins.find((builtin) => builtin.name === name)!.open(givenTo(name), cpus);
  return { machine: skylakeSp, policy: "deferred", cpus, seed: 1, workload, workloadName: name, ...over };
}

/** All of a result but what it says of the host. */
async function resultOf(one: RunRequest): Promise<Omit<RunResult, "host">> {
  const { host: _host, ...result } = await runSimulation(one);
  return result;
}

const cases = builtins.flatMap(({ name }) =>
  [skylakeSp, zen4].flatMap((machine) =>
    ["eager", "deferred", "never"].map(
      (policy) => [name, machine.name, policy, { machine, policy }] as const,
    ),
  ),
);

describe.each(oneIn(4, cases))("%s on %s under %s", (name, _machine, _policy, over) => {
  test("is the same again, and another one with another seed", async () => {
    const once = await resultOf(request(name, over));
    expect(await resultOf(request(name, over))).toEqual(once);
    const { seed, ...other } = await resultOf(request(name, { ...over, seed: 2 }));
    expect(seed).toBe(2);
    const { seed: _, ...first } = once;
    expect(other.simulated.cycles).not.toBe(first.simulated.cycles);
    // What a thread does is the same: only when it happens, and which shared pages it reads, depends on the seed. What of a
    // heap is garbage does too.
    if (name !== "gc-heap") expect(other.simulated.operations).toEqual(first.simulated.operations);
  });
});

test("a ring that results would depend on is refused", async () => {
  await expect(resultOf(request("fork-cow", { size: { ring: 32 } }))).rejects.toThrow("a ring of 32 records");
});

describe.each(oneIn(4, builtins).map(({ name }) => name))("%s does not depend on", (name) => {
  const variants: readonly (readonly [string, Partial<RunRequest>])[] = [
    ["the build of the engine", { build: "debug" }],
    ["the order of CPUs in the bound phase: the last one first", { size: { boundOrder: 1 } }],
    ["the order of CPUs in the bound phase: odd ones first", { size: { boundOrder: 2 } }],
    ["how often the host looks: every quantum", { quanta: 1 }],
    ["how often the host looks: never", { quanta: 100_000_000 }],
    ["the size of the rings: as small as an event allows", { size: { ring: 64 } }],
    ["the size of the rings: smaller", { size: { ring: 256 } }],
    ["whether the oracle watches", { size: { oracle: false } }],
  ];

  const policies = ["eager", "deferred", "coherent"];
  const known = new Map<string, ReturnType<typeof resultOf>>();
  const plain = (policy: string): ReturnType<typeof resultOf> => {
    const result = known.get(policy) ?? resultOf(request(name, { policy }));
    known.set(policy, result);
    return result;
  };

  test.each(variants)("%s", async (_, variant) => {
    // What a policy breaks is the same too; but nobody sees it without the oracle.
    const broken = variant.size?.boundOrder === undefined ? [] : ["never"];
    for (const policy of [...policies, ...broken])
      expect(await resultOf(request(name, { policy, ...variant }))).toEqual(await plain(policy));
  });

  test("that a CPU which is alone need not stop at the ends of quanta", async () => {
    const workload = builtins
      .find((builtin) => builtin.name === name)!
      .open({ ...givenTo(name), threads: "2" }, 1);
    const alone = { workload, cpus: 1 };
    const once = await resultOf(request(name, alone));
    for (const boundOrder of [1, 2])
      expect(await resultOf(request(name, { ...alone, size: { boundOrder } }))).toEqual(once);
  });

  test("a watch on its progress", async () => {
    const looks: { cycles: number; records: number }[] = [];
    const watched = await resultOf(
      request(name, { quanta: 50, onProgress: (progress) => looks.push(progress) }),
    );
    expect(watched).toEqual(await plain("deferred"));
    expect(looks.length).toBeGreaterThan(5);
    for (const [index, { cycles, records }] of looks.entries()) {
      expect(cycles).toBeGreaterThanOrEqual(looks[index - 1]?.cycles ?? 0);
      expect(records).toBeGreaterThanOrEqual(looks[index - 1]?.records ?? 0);
      expect(cycles).toBeLessThanOrEqual(watched.simulated.cycles);
    }
  });
});
