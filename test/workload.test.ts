import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { describe, expect, test } from "vitest";
import { runSimulation } from "../src/engine/run.js";
import { UsageError } from "../src/errors.js";
import { skylakeSp } from "../src/machine/skylake-sp.js";
import { builtins, builtinWorkload } from "../src/workload/builtins.js";
import { loopParameters } from "../src/workload/loop.js";
import { parameterValues } from "../src/workload/parameters.js";
import { FakeEngine } from "./fake-engine.js";
import { tinyBuiltins } from "./tiny-builtins.js";

const small = tinyBuiltins["munmap-loop"]!;

async function digest(name: string, capacity: number, schedule: number, seed: number): Promise<number> {
  const workload = builtinWorkload(name, tinyBuiltins[name]!, 3);
  // Threads of several workloads work on the same memory without asking each other.
  const engine = new FakeEngine(workload, capacity, false);
  const random = xoroshiro128plus(schedule);
  let sum = 0;
  // The order between tasks is the schedule's; what each task does is not.
  engine.onAccess = (task, address, kind) => {
    sum = (sum + ((task + 1) * (address / 4096 + kind)) / 7) % 1e9;
  };
  await engine.run(workload.open(seed), () => (random.next() >>> 0) / 2 ** 32);
  return sum;
}

describe.each(builtins.map(({ name }) => name))("%s", (name) => {
  test("keeps the rules of a feed, and depends on the seed alone", async () => {
    const first = await digest(name, 8, 1, 1);
    expect(await digest(name, 16_384, 2, 1)).toBeCloseTo(first, 0);
    // A scan draws nothing but how long it computes.
    if (name !== "file-scan") expect(Math.abs((await digest(name, 64, 1, 2)) - first)).toBeGreaterThan(1);
  });

  test("is safe under today's Linux, and is caught where nothing is flushed", async () => {
    const violationsOf = async (policy: string): Promise<number> => {
      const workload = builtinWorkload(name, tinyBuiltins[name]!, 3);
      const request = { machine: skylakeSp, policy, cpus: 3, seed: 1, workload, workloadName: name };
      const { violations } = await runSimulation(request);
      return violations.reduce((sum, { count }) => sum + count, 0);
    };
    expect(await violationsOf("deferred")).toBe(0);
    // While its pages are read-only, mprotect-loop only reads: whoever could still write does not.
    if (name !== "mprotect-loop") expect(await violationsOf("never")).toBeGreaterThan(0);
  });

  test("says what it stands for, and each parameter has a default within its range", () => {
    const { about, standsFor, parameters } = builtins.find((each) => each.name === name)!;
    expect(about.length).toBeLessThan(100);
    expect(standsFor.length).toBeGreaterThan(300);
    for (const { default: value, min, max } of parameters) {
      if (value !== "cpus") expect(value >= min && value <= max).toBe(true);
    }
  });
});

describe("the loops do what they say", () => {
  async function entriesOf(name: string, params: Record<string, string>, cpus: number): Promise<FakeEngine> {
    const workload = builtinWorkload(name, params, cpus);
    const engine = new FakeEngine(workload, 16_384);
    await engine.run(workload.open(1), () => 0);
    return engine;
  }

  test("munmap-loop: one mapping and one unmapping a round, by the initiators", async () => {
    const { entries, counts } = await entriesOf(
      "munmap-loop",
      { ...small, threads: "4", initiators: "3" },
      8,
    );
    expect(Object.fromEntries(entries)).toEqual({ image: 5, mmap: 60, munmap: 60, exit: 4 });
    expect(counts).toMatchObject({ access: 60 * 5 + 80 * (7 + 1), compute: 80 });
  });

  test("mprotect-loop: one mapping, then two changes a round", async () => {
    const { entries, counts } = await entriesOf("mprotect-loop", small, 2);
    expect(Object.fromEntries(entries)).toEqual({ image: 3, mmap: 2, mprotect: 80, exit: 2 });
    expect(counts).toMatchObject({ access: 2 * 5 + 80 * 5 + 40 * (7 + 1), compute: 40 });
  });

  test("there is a thread for each CPU, unless told otherwise, and all exist at the beginning", () => {
    const workload = builtinWorkload("munmap-loop", {}, 6);
    expect(workload.starters).toEqual([0, 1, 2, 3, 4, 5].map((task) => ({ task, mm: 0 })));
    expect(workload).toMatchObject({ name: "munmap-loop", tasks: 6, mms: 1, pages: 256 + 6 * (4 + 16) });
    expect(builtinWorkload("munmap-loop", { threads: "2" }, 6).tasks).toBe(2);
  });

  test("on a thousand CPUs a loop has few rounds, unless they are given", () => {
    const rounds = (cpus: number, given: Record<string, string> = {}): number =>
      parameterValues("munmap-loop", loopParameters, given, cpus).iterations;
    expect([8, 64, 128, 1024].map((cpus) => rounds(cpus))).toEqual([200, 200, 50, 2]);
    expect(rounds(1024, { iterations: "200" })).toBe(200);
  });

  test("numbers take the suffixes of their unit", () => {
    const pages = (text: string): number | undefined =>
      builtinWorkload("munmap-loop", { shared: text }, 1).pages;
    expect(pages("1MiB")).toBe(pages("256"));
    expect(pages("64KiB")).toBe(pages("16"));
    expect(pages("2k")).toBe(pages("2000"));
  });
});

describe("mistakes are told with what is accepted", () => {
  test.each([
    ["munmap-lop", {}, "unknown workload 'munmap-lop'; did you mean 'munmap-loop'?"],
    ["munmap-loop", { page: "4" }, "unknown parameter of munmap-loop 'page'; did you mean 'pages'?"],
    [
      "munmap-loop",
      { pages: "0" },
      "pages takes a whole number (pages) from 1 to 262140, or bytes as in 64KiB; got '0'",
    ],
    ["munmap-loop", { pages: "5KiB" }, "got '5KiB'"],
    [
      "munmap-loop",
      { compute: "1MiB" },
      "compute takes a whole number (cycles) from 0 to 1000000000; got '1MiB'",
    ],
    ["mprotect-loop", { reads: "-1" }, "got '-1'"],
    ["mprotect-loop", { reads: "1e3" }, "got '1e3'"],
  ])("%s %j", (name, params, message) => {
    const open = (): unknown => builtinWorkload(name, params as Record<string, string>, 4);
    expect(open).toThrow(UsageError);
    expect(open).toThrow(message);
  });
});
