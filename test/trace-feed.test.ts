import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { beforeAll, describe, expect, test } from "vitest";
import { InputError } from "../src/trace/errors.js";
import type { TraceEvent } from "../src/trace/event.js";
import { openTraceWorkload, type ReplayOptions } from "../src/trace/feed.js";
import type { Feed, FeedSink, Workload } from "../src/workload/feed.js";
import { FakeEngine } from "./fake-engine.js";
import { straceText } from "./strace-text.js";
import { damage, damaged, lackeyText, steps } from "./trace-text.js";

const example = (name: string): string => fileURLToPath(new URL(`../examples/${name}`, import.meta.url));
const stress = example("stress-ng.ftrace.gz");
const redis = example("redis.strace.gz");
const node = example("node-workers.strace.gz");

let folder = "";
let written = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "shootdown-"));
});

async function recorded(text: string | Uint8Array, name = `${written++}.log`): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

function numbers(seed: number): () => number {
  const random = xoroshiro128plus(seed);
  return () => (random.next() >>> 0) / 2 ** 32;
}

interface Pass {
  readonly engine: FakeEngine;
  readonly feed: Feed;
  /** Task, address and kind of every access, in the order of appending. */
  readonly accesses: [number, number, number][];
}

async function run(workload: Workload, capacity: number, seed: number): Promise<Pass> {
  const engine = new FakeEngine(workload, capacity);
  const accesses: [number, number, number][] = [];
  engine.onAccess = (...access) => accesses.push(access);
  const feed = workload.open(seed);
  await engine.run(feed, numbers(seed));
  await feed.close?.();
  return { engine, feed, accesses };
}

async function replay(
  files: string[],
  options: ReplayOptions,
  capacity: number,
  seed: number,
): Promise<Pass> {
  return run(await openTraceWorkload(files, options), capacity, seed);
}

/** The accesses of a recording as records hold them, without their lowest four bits, each page that is touched by itself. */
function pagesOf(events: readonly TraceEvent[]): [number, number, number][] {
  return events.flatMap((event) => {
    if (event.name !== "access") return [];
    const { thread, address, size, kind } = event;
    const next = (Math.floor(address / 4096) + 1) * 4096;
    const first: [number, number, number] = [thread, address - (address % 16), kind];
    return address + size > next ? [first, [thread, next, kind] as [number, number, number]] : [first];
  });
}

const capacity = fc.constantFrom(8, 11, 24, 100, 16_384);
const seed = fc.integer({ min: 1, max: 1_000_000 });

