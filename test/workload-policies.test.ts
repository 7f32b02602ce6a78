/** Every built-in workload under every policy and every way to reach the other CPUs: minutes, and no violation. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import type { RunResult } from "../src/engine/result.js";
import { runSimulation } from "../src/engine/run.js";
import { machines } from "../src/machine/presets.js";
import { policyNames } from "../src/policy/policies.js";
import { slots } from "../src/policy/slots.js";
import { builtins, builtinWorkload } from "../src/workload/builtins.js";
import { tinyBuiltins } from "./tiny-builtins.js";

interface Choice {
  readonly policy: string;
  readonly set?: Readonly<Record<string, string>>;
}

async function run(
  name: string,
  { policy, set = {} }: Choice,
  machine: number,
  cpus: number,
): Promise<RunResult> {
  const workload = builtinWorkload(name, tinyBuiltins[name]!, cpus);
  const request = { policy, set, cpus, seed: 3, workload, workloadName: name };
  return runSimulation({ machine: machines[machine]!, ...request });
}

/** All but what the host does. */
function measured({ host: _, ...result }: RunResult): Omit<RunResult, "host"> {
  return result;
}

const flushing = policyNames.filter((policy) => policy !== "never");
const variants = Object.entries(slots).flatMap(([slot, { variants: all }]) =>
  Object.keys(all)
    .filter((variant) => !(slot === "shootdown" && variant === "none"))
    .map((variant): Choice => ({ policy: "deferred", set: { [slot]: variant } })),
);
const choices: readonly Choice[] = [...flushing.map((policy) => ({ policy })), ...variants];

test("mmap-serve ends on 1024 CPUs, in bounded memory", { timeout: 900_000 }, async () => {
  const args = ["run", "mmap-serve", "--cpus", "1024", "--json", "-", "--progress", "none"];
  // A process of its own: its peak is no other test's.
  const { stdout } = await promisify(execFile)(process.execPath, ["dist/cli/main.js", ...args]);
  const { simulated, violations, host } = JSON.parse(stdout) as RunResult;
  expect(simulated.operations).toMatchObject({ mmap: 4096, munmap: 4096, exit: 1024 });
  expect(violations).toEqual([]);
  expect(host.peakRssBytes).toBeLessThan(2 ** 30);
});

describe.each(builtins.map(({ name }) => name))("%s", (name) => {
  test.each(
    choices.map((choice) => [`${choice.policy} ${JSON.stringify(choice.set ?? {})}`, choice] as const),
  )("%s: no violation", async (_, choice) => {
    for (const [machine, cpus] of [
      [0, 4],
      [machines.length - 1, 9],
    ] as const) {
      const result = await run(name, choice, machine, cpus);
      expect(result.violations).toEqual([]);
      expect(result.faults.segv).toBe(0);
    }
  });

  test("the same seed gives the same result", async () => {
    const choice = { policy: "deferred" };
    expect(measured(await run(name, choice, 0, 5))).toEqual(measured(await run(name, choice, 0, 5)));
  });
});
