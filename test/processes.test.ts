import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { beforeAll, expect, test } from "vitest";
import { runSimulation } from "../src/engine/run.js";
import { skylakeSp } from "../src/machine/skylake-sp.js";
import { openTraceWorkload, type ReplayOptions } from "../src/trace/feed.js";
import { spreadStride } from "../src/trace/numbering.js";
import { FakeEngine } from "./fake-engine.js";
import { straceText } from "./strace-text.js";
import { lackeyText, steps } from "./trace-text.js";

const redis = fileURLToPath(new URL("../examples/redis.strace.gz", import.meta.url));

let folder = "";
let made = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "shootdown-"));
});

async function recorded(text: string): Promise<string> {
  const file = join(folder, `${made++}.log`);
  await writeFile(file, text);
  return file;
}

interface Played {
  readonly engine: FakeEngine;
  readonly accesses: readonly (readonly [task: number, address: number, kind: number])[];
}

async function played(file: string, options: ReplayOptions, capacity: number, seed: number): Promise<Played> {
  const workload = await openTraceWorkload([file], options);
  const engine = new FakeEngine(workload, capacity);
  const accesses: [number, number, number][] = [];
  engine.onAccess = (...access) => accesses.push(access);
  const random = xoroshiro128plus(seed);
  const feed = workload.open(1);
  await engine.run(feed, () => (random.next() >>> 0) / 2 ** 32);
  await feed.close?.();
  return { engine, accesses };
}

const schedule = fc.tuple(fc.constantFrom(8, 24, 16_384), fc.integer({ min: 1, max: 1_000_000 }));

test("each process does what the recording did, at the same addresses", async () => {
  await fc.assert(
    fc.asyncProperty(
      steps,
      schedule,
      fc.integer({ min: 2, max: 5 }),
      async (all, [capacity, seed], processes) => {
        const { text } = lackeyText([...all, { do: "access", kind: 0, address: 0x400000, size: 4 }]);
        const file = await recorded(text);
        const [one, many] = await Promise.all(
          [1, processes].map((count) => played(file, { processes: count, cpus: 4 }, capacity, seed)),
        );
        const stride = spreadStride(processes, 4);
        for (let process = 0; process < processes; process++) {
          const own = many!.accesses.filter(([task]) => task % stride === process);
          expect(own.map(([task, ...rest]) => [(task - process) / stride, ...rest])).toEqual(one!.accesses);
        }
        for (const [entry, count] of one!.engine.entries)
          expect(many!.engine.entries.get(entry)).toBe(processes * count);
      },
    ),
    { numRuns: 60 },
  );
});

test("forks are forks of each process", async () => {
  await fc.assert(
    fc.asyncProperty(steps, schedule, async (all, [capacity, seed]) => {
      const { text } = straceText([...all, { do: "exit", pick: 0 }], "pid time");
      fc.pre(text !== "");
      const file = await recorded(text);
      const [one, three] = await Promise.all(
        [1, 3].map((processes) => played(file, { processes, cpus: 8, touch: 3 }, capacity, seed)),
      );
      for (const [entry, count] of one!.engine.entries)
        expect(three!.engine.entries.get(entry)).toBe(3 * count);
      expect(three!.accesses).toHaveLength(3 * one!.accesses.length);
    }),
    { numRuns: 60 },
  );
});

test("N processes make N times the calls, and none of them sees another's memory", async () => {
  const results = await Promise.all(
    [1, 3].map(async (processes) => {
      const workload = await openTraceWorkload([redis], { processes, cpus: 8 });
      return runSimulation({
        machine: skylakeSp,
        policy: "deferred",
        cpus: 8,
        seed: 1,
        workload,
        workloadName: workload.name,
      });
    }),
  );
  const [one, three] = results.map(({ simulated }) => simulated.operations);
  for (const [name, count] of Object.entries(one!)) {
    // Faults depend on who comes first, and switches of tasks on how many share a CPU.
    if (!["page_fault", "context_switch"].includes(name))
      expect([name, three![name]]).toEqual([name, 3 * count]);
  }
  // An access that faults is counted once more when it is tried again.
  const [first, all] = results.map(
    ({ simulated: { accesses, operations } }) => accesses - operations.page_fault!,
  );
  expect(all).toBe(3 * first!);
  expect(results[1]!.violations).toEqual([]);
  expect(results[1]!.workload).toBe("redis.strace.gz in 3 processes");
});

test("the threads of each process run on different CPUs, and so do the processes", () => {
  for (let cpus = 1; cpus <= 64; cpus++) {
    for (const processes of [1, 2, 3, 8, 63, 64, 100]) {
      const stride = spreadStride(processes, cpus);
      const placesOf = (process: number): Set<number> =>
        new Set(Array.from({ length: cpus }, (_, thread) => (thread * stride + process) % cpus));
      for (const process of [0, processes - 1]) expect(placesOf(process).size).toBe(cpus);
      expect(stride - processes).toBeLessThan(cpus);
    }
  }
});

test("more threads than one run may have are refused", async () => {
  await expect(openTraceWorkload([redis], { processes: 1000 })).rejects.toThrow(
    /redis\.strace\.gz: expected at most 4096 threads in one run, saw 1000 copies of 9 threads/,
  );
});
