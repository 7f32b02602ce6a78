/** Large pages by way of a workload file, under the clock. */

import { expect, test } from "vitest";
import { runSimulation } from "../src/engine/run.js";
import { skylakeSp } from "../src/machine/skylake-sp.js";
import { PlanWorkload } from "../src/workload/plan-workload.js";
import { planFrom } from "../src/workload/yaml-plan.js";
import { YamlFile } from "../src/yaml-file.js";

const CPUS = 2;

function planOf(region: string): ReturnType<typeof planFrom> {
  const text = `
regions:
  heap: ${region}
threads:
  - name: worker
    count: 2
    steps:
      - { access: heap, stream: sequential, count: 4096, kind: store }
      - { part: piece, of: heap, size: 64KiB, stream: uniform, count: 1, steps: [{ madvise: piece, advice: dontneed }] }
      - { madvise: heap, advice: collapse }
      - { access: heap, stream: uniform, count: 2000, kind: store }
`;
  return planFrom(new YamlFile("heap.yaml", text), {}, CPUS);
}

function run(thp: string, policy: string) {
  return runSimulation({
    machine: skylakeSp,
    policy,
    set: { thp },
    cpus: CPUS,
    seed: 1,
    workload: new PlanWorkload(planOf("{ size: 16MiB, huge: 2M }"), CPUS, skylakeSp.ghz.value),
    workloadName: "heap",
  });
}

test.each(["eager", "deferred", "unified"])("2M pages fault less and miss less under %s", async (policy) => {
  const [small, large] = [await run("never", policy), await run("madvise", policy)];
  expect([small.violations, large.violations]).toEqual([[], []]);
  expect(large.faults.minor).toBeLessThan(small.faults.minor / 10);
  expect(large.tlb.walks).toBeLessThan(small.tlb.walks / 2);
});

test("a region of large pages is private and has a whole number of them", () => {
  expect(() => planOf("{ size: 1MiB, huge: 2M }")).toThrow("expected a whole number of pages of 2M");
  expect(() => planOf("{ size: 2MiB, huge: 2M, shared: true }")).toThrow("it goes with private memory");
});
