/* Benchmarks, at a size that says nothing about speed: they run, and whoever computes the same thing counts the same. */
import { beforeAll, describe, expect, test } from "vitest";
import { measureHotPath } from "../bench/hot-path.js";
import { HotWorld } from "../bench/hot-world.js";
import { byTurns, type Contestant, differenceOf, type Pass, timingOf } from "../bench/passes.js";
import { makeStream, streamKinds } from "../bench/streams.js";
import { differencesOf, type Results, runSuite, TINY } from "../bench/suite.js";
import { resultLines } from "../bench/tables.js";
import { compileTwin } from "../bench/twin.js";
import { machineNumbers } from "../src/machine/preset.js";
import { skylakeSp } from "../src/machine/skylake-sp.js";

describe("the suite", () => {
  let results: Results;
  beforeAll(async () => {
    results = await runSuite(TINY);
  });

  test("every stream runs, and does what its name says", () => {
    const counts = new Map(results.hotPath.map((row) => [row.stream, row.counts]));
    expect([...counts.keys()]).toEqual(streamKinds.map(({ name }) => name));
    expect(counts.get("l1hit")).toMatchObject({ l1Hits: TINY.accesses, walks: 0, cycles: TINY.accesses });
    expect(counts.get("l2hit")).toMatchObject({ walks: 0, assists: 0 });
    for (const { accesses, l1Hits, stlbHits, walks } of counts.values())
      expect(l1Hits! + stlbHits! + walks!).toBe(accesses);
    const pwc = counts.get("pwc")!;
    expect(pwc.walkReads).toBe(pwc.walks);
    const sparse = counts.get("sparse")!;
    expect(sparse.walkReads! / sparse.walks!).toBeGreaterThan(3.9);
  });

  test("the engine and C count the same", ({ skip }) => {
    if (results.host.compiler === undefined) skip(results.notes.find((note) => note.includes("compiler")));
    for (const row of results.hotPath) {
      expect(row.c?.best).toBeGreaterThan(0);
      expect(row.difference).toBeUndefined();
    }
  });

  test("a twin that charges otherwise is found out", async ({ skip }) => {
    const machine = machineNumbers(skylakeSp);
    const dearer = { ...machine, prices: { ...machine.prices, stlbHit: machine.prices.stlbHit + 1 } };
    const compiled = compileTwin(dearer);
    if (typeof compiled === "string") return skip(compiled);
    try {
      const kind = streamKinds.find(({ name }) => name === "l2hit")!;
      const row = await measureHotPath(kind, machine, TINY, compiled);
      expect(row.difference).toMatch(/^in pass 0 the engine counts \d+ cycles, C \d+$/);
    } finally {
      compiled.remove();
    }
  });

  test("the oracle changes no count", () => {
    expect(results.oracle).toHaveLength(streamKinds.length + 1);
    expect(differencesOf(results)).toEqual([]);
  });

  test("searches count their states, and stop where they are told", () => {
    for (const { search, counts, state, transition } of results.adversary) {
      expect(search).toMatch(/^[A-Z]\S+\/\S+$/);
      expect(counts.states).toBeGreaterThanOrEqual(TINY.states);
      expect(counts.transitions).toBeGreaterThan(counts.states!);
      expect(transition.best).toBeLessThan(state.best);
    }
  });

  test("kernel-heavy runs and replays count what they did", () => {
    expect(results.kernel.map(({ counts }) => counts.calls)).toEqual([14, 14]);
    expect(results.replay.map(({ file, counts }) => [file, counts.lines])).toEqual([
      ["redis.strace.gz", 6184],
      ["redis.strace.gz, packed", 6184],
    ]);
    expect(results.replay[1]!.difference).toBeUndefined();
  });

  test("the table names every row and what ran", () => {
    const text = resultLines(results).join("\n");
    for (const { name } of streamKinds) expect(text).toContain(`\n${name} `);
    expect(text).toContain(`node ${process.versions.node}`);
    expect(text).toContain("munmap-loop, eager, 2 CPUs");
    expect(text).toContain(`counts ${results.hash}`);
  });
});

describe("streams", () => {
  test.each(streamKinds)("$name is the same every time, and stays on its pages", (kind) => {
    const { pages, records } = makeStream(kind, 4096);
    expect(makeStream(kind, 4096)).toEqual({ name: kind.name, pages, records });
    expect(new Set(pages).size).toBe(kind.pages);
    const known = new Set(pages);
    let stores = 0;
    for (let i = 0; i < records.length; i += 2) {
      expect(known.has(Math.floor(records[i]! / 4096) + records[i + 1]! * 2 ** 20)).toBe(true);
      expect(records[i]! & 15).toBeLessThan(2);
      stores += records[i]! & 1;
    }
    expect(stores / 4096).toBeCloseTo(0.3, 1);
  });

  test("an access to a page that is not mapped is an error, not a figure", () => {
    const stream = makeStream(streamKinds[0]!, 1024);
    const world = new HotWorld({ ...stream, pages: stream.pages.slice(1) }, machineNumbers(skylakeSp), {
      ...{ name: "engine", build: "release", oracle: true },
    });
    expect(() => world.pass()).toThrow("faulted");
  });
});

describe("turns", () => {
  const pass = (nanoseconds: number, hits: number): Pass => ({ nanoseconds, counts: { hits } });

  test("contestants run forward in one round and backward in the next", async () => {
    const order: string[] = [];
    const contestant = (name: string): Contestant => ({
      name,
      pass: () => {
        order.push(name);
        return pass(order.length, 1);
      },
    });
    const measured = await byTurns(["a", "b", "c"].map(contestant), 2);
    expect(order.join("")).toBe("abccba");
    expect(measured.map((passes) => passes.map(({ nanoseconds }) => nanoseconds))).toEqual([
      [1, 6],
      [2, 5],
      [3, 4],
    ]);
  });

  test("best and median are for one unit", () => {
    expect(timingOf([pass(40, 1), pass(10, 1), pass(20, 1)], 10)).toEqual({ best: 1, median: 2 });
    expect(timingOf([pass(40, 1), pass(10, 1)], 10)).toEqual({ best: 1, median: 2.5 });
  });

  test("a difference names the pass, the count and both sides", () => {
    expect(differenceOf(["x", "y"], [pass(1, 5)], [pass(2, 5)])).toBeUndefined();
    expect(differenceOf(["x", "y"], [pass(1, 5), pass(1, 6)], [pass(1, 5), pass(1, 7)])).toBe(
      "in pass 1 x counts 6 hits, y 7",
    );
  });
});