describe("a replay keeps the rules of a feed, whatever the rings and the schedule", () => {
  test("every access of a coupled recording arrives, in order, and sees what it saw", async () => {
    await fc.assert(
      fc.asyncProperty(steps, capacity, seed, async (all, size, schedule) => {
        const { text, events } = lackeyText([...all, { do: "access", kind: 0, address: 0x400000, size: 4 }]);
        const { accesses } = await replay([await recorded(text)], {}, size, schedule);
        expect(accesses).toEqual(pagesOf(events));
      }),
      { numRuns: 150 },
    );
  });

  test("copies do the same at other addresses, and never meet", async () => {
    await fc.assert(
      fc.asyncProperty(
        steps,
        capacity,
        seed,
        fc.integer({ min: 2, max: 4 }),
        async (all, size, schedule, replicate) => {
          const { text, events } = lackeyText([
            ...all,
            { do: "access", kind: 0, address: 0x400000, size: 4 },
          ]);
          const { accesses } = await replay([await recorded(text)], { replicate }, size, schedule);
          const pages = new Map<number, number>();
          for (let copy = 0; copy < replicate; copy++) {
            const own = accesses.filter(([task]) => task % replicate === copy);
            const moved = (address: number): number => address % 2 ** 37;
            const tasks = own.map(([task, address, kind]) => [
              Math.floor(task / replicate),
              moved(address),
              kind,
            ]);
            expect(tasks).toEqual(
              pagesOf(events).map(([thread, address, kind]) => [thread, moved(address), kind]),
            );
            for (const [, address] of own) {
              const page = Math.floor(address / 4096);
              expect(pages.get(page) ?? copy).toBe(copy);
              pages.set(page, copy);
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test("a recording of calls, with threads and forks", async () => {
    await fc.assert(
      fc.asyncProperty(
        steps,
        capacity,
        seed,
        fc.constantFrom(0, 3, "all" as const),
        async (all, size, schedule, touch) => {
          const { text, events } = straceText([...all, { do: "exit", pick: 0 }], "pid time");
          fc.pre(text !== "");
          const { engine } = await replay([await recorded(text)], { touch }, size, schedule);
          const threads = 1 + events.filter(({ name }) => name === "thread" || name === "fork").length;
          expect(engine.entries.get("exit")).toBe(threads);
          if (touch === 0) expect(engine.counts.access).toBe(0);
        },
      ),
      { numRuns: 150 },
    );
  });

  test("several recordings at once are several processes", async () => {
    const text = lackeyText([{ do: "access", kind: 1, address: 0x5000_0000, size: 4 }]).text;
    const workload = await openTraceWorkload([
      await recorded(text, "a.log"),
      redis,
      await recorded(text, "c.log"),
    ]);
    expect(workload.name).toBe("a.log+redis.strace.gz+c.log");
    expect(workload.starters.map(({ mm }) => mm)).toEqual([0, 1, 2]);
    const { feed, engine } = await run(workload, 64, 5);
    expect(feed.summary).toMatchObject({ format: "lackey, strace", threads: 11, forks: 1 });
    expect(engine.entries.get("exit")).toBe(11);
  });
});

describe("odd recordings", () => {
  test("damaged ones run, or are refused", async () => {
    const texts = fc.oneof(
      steps.map((all) => lackeyText(all).text),
      steps.map((all) => straceText(all, "pid time").text),
    );
    await fc.assert(
      fc.asyncProperty(texts, damage, capacity, seed, async (text, hits, size, schedule) => {
        const path = await recorded(damaged(text, hits));
        try {
          await replay([path], { touch: 5 }, size, schedule);
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("calls of no length do nothing", async () => {
    const path = await recorded(
      "7 mprotect(0x1000, 0, PROT_READ) = 0\n7 madvise(0x1000, 0, MADV_DONTNEED) = 0\n",
    );
    const { engine } = await replay([path], {}, 64, 1);
    expect(Object.fromEntries(engine.entries)).toEqual({ exit: 1 });
  });

  test("an access over the border of a page is one to each page", async () => {
    const path = await recorded("I  04000ffe,4\n S 04001ffc,4\n");
    const { accesses } = await replay([path], {}, 64, 1);
    expect(accesses).toEqual([
      [0, 0x4000ff0, 2],
      [0, 0x4001000, 2],
      [0, 0x4001ff0, 1],
    ]);
  });
});

describe("the shipped recordings of calls", () => {
  test.each([
    ["redis", redis, { mmap: 103, munmap: 3, mprotect: 25, madvise: 5996, fork: 1, exit: 9 }],
    ["node", node, { mmap: 597, munmap: 1007, mprotect: 1090, madvise: 559, brk: 21, exit: 10 }],
  ])("%s runs to its end with rings of any size, and the records are the same", async (_, file, entries) => {
    const passes = [await replay([file], { touch: 8 }, 8, 1), await replay([file], { touch: 8 }, 16_384, 2)];
    expect(Object.fromEntries(passes[0]!.engine.entries)).toMatchObject(entries);
    expect(passes[1]!.engine.digest).toBe(passes[0]!.engine.digest);
  });

  test("without its waits the order breaks: the waits are needed, and the check sees it", async () => {
    const workload = await openTraceWorkload([node]);
    const hasty: Workload = {
      ...workload,
      starters: workload.starters,
      open: (seed) => withoutWaits(workload.open(seed)),
    };
    await expect(run(hasty, 16_384, 3)).rejects.toThrow(/in another order than recorded/);
  });
});

/** The same feed, but for its waits. */
function withoutWaits(feed: Feed): Feed {
  return {
    refill(task, sink) {
      const hasty: FeedSink = {
        room: (id) => sink.room(id),
        access: (id, address, kind) => sink.access(id, address, kind),
        accesses: (...rows) => sink.accesses(...rows),
        compute: (id, cycles) => sink.compute(id, cycles),
        call: (id, entry, args) => sink.call(id, entry, args),
        waitCalls: () => {},
        callRank: () => sink.callRank(),
        waitTask: () => {},
        position: (id) => sink.position(id),
        start: (id, child) => sink.start(id, child),
        thread: (child, mm) => sink.thread(child, mm),
        end: (id) => sink.end(id),
      };
      return feed.refill(task, hasty);
    },
  };
}

describe("what a replay refuses", () => {
  test("copies of a recording that forks", async () => {
    await expect(openTraceWorkload([redis], { replicate: 2 })).rejects.toThrow(
      /a trace that forks cannot be replicated/,
    );
  });

  test("a recording of calls may have thousands of threads", async () => {
    const calls = (threads: number): string =>
      Array.from({ length: threads }, (_, thread) => `${thread + 1} munmap(0x7f0000000000, 4096) = 0\n`).join(
        "",
      );
    expect((await openTraceWorkload([await recorded(calls(1500))])).tasks).toBe(1500);
    await expect(openTraceWorkload([await recorded(calls(5000))])).rejects.toThrow(
      /expected at most 4096 threads in one run, saw 5000 threads/,
    );
  });

  test("more threads than the limit", async () => {
    await expect(replay([node], { tasks: 4 }, 64, 1)).rejects.toThrow(
      /expected at most 4 threads, saw more of them/,
    );
    await expect(openTraceWorkload([node], { replicate: 1000 })).rejects.toThrow(
      /at most 4096 threads in one run/,
    );
  });

  test("more copies than there are addresses for", async () => {
    const workload = await openTraceWorkload([example("gzip.lackey.gz")], { replicate: 1030 });
    await expect(run(workload, 64, 1)).rejects.toThrow(/room for 1030 copies in one address space/);
  });

  test.each([
    "mmap(NULL, 0x1000000000000, PROT_READ, MAP_PRIVATE, 3, 0) = 0x10000",
    "mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7ffffffff001",
    "munmap(0x10000, 0) = 0",
    "mprotect(0x10000, 9223372036854775808, PROT_READ) = 0",
    "mremap(0x10000, 4096, 0, MREMAP_MAYMOVE) = 0x10000",
    "brk(NULL) = 0x800000001000",
  ])("a range beyond user space, or of nothing: %s", async (call) => {
    const path = await recorded(`7 munmap(0x10000, 4096) = 0\n7 ${call}\n`);
    await expect(replay([path], {}, 64, 1)).rejects.toThrow(
      /:2: expected \w+ of a range of at least a byte, below 2\^47/,
    );
    const { feed } = await replay([path], { lenient: true }, 64, 1);
    expect(feed.summary).toMatchObject({ skipped: 1 });
  });

  test("an access that ends behind user space", async () => {
    const path = await recorded("==1== x\n L 7ffffffffff8,8\n L 7fffffffffff,8\n");
    await expect(replay([path], {}, 64, 1)).rejects.toThrow(/:3: expected a line of Valgrind's lackey/);
  });
});

test("recorded page faults stand for the pages that Linux maps around them, and recorded calls for none", async () => {
  expect(await openTraceWorkload([stress])).toMatchObject({ faultAround: 16 });
  expect((await openTraceWorkload([redis])).faultAround).toBeUndefined();
  expect((await openTraceWorkload([stress, redis])).faultAround).toBeUndefined();
});
