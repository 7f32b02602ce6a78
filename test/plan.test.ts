/** Plans: what their steps write, who waits for whom, and that neither rings nor schedules change it. */
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { describe, expect, test } from "vitest";
import { runSimulation } from "../src/engine/run.js";
import { skylakeSp } from "../src/machine/skylake-sp.js";
import type { Plan, Step, ThreadGroup } from "../src/workload/plan.js";
import { PlanWorkload } from "../src/workload/plan-workload.js";
import {
  barrier,
  call,
  compute,
  mmap,
  parts,
  repeat,
  sometimes,
  sweep,
  uniform,
  visit,
} from "../src/workload/steps.js";
import { FakeEngine } from "./fake-engine.js";

const pageBytes = 4096;
const anonymous = { rights: 3, shared: false } as const;
const plan = (groups: readonly ThreadGroup[], regions: Plan["regions"] = {}): Plan => ({
  name: "plan",
  groups,
  regions,
});
const group = (
  name: string,
  count: number,
  steps: readonly Step[],
  more: Partial<ThreadGroup> = {},
): ThreadGroup => ({
  ...{ name, count, steps, process: "main", start: "beginning" },
  ...more,
});

interface Written {
  readonly engine: FakeEngine;
  /** Pages accessed by each task, in order, each with its kind. */
  readonly accesses: ReadonlyMap<number, readonly (readonly [page: number, kind: number])[]>;
}

async function write(
  work: Plan,
  { cpus = 2, capacity = 64, schedule = 1, seed = 1, ghz = 1 } = {},
): Promise<Written> {
  const workload = new PlanWorkload(work, cpus, ghz);
  const engine = new FakeEngine(workload, capacity, false);
  const accesses = new Map<number, [number, number][]>();
  engine.onAccess = (task, address, kind) => {
    const list = accesses.get(task) ?? [];
    list.push([Math.floor(address / pageBytes), kind]);
    accesses.set(task, list);
  };
  const random = xoroshiro128plus(schedule);
  await engine.run(workload.open(seed), () => (random.next() >>> 0) / 2 ** 32);
  return { engine, accesses };
}

const entriesOf = ({ engine }: Written): Record<string, number> => Object.fromEntries(engine.entries);
const pagesOf = ({ accesses }: Written, task = 0): number[] => {
  const list = accesses.get(task) ?? [];
  return list.map(([page]) => page - list[0]![0]);
};

