/** Threads that share one simulation: they change no byte of its result, and none can get lost unnoticed. Build first. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Crew } from "../src/engine/crew.js";
import type { RunResult } from "../src/engine/result.js";
import { type RunRequest, runSimulation } from "../src/engine/run.js";
import { divideThreads } from "../src/engine/threads.js";
import { openWork } from "../src/engine/work.js";
import type { World } from "../src/engine/world.js";
import { skylakeSp } from "../src/machine/skylake-sp.js";
import { builtins } from "../src/workload/builtins.js";
import { oneIn } from "./thorough.js";
import { tinyBuiltins } from "./tiny-builtins.js";

const cpus = 6;
/** More threads than CPUs, so that tasks are switched too. */
const givenTo = (name: string) => ({ ...tinyBuiltins[name], threads: "8" });

function request(name: string, over: Partial<RunRequest> = {}): RunRequest {
  const workload = builtins.find((builtin) => builtin.name === name)!.open(givenTo(name), over.cpus ?? cpus);
  return { machine: skylakeSp, policy: "deferred", cpus, seed: 1, workload, workloadName: name, ...over };
}

interface Shared {
  readonly result: Omit<RunResult, "host">;
  readonly threads: number;
  /** Turns that each thread did. */
  readonly turns: readonly number[] | undefined;
}

/** Runs it, each thread doing its own share, whatever else the host has to do. */
async function shared(one: RunRequest, threads: number, crew: RunRequest["crew"] = {}): Promise<Shared> {
  let turns: readonly number[] | undefined;
  const onEnd = (_: World, of?: Crew): void => {
    turns = of?.turns();
  };
  const { host, ...result } = await runSimulation({
    ...{ ...one, threads, onEnd, onStart: (__: World, of?: Crew) => of?.start() },
    crew: { shares: true, ...crew },
  });
  return { result, threads: host.threads, turns };
}

/** The beginning of a recording. */
const LINES = 600;
let folder: string;
let recording: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "shootdown-crew-"));
  recording = join(folder, "redis.strace");
  const redis = gunzipSync(readFileSync(new URL("../examples/redis.strace.gz", import.meta.url))).toString();
  writeFileSync(recording, `${redis.split("\n").slice(0, LINES).join("\n")}\n`);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("the result is the same, byte for byte, with any number of threads:", () => {
  const names = builtins.map(({ name }) => name);
  const cases = names.flatMap((name) => ["deferred", "never"].map((policy) => [name, policy] as const));

  test.each(oneIn(3, cases))("%s under %s", async (name, policy) => {
    const alone = await shared(request(name, { policy }), 1);
    expect(alone).toMatchObject({ threads: 1, turns: undefined });
    for (const threads of [2, 3]) {
      const together = await shared(request(name, { policy }), threads);
      expect(JSON.stringify(together.result)).toBe(JSON.stringify(alone.result));
      expect(together.threads).toBe(threads);
      expect(Math.min(...together.turns!)).toBeGreaterThan(0);
    }
    const five = await shared(request(name, { policy }), 5, { shares: false });
    expect(JSON.stringify(five.result)).toBe(JSON.stringify(alone.result));
    expect(five.threads).toBe(5);
  });

  test("a recording", async () => {
    const recorded = { kind: "trace", files: [recording], lenient: false, replicate: 1 } as const;
    const workload = await openWork(recorded, cpus);
    const one = { ...request("munmap-loop"), workload, workloadName: workload.name };
    const alone = await shared(one, 1);
    for (const [threads, shares] of [
      [2, true],
      [3, false],
      [5, false],
    ] as const) {
      const together = await shared(one, threads, { shares });
      expect(JSON.stringify(together.result)).toBe(JSON.stringify(alone.result));
      if (shares) expect(together.turns![1]).toBeGreaterThan(0);
    }
  });

  test("when whoever is free takes the next CPU", async () => {
    const long = { ...givenTo("munmap-loop"), iterations: "40", threads: "40" };
    const workload = builtins.find(({ name }) => name === "munmap-loop")!.open(long, 40);
    const one = request("munmap-loop", { workload, cpus: 40, policy: "never" });
    const alone = await shared(one, 1);
    const together = await shared(one, 2, { shares: false });
    expect(JSON.stringify(together.result)).toBe(JSON.stringify(alone.result));
  });

  test("without the oracle, in the debug build, and with a ring that the host fills all the time", async () => {
    const over = { build: "debug", size: { oracle: false, ring: 64 } } as const;
    const alone = await shared(request("munmap-loop", over), 1);
    const together = await shared(request("munmap-loop", over), 3);
    expect(together.result).toEqual(alone.result);
    expect(Math.min(...together.turns!)).toBeGreaterThan(0);
  });

  test("more threads than CPUs: a thread without a CPU is not started", async () => {
    const one = request("mprotect-loop", { cpus: 2 });
    const together = await shared(one, 5);
    expect(together.threads).toBe(2);
    expect(together.result).toEqual((await shared(one, 1)).result);
    const { turns, ...single } = await shared(request("mprotect-loop", { cpus: 1 }), 5);
    expect([single.threads, turns]).toEqual([1, undefined]);
  });
});

