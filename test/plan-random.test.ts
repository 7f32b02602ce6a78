/**
 * Plans that nobody would write: random threads over random memory, on the checked build of the engine. Under a policy that flushes,
 * whatever they do, the oracle sees nothing. SOAK=500 runs more of them, from a new seed that it prints.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runSimulation } from "../src/engine/run.js";
import { skylakeSp } from "../src/machine/skylake-sp.js";
import { zen4 } from "../src/machine/zen4.js";
import { policyNames } from "../src/policy/policies.js";
import { slots } from "../src/policy/slots.js";
import type { Plan, Region, Step, ThreadGroup } from "../src/workload/plan.js";
import { PlanWorkload } from "../src/workload/plan-workload.js";
import type { StreamSpec } from "../src/workload/stream.js";

const names = ["heap", "log", "own", "target"] as const;
type Name = (typeof names)[number];

const pages = fc.integer({ min: 1, max: 12 });
const rights = fc.constantFrom(0, 1, 3, 3, 3);
const regions: fc.Arbitrary<Record<Name, Region>> = fc
  .record({ sizes: fc.tuple(pages, pages, pages), isShared: fc.boolean(), isWatched: fc.boolean() })
  .map(({ sizes: [heap, log, own], isShared, isWatched }) => ({
    heap: { pages: heap, of: "process", rights: 3, shared: isShared },
    log: { pages: log, of: "process", rights: 3, shared: true, file: "log" },
    target: { pages: own + 2, of: "process", rights: 3, shared: false },
    own: { pages: own, of: "thread", rights: 3, shared: false, watched: isWatched },
  }));

const stream: fc.Arbitrary<StreamSpec> = fc.constantFrom<StreamSpec>(
  { kind: "sequential" },
  { kind: "uniform" },
  { kind: "chase" },
  { kind: "zipf", s: 1 },
  { kind: "hot-cold", hot: 0.3, often: 0.8 },
  { kind: "phases", every: 5, window: 2, within: { kind: "uniform" } },
);

const access = (at: fc.Arbitrary<string>): fc.Arbitrary<Step> =>
  fc.record({
    ...{ do: fc.constant("access" as const), at, stream, grain: fc.constantFrom(4096, 4096, 512) },
    ...{
      count: fc.integer({ min: 1, max: 12 }),
      kind: fc.constantFrom(0, 1, 3),
      stores: fc.constantFrom(0, 0.5),
    },
  });

const call = (at: fc.Arbitrary<string>): fc.Arbitrary<Step> => {
  const entry = (name: string, ...args: readonly fc.Arbitrary<number>[]): fc.Arbitrary<Step> =>
    fc
      .tuple(at, fc.tuple(...args))
      .map(([region, numbers]) => ({ do: "call", entry: name, at: region, args: numbers }));
  return fc.oneof(
    entry("munmap"),
    entry("mprotect", rights),
    entry("mprotect", rights),
    entry("madvise", fc.constantFrom(4, 8, 20, 21)),
    entry("msync"),
    entry("task_numa_work"),
    entry("uffd_fill", fc.constantFrom(0, 1), fc.constantFrom(0, 1)),
    entry("userfaultfd_writeprotect", fc.constantFrom(0, 1)),
    at.map((region): Step => ({ do: "mmap", at: region })),
    // Not to a place that overlaps the old one: mremap(2) refuses that.
    fc.constantFrom("heap", "log", "own").map((region): Step => ({ do: "mremap", at: region, to: "target" })),
    fc.constant<Step>({ do: "mremap", at: "target", to: "heap" }),
    fc.constant<Step>({ do: "call", entry: "clear_refs", args: [] }),
  );
};

function stepsWithin(depth: number, at: fc.Arbitrary<string>): fc.Arbitrary<Step[]> {
  const leaf = fc.oneof(
    { weight: 5, arbitrary: access(at) },
    { weight: 4, arbitrary: call(at) },
    { weight: 1, arbitrary: fc.constant<Step>({ do: "compute", time: { ns: 300 }, spread: 0.5 }) },
  );
  if (depth === 0) return fc.array(leaf, { minLength: 1, maxLength: 5 });
  const inner = stepsWithin(depth - 1, at);
  const part = `part${depth}`;
  const nested = fc.oneof(
    fc
      .tuple(fc.integer({ min: 1, max: 4 }), inner)
      .map(([times, steps]): Step => ({ do: "repeat", times, steps })),
    inner.map((steps): Step => ({ do: "sometimes", share: 0.5, steps })),
    fc
      .tuple(at, fc.integer({ min: 1, max: 5 }), stream, stepsWithin(0, fc.oneof(at, fc.constant(part))))
      .map(([of, size, order, steps]): Step => {
        return { do: "part", name: part, of, pages: size, stream: order, count: 3, steps };
      }),
  );
  return fc.array(fc.oneof({ weight: 3, arbitrary: leaf }, { weight: 2, arbitrary: nested }), {
    minLength: 1,
    maxLength: 6,
  });
}

const steps = stepsWithin(2, fc.constantFrom<string>(...names));

const plan: fc.Arbitrary<Plan> = fc
  .record({
    regions,
    bodies: fc.array(steps, { minLength: 1, maxLength: 3 }),
    child: stepsWithin(0, fc.constantFrom<string>("heap", "log", "own")),
    forks: fc.boolean(),
    meets: fc.boolean(),
  })
  .map(({ regions: all, bodies, child, forks, meets }) => {
    const fork: Step[] = forks ? [{ do: "fork", group: "child" }] : [];
    const join: Step[] = forks ? [{ do: "join" }] : [];
    const meet: Step[] = meets ? [{ do: "barrier", name: "all" }] : [];
    const groups: ThreadGroup[] = bodies.map((body, index) => ({
      ...{ name: `t${index}`, count: 1 + (index % 2), process: "main", start: "beginning" },
      steps: [...(index === 0 ? fork : []), ...body, ...meet, ...body, ...(index === 0 ? join : [])],
    }));
    const saver: ThreadGroup = { name: "child", count: 1, process: "main", start: "fork", steps: child };
    return { name: "random", regions: all, groups: forks ? [...groups, saver] : groups };
  });

const soak = Number(process.env.SOAK ?? 0);
const seed = soak > 0 ? Date.now() % 2 ** 31 : 20_261;
if (soak > 0) console.log(`seed ${seed}`);

async function violationsOf(
  work: Plan,
  policy: string,
  machine: typeof skylakeSp,
  set: Readonly<Record<string, string>> = {},
): Promise<string[]> {
  const cpus = 3;
  const workload = new PlanWorkload(work, cpus, 2);
  const request = {
    ...{ machine, policy, set, cpus, workload },
    ...{ seed: 5, workloadName: work.name, build: "debug" as const },
  };
  const { violations } = await runSimulation({ ...request, size: { frames: 512, tables: 256, ranges: 256 } });
  return violations.map(({ invariant, first }) => `${invariant} under ${policy}: ${first.text}`);
}

/** Every way to do one thing otherwise than today's Linux. */
const variants = Object.entries(slots).flatMap(([slot, { variants: all }]) =>
  Object.keys(all)
    .filter((variant) => variant !== "none" || slot !== "shootdown")
    .map((variant) => ({ [slot]: variant })),
);

const timeout = 60_000 + soak * 2000;

describe("random plans", () => {
  test("any variant of any slot: the oracle sees nothing", { timeout }, async () => {
    await fc.assert(
      fc.asyncProperty(plan, fc.constantFrom(...variants), fc.boolean(), async (work, set, isAmd) => {
        expect(await violationsOf(work, "deferred", isAmd ? zen4 : skylakeSp, set)).toEqual([]);
      }),
      { numRuns: soak > 0 ? soak : 15, seed },
    );
  });

  const flushing = policyNames.filter((name) => name !== "never");
  test.each(flushing)("%s: the oracle sees nothing", { timeout }, async (policy) => {
    await fc.assert(
      fc.asyncProperty(plan, fc.boolean(), async (work, isAmd) => {
        expect(await violationsOf(work, policy, isAmd ? zen4 : skylakeSp)).toEqual([]);
      }),
      { numRuns: soak > 0 ? soak : 25, seed },
    );
  });

  test("never: the oracle sees something, in some of them", async () => {
    const found = await Promise.all(
      fc.sample(plan, { numRuns: 20, seed }).map((work) => violationsOf(work, "never", skylakeSp)),
    );
    expect(found.filter((violations) => violations.length > 0).length).toBeGreaterThan(2);
  });
});