describe("regions", () => {
  test("what no step maps is there first: once for a process, once for each thread", async () => {
    const regions = {
      heap: { ...anonymous, pages: 8, of: "process" },
      own: { ...anonymous, pages: 2, of: "thread" },
      later: { ...anonymous, pages: 2, of: "thread" },
    } as const;
    const steps = [
      sweep("heap", 0),
      sweep("own", 1),
      mmap("later"),
      sweep("later", 1),
      call("munmap", "later"),
    ];
    const written = await write(plan([group("a", 3, steps)], regions));
    // The heap, and for each of three threads its stack and `own`.
    expect(entriesOf(written)).toEqual({ image: 7, mmap: 3, munmap: 3, exit: 3 });
    expect(pagesOf(written)).toHaveLength(12);
  });

  test("each copy of a process has an address space of its own, and the same places in it", async () => {
    const regions = { heap: { ...anonymous, pages: 3, of: "process" } } as const;
    const work = { ...plan([group("a", 2, [sweep("heap", 0)])], regions), copies: { main: 3 } };
    const workload = new PlanWorkload(work, 2, 1);
    expect(workload.starters.map(({ mm }) => mm)).toEqual([0, 0, 1, 1, 2, 2]);
    expect(workload.mms).toBe(3);
    const { accesses } = await write(work);
    expect(accesses.get(4)).toEqual(accesses.get(0));
  });

  test("threads can be put on CPUs", () => {
    const work = plan([group("a", 3, [compute(5)], { cpu: 1 }), group("b", 2, [compute(5)])]);
    const { starters, tasks } = new PlanWorkload(work, 4, 1);
    // CPUs 1, 2, 3 for the first group; the second gets what numbers are left.
    expect(starters.map(({ task }) => task % 4)).toEqual([1, 2, 3, 0, 0]);
    expect(tasks).toBe(5);
  });

  test("what the host cannot hold is told before anything runs, and memory that is not used needs none", async () => {
    const heap = { ...anonymous, of: "process" } as const;
    const once = [group("a", 1, [visit("heap", uniform, 5)])];
    const run = (work: Plan) => {
      const workload = new PlanWorkload(work, 2, 1);
      const request = {
        machine: skylakeSp,
        policy: "deferred",
        cpus: 2,
        seed: 1,
        workload,
        workloadName: work.name,
      };
      return runSimulation(request);
    };
    for (const pages of [2 ** 24, 2 ** 28, 2 ** 31])
      await expect(run(plan(once, { heap: { ...heap, pages } }))).rejects.toThrow(/at most 4 GiB fit/);
    const processes = { ...plan([group("a", 1, [compute(5)])]), copies: { main: 4000 } };
    await expect(run(processes)).rejects.toThrow(/4000 address spaces .* at most 4 GiB fit/);
    const sparse = { ...plan(once, { heap: { ...heap, pages: 2 ** 31 } }), pages: 4096 };
    expect(await run(sparse)).toMatchObject({ violations: [], faults: { minor: 5 } });
  });

  test("an address space is not endless", () => {
    const huge = { ...anonymous, pages: 2 ** 33, of: "process" } as const;
    const work = plan([group("a", 1, [sweep("heap", 0)])], { heap: huge });
    expect(() => new PlanWorkload(work, 1, 1)).toThrow("do not fit into an address space");
  });
});