describe("a thread that fails ends the run:", () => {
  const fails = (over: Partial<RunRequest>): Promise<unknown> =>
    runSimulation(request("munmap-loop", { threads: 2, ...over }));

  test("it throws", async () => {
    const workerFile = new URL("crew/throws.mjs", import.meta.url).href;
    await expect(fails({ crew: { shares: true, workerFile } })).rejects.toThrow(
      "worker thread 1 of 2 is gone: out of breath",
    );
  });

  test("it is killed, at work", async () => {
    const onStart = (_: World, crew?: Crew): void => {
      const kill = (): unknown =>
        crew!.turns()[1]! > 0 ? crew!.pool!.threads[0]!.terminate() : setTimeout(kill, 1);
      kill();
    };
    const quanta = 10;
    const workload = builtins[0]!.open({ iterations: "100000" }, cpus);
    await expect(fails({ crew: { shares: true }, workload, quanta, onStart })).rejects.toThrow(
      /worker thread 1 of 2 is gone: /,
    );
  });

  test("its engine traps in the middle of a turn", async () => {
    // The last CPU, which is the other thread's, finds its translations nowhere.
    const onStart = (world: World): void => {
      const clk = world.value("clkBase") + (cpus - 1) * world.value("clkStride");
      world.u32[(clk + world.value("CK_RUN") + 16) / 4] = 0xffff_fff0;
    };
    await expect(fails({ crew: { shares: true }, onStart })).rejects.toThrow(
      "the engine trapped: memory access out of bounds",
    );
  });

  test("on the command line, with exit code 3", () => {
    const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
    const preload = fileURLToPath(new URL("crew/broken-help.mjs", import.meta.url));
    // Threads are started when turns are full of accesses.
    const args = [fileURLToPath(new URL("../examples/gzip.lackey.gz", import.meta.url)), "--policy", "eager"];
    const size = ["--processes", "64", "--cpus", "64", "--threads", "2", "--progress", "none"];
    const { status, stderr } = spawnSync(process.execPath, [main, "replay", ...args, ...size], {
      ...{ encoding: "utf8", env: { ...process.env, NODE_OPTIONS: `--import ${preload}` } },
    });
    expect(stderr).toMatch(/^shootdown: internal error.*\n.*out of breath/);
    expect(status).toBe(3);
  });
});

test("threads are started where turns are full of accesses, and nowhere else", async () => {
  const started = async (over: Partial<RunRequest>): Promise<number> => {
    const { host } = await runSimulation(request("mmap-serve", { cpus: 64, threads: 2, ...over }));
    return host.threads;
  };
  // Everybody waits for one lock.
  const serving = { ...givenTo("mmap-serve"), threads: "64", requests: "2000" };
  const server = builtins.find(({ name }) => name === "mmap-serve")!;
  expect(await started({ workload: server.open(serving, 64) })).toBe(1);
  const file = join(folder, "page.lackey");
  writeFileSync(file, "I  04000000,4\n".repeat(600_000));
  const processes = { kind: "trace", files: [file], lenient: false, replicate: 1, processes: 64 } as const;
  expect(await started({ workload: await openWork(processes, 64) })).toBe(2);
});

describe("threads are divided so that", () => {
  test.each([
    ["a run has no more than help it", 1, 8, undefined, { sideBySide: 1, each: 1 }],
    ["a run of many CPUs has all", 1, 1024, undefined, { sideBySide: 1, each: 16 }],
    ["runs come first", 40, 1024, undefined, { sideBySide: 16, each: 1 }],
    ["what is left is shared", 5, 1024, undefined, { sideBySide: 5, each: 3 }],
    ["what is asked for is done", 1, 8, 4, { sideBySide: 1, each: 4 }],
    ["what is asked for goes to runs first", 2, 8, 4, { sideBySide: 2, each: 2 }],
    ["none is without a CPU", 1, 2, 4, { sideBySide: 1, each: 2 }],
  ] as const)("%s", (_, runs, simulated, asked, expected) => {
    expect(divideThreads(runs, simulated, asked, 16)).toEqual(expected);
  });
});
