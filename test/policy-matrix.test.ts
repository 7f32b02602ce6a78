/**
 * Every built-in workload under every policy and every way to reach the other CPUs: nobody uses what they should not. CI takes all
 * combinations (THOROUGH=1), else each workload meets every other way once, and the policies in turn.
 */
import { expect, test } from "vitest";
import { runSimulation } from "../src/engine/run.js";
import { machines } from "../src/machine/presets.js";
import { policyNames } from "../src/policy/policies.js";
import { slots } from "../src/policy/slots.js";
import { builtins } from "../src/workload/builtins.js";

const CPUS = 5;
/** What a parameter is set to where a workload has it: rounds are few, and memory is small. */
const SMALL: Readonly<Record<string, number>> = {
  iterations: 8,
  pages: 12,
  threads: 6,
  shared: 64,
  compute: 500,
};

const isThorough = process.env.THOROUGH === "1";
const safe = policyNames.filter((name) => name !== "never");
const ways = Object.keys(slots.shootdown!.variants).filter((name) => name !== "none");

const all = builtins.flatMap((builtin, at) =>
  ways.flatMap((shootdown, way) =>
    safe
      .filter(
        (_, policy) => isThorough || ((at + way) % 2 === 0 && policy === ((at + way) / 2) % safe.length),
      )
      .map((policy) => [builtin.name, policy, shootdown] as const),
  ),
);

test.each(all)("%s under %s by %s breaks no invariant", async (name, policy, shootdown) => {
  const builtin = builtins.find((one) => one.name === name)!;
  const given = Object.fromEntries(
    builtin.parameters
      .filter((parameter) => parameter.name in SMALL)
      .map(({ name: key, min, max }) => [key, String(Math.min(max, Math.max(min, SMALL[key]!)))]),
  );
  const machine = machines.find(({ pcid }) => pcid)!;
  const result = await runSimulation({
    machine,
    policy,
    set: { shootdown },
    cpus: CPUS,
    seed: 1,
    workload: builtin.open(given, CPUS),
    workloadName: name,
  });
  expect(result.violations).toEqual([]);
  expect(result.simulated.cycles).toBeGreaterThan(0);
});