describe("steps", () => {
  const heap = { heap: { ...anonymous, pages: 10, of: "process" } } as const;

  test("parts: each in turn, the last one shorter, and accesses stay within", async () => {
    const written = await write(plan([group("a", 1, [parts("part", "heap", 4, [sweep("part", 0)])])], heap));
    expect(pagesOf(written)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test("parts that a stream chooses, and parts of parts", async () => {
    const inner = parts("half", "part", 1, [sweep("half", 0), call("madvise", "half", 4)]);
    const chosen = { stream: uniform, count: 50 };
    const written = await write(plan([group("a", 1, [parts("part", "heap", 2, [inner], chosen)])], heap));
    expect(entriesOf(written)).toEqual({ image: 2, madvise: 100, exit: 1 });
    const places = written.accesses.get(0)!.map(([page]) => page);
    expect(places.filter((page, index) => index % 2 === 1 && page !== places[index - 1]! + 1)).toEqual([]);
    expect(new Set(places).size).toBe(10);
  });

  test("a share of the accesses are stores, and of the times a step is taken", async () => {
    const steps = [repeat(1000, visit("heap", uniform, 10, 0.3), sometimes(0.2, call("msync", "heap")))];
    const written = await write(plan([group("a", 1, steps)], heap));
    const stores = written.accesses.get(0)!.filter(([, kind]) => kind === 1).length;
    // Standard deviations: 46 of 10,000 and 13 of 1,000.
    expect(Math.abs(stores - 3000)).toBeLessThan(230);
    expect(Math.abs(entriesOf(written).msync! - 200)).toBeLessThan(65);
  });

  test("brk says where the heap ended before", async () => {
    const steps: Step[] = [4, 10, 2, 2, 0].map((pages) => ({ do: "brk", at: "own", pages }));
    const own = { own: { ...anonymous, pages: 10, of: "thread" } } as const;
    // The stack alone is mapped first; the fourth step moves nothing.
    expect(entriesOf(await write(plan([group("a", 1, steps)], own)))).toEqual({ image: 1, brk: 4, exit: 1 });
  });

  test("a time is what the machine's clock makes of it", async () => {
    const cycles: number[] = [];
    const workload = new PlanWorkload(
      plan([group("a", 1, [{ do: "compute", time: { ns: 100 }, spread: 0 }])]),
      1,
      2.5,
    );
    const engine = new FakeEngine(workload, 64);
    engine.compute = (_, amount) => void cycles.push(amount);
    await engine.run(workload.open(1), () => 0);
    expect(cycles).toEqual([250]);
  });

  test("each mapping takes one of the files", async () => {
    const files = { count: 5, stream: { kind: "sequential" } } as const;
    const region = { rights: 1, shared: true, pages: 2, of: "thread", file: "data", files } as const;
    const seen: bigint[] = [];
    const workload = new PlanWorkload(
      plan([group("a", 1, [repeat(7, mmap("window"))])], { window: region }),
      1,
      1,
    );
    const engine = new FakeEngine(workload, 64);
    const original = engine.call.bind(engine);
    engine.call = (task, entry, args) => {
      if (entry === "mmap") seen.push((BigInt(args[2]!) >> 8n) & 0xfffn);
      original(task, entry, args);
    };
    await engine.run(workload.open(1), () => 0);
    expect(seen).toEqual([1n, 2n, 3n, 4n, 5n, 1n, 2n]);
  });
});

describe("places in files", () => {
  /** File page that each mapping begins with: the word holds it less the mapping's first page. */
  async function filePages(work: Plan): Promise<number[]> {
    const seen: number[] = [];
    const workload = new PlanWorkload(work, 1, 1);
    const engine = new FakeEngine(workload, 64);
    const original = engine.call.bind(engine);
    engine.call = (task, entry, args) => {
      if (entry === "mmap")
        seen.push(Number(BigInt.asUintN(44, (BigInt(args[2]!) >> 20n) + BigInt(args[0]!))));
      original(task, entry, args);
    };
    await engine.run(workload.open(1), () => 0);
    return seen;
  }
  const file = { rights: 1, shared: true, pages: 10, of: "thread", file: "data" } as const;
  const windows = group("a", 2, [parts("window", "file", 4, [mmap("window")])]);

  test("a part of a region maps its own part of the file", async () => {
    expect(await filePages(plan([windows], { file }))).toEqual([0, 4, 8, 0, 4, 8]);
  });

  test("slices of threads lie one behind the other", async () => {
    const sliced = plan([windows], { file: { ...file, sliced: true } });
    expect(await filePages(sliced)).toEqual([0, 4, 8, 10, 14, 18]);
    expect(new PlanWorkload(sliced, 1, 1).pages).toBeGreaterThanOrEqual(20);
  });
});

describe("waits", () => {
  const heap = { heap: { ...anonymous, pages: 10, of: "process" } } as const;

  test("nobody passes a barrier before all have come", async () => {
    for (const capacity of [8, 33, 16_384]) {
      const rounds = new Map<number, number>();
      const steps = [repeat(20, compute(10), visit("heap", uniform, 30), barrier("all"))];
      const work = plan([group("a", 2, steps), group("b", 3, steps)], heap);
      const workload = new PlanWorkload(work, 2, 1);
      const engine = new FakeEngine(workload, capacity);
      engine.onExecuted = (task, record) => {
        if (record !== "compute") return;
        rounds.set(task, (rounds.get(task) ?? 0) + 1);
        const all = [0, 1, 2, 3, 4].map((each) => rounds.get(each) ?? 0);
        expect(Math.max(...all) - Math.min(...all)).toBeLessThanOrEqual(1);
      };
      const random = xoroshiro128plus(capacity);
      await engine.run(workload.open(1), () => (random.next() >>> 0) / 2 ** 32);
      expect([...rounds.values()]).toEqual([20, 20, 20, 20, 20]);
    }
  });

  test("a barrier is one for each process", async () => {
    const work = { ...plan([group("a", 2, [repeat(3, barrier("all"))])]), copies: { main: 4 } };
    // Each round of two threads: one waits for the other, and the other for it.
    expect((await write(work)).engine.counts.waitTask).toBe(4 * (3 * 2 + 1));
  });

  test("threads that wait for ever are told of", async () => {
    const groups = [group("a", 1, [barrier("x"), barrier("x")]), group("b", 1, [barrier("x")])];
    await expect(write(plan(groups))).rejects.toThrow(
      "threads 'a' wait at barrier 'x' for threads that never come there",
    );
    const crossed = [
      group("a", 1, [barrier("x"), barrier("y")]),
      group("b", 1, [barrier("y"), barrier("x")]),
    ];
    await expect(write(plan(crossed))).rejects.toThrow(/wait at barrier '[xy]' for threads that never/);
  });

  test("a forked thread has a process of its own, and its parent can wait for it", async () => {
    const child = group("child", 1, [sweep("heap", 0)], { start: "fork" });
    const steps: Step[] = [repeat(3, { do: "fork", group: "child" }, sweep("heap", 1), { do: "join" })];
    const work = plan([group("a", 2, steps), child], heap);
    for (const capacity of [8, 64]) {
      const written = await write(work, { capacity });
      expect(entriesOf(written)).toEqual({ image: 3 + 6, fork: 6, exit: 8 });
      expect(written.engine.counts).toMatchObject({ start: 6, waitTask: 6 + 1 });
      expect(written.accesses.get(7)!.map(([page]) => page)).toEqual(
        written.accesses
          .get(0)!
          .slice(0, 10)
          .map(([page]) => page),
      );
    }
    const workload = new PlanWorkload(work, 2, 1);
    expect(workload).toMatchObject({ tasks: 8, mms: 7 });
  });

  test("forks have a limit, and no circle", () => {
    const child = group("child", 1, [], { start: "fork" });
    const many = plan([group("a", 1, [repeat(5000, { do: "fork", group: "child" })]), child]);
    expect(() => new PlanWorkload(many, 1, 1)).toThrow("forks 5000 times");
    const circle = group("child", 1, [{ do: "fork", group: "child" }], { start: "fork" });
    expect(
      () => new PlanWorkload(plan([group("a", 1, [{ do: "fork", group: "child" }]), circle]), 1, 1),
    ).toThrow("threads 'child' fork threads that fork them");
  });

  test("kernel threads only work", async () => {
    const work = plan([group("k", 2, [repeat(5, compute(100), barrier("tick"))], { process: undefined })]);
    expect(new PlanWorkload(work, 2, 1).starters).toEqual([
      { task: 0, mm: undefined },
      { task: 1, mm: undefined },
    ]);
    expect(entriesOf(await write(work))).toEqual({});
  });
});

test("what a thread does depends on the seed, not on rings or on who is asked first", async () => {
  const regions = {
    heap: { ...anonymous, pages: 50, of: "process" },
    window: {
      rights: 3,
      shared: true,
      pages: 3,
      of: "thread",
      file: "f",
      files: { count: 9, stream: uniform },
    },
  } as const;
  const steps: Step[] = [
    repeat(
      10,
      {
        do: "access",
        at: "heap",
        stream: { kind: "zipf", s: 1 },
        grain: 64,
        count: 33,
        kind: 0,
        stores: 0.5,
      },
      mmap("window"),
      {
        do: "access",
        at: "window",
        stream: { kind: "chase" },
        grain: pageBytes,
        count: 5,
        kind: 3,
        stores: 0,
      },
      sometimes(0.5, call("munmap", "window")),
      compute(100),
      barrier("all"),
    ),
  ];
  const work = plan([group("a", 2, steps), group("b", 1, steps)], regions);
  const first = await write(work);
  for (const options of [{ capacity: 8 }, { capacity: 4096 }, { schedule: 9 }]) {
    const again = await write(work, options);
    expect(again.accesses).toEqual(first.accesses);
    expect(entriesOf(again)).toEqual(entriesOf(first));
  }
  expect((await write(work, { seed: 2 })).accesses).not.toEqual(first.accesses);
});
