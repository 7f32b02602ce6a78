/** How records reach the clock: in any chunks, in any ring, at any moment; and what happens when they do not. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { drive, type Watch } from "../src/engine/feeder.js";
import { LatencyCollector } from "../src/engine/histograms.js";
import { EngineAbort } from "../src/engine/load.js";
import { UsageError } from "../src/errors.js";
import { type Feed, type FeedSink, LOAD, recordsOf } from "../src/workload/feed.js";
import { anyPrices, type Prices, TinyClock } from "./tiny-clock.js";
import { at, op, tinyProgram } from "./tiny-program.js";

/** Global words: how many calls were logged, two locks, and the log of calls in the order in which they were made. */
const COUNT = at("global", 0);
const LOCKS = [at("global", 8), at("global", 16)] as const;
const FIRST_LOGGED = 24;
const CALLS_MAX = 400;

const lockBoth = (first: bigint, second: bigint) => ({
  ops: [op("LOCK", { imm: first }), op("WORK"), op("LOCK", { imm: second })],
});

const logCall = [
  op("LI", { dst: 1, imm: 1 }),
  op("FADD", { dst: 2, imm: COUNT, c: 1 }),
  op("ST", { b: 2, imm: at("global", FIRST_LOGGED - 1), c: 0 }),
];

const program = {
  ...tinyProgram(
    { global: FIRST_LOGGED + CALLS_MAX },
    {
      context_switch: { ops: [] },
      // Refuses the access, so that it is over.
      page_fault: { ops: [op("LI", { dst: 2, imm: 1 }), op("END", { a: 2 })] },
      call_function_interrupt: { ops: [] },
      log: { ops: logCall },
      /** The same after a while, so that calls end in another order than they were made in. */
      slowLog: { ops: [op("WORK", { imm: 1 }), ...logCall] },
      aThenB: lockBoth(LOCKS[0], LOCKS[1]),
      bThenA: lockBoth(LOCKS[1], LOCKS[0]),
      twice: lockBoth(LOCKS[0], LOCKS[0]),
    },
  ),
  works: ["between", "slow"],
};

/** One event of a workload; those before it, in the order of the list, are what it can wait for. */
type Event =
  | { readonly is: "call"; readonly task: number; readonly entry: "log" | "slowLog" }
  | { readonly is: "access"; readonly task: number }
  | { readonly is: "compute"; readonly task: number; readonly cycles: number }
  | { readonly is: "waitCalls"; readonly task: number; readonly rank: number }
  | { readonly is: "waitTask"; readonly task: number; readonly other: number; readonly records: number }
  | { readonly is: "start"; readonly task: number; readonly child: number };

const TASKS = 6;

/** Events that can all happen in the order in which they stand, so that no order of theirs is a deadlock. */
const events: fc.Arbitrary<readonly Event[]> = fc
  .array(
    fc.record({
      is: fc.constantFrom("call", "call", "access", "compute", "waitCalls", "waitTask", "start"),
      actor: fc.nat(),
      amount: fc.nat({ max: 3000 }),
    }),
    { minLength: 1, maxLength: 120 },
  )
  .map((raw) => {
    const alive = [0];
    const positions = Array<number>(TASKS).fill(0);
    let rank = 0;
    return raw.map(({ is, actor, amount }): Event => {
      const task = alive[actor % alive.length]!;
      const other = alive[amount % alive.length]!;
      const records = positions[other]!;
      const kind = is === "start" && alive.length === TASKS ? "call" : is;
      positions[task]! += recordsOf[kind];
      switch (kind) {
        case "call":
          rank++;
          return { is: kind, task, entry: amount % 2 === 0 ? "log" : "slowLog" };
        case "access":
          return { is: kind, task };
        case "compute":
          return { is: kind, task, cycles: amount };
        case "waitCalls":
          // Mostly the last calls, which are under way.
          return { is: kind, task, rank: Math.max(0, rank - (amount % 4)) };
        case "waitTask":
          return { is: kind, task, other, records };
        case "start":
          alive.push(alive.length);
          return { is: kind, task, child: alive.length - 1 };
      }
    });
  });

/** Gives a list of events in their order, as many at a time as it is told, and waits while a ring has no room. */
class ListFeed implements Feed {
  readonly #events: readonly Event[];
  readonly #chunk: () => number;
  readonly #isAsync: boolean;
  #next = 0;
  #calls = 0;

  constructor(list: readonly Event[], chunk: () => number, isAsync = false) {
    this.#events = list;
    this.#chunk = chunk;
    this.#isAsync = isAsync;
  }

  async #later(task: number, sink: FeedSink): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#give(task, sink);
  }

  refill(task: number, sink: FeedSink): void | Promise<void> {
    return this.#isAsync ? this.#later(task, sink) : this.#give(task, sink);
  }

  #give(task: number, sink: FeedSink): void {
    const before = sink.position(task);
    for (let left = this.#chunk(); left > 0 || sink.position(task) === before; left--) {
      const event = this.#events[this.#next];
      if (event === undefined) {
        sink.end(task);
        return;
      }
      if (sink.room(event.task) < recordsOf[event.is]) return;
      this.#next++;
      this.#append(event, sink);
    }
  }

  #append(event: Event, sink: FeedSink): void {
    const { task } = event;
    if (event.is === "call") sink.call(task, event.entry, [this.#calls++]);
    else if (event.is === "access") sink.access(task, 0, LOAD);
    else if (event.is === "compute") sink.compute(task, event.cycles);
    else if (event.is === "waitCalls") sink.waitCalls(task, event.rank);
    else if (event.is === "waitTask") sink.waitTask(task, event.other, event.records);
    else sink.start(task, event.child);
  }
}

function clockWith(prices: Prices, cpus: number, ring: number): TinyClock {
  const size = { ring, tasks: TASKS, slice: 4000 };
  const clock = new TinyClock(program, { prices, cpus, works: [0, 4000], size });
  clock.world.functions.startTask(0, 0);
  return clock;
}

async function play(clock: TinyClock, feed: Feed, watch: Watch = {}): Promise<TinyClock> {
  await drive(clock.world, feed, new LatencyCollector(clock.world), watch);
  return clock;
}

function total({ world }: TinyClock, of: (cpu: number) => number): number {
  return Array.from({ length: world.size.cpus }, (_, cpu) => of(cpu)).reduce((sum, one) => sum + one, 0);
}

/** Numbers of the calls, in the order in which they were made. */
function logOf(clock: TinyClock): number[] {
  const count = Number(clock.word("global", 0, 0));
  return Array.from({ length: count }, (_, index) => Number(clock.word("global", 0, FIRST_LOGGED + index)));
}

/** What has to be over before a call, by the records of its own task: calls of its task, and what was waited for. */
function orders(list: readonly Event[]): [before: number, after: number][] {
  const pairs: [number, number][] = [];
  /** Call numbers that each task has to be behind, and its own calls with the position behind them. */
  const behind = Array.from({ length: TASKS }, () => new Set<number>());
  const own = Array.from({ length: TASKS }, (): { call: number; end: number }[] => []);
  const positions = Array<number>(TASKS).fill(0);
  let calls = 0;
  for (const event of list) {
    positions[event.task]! += recordsOf[event.is];
    const mine = behind[event.task]!;
    if (event.is === "call") {
      for (const before of mine) pairs.push([before, calls]);
      mine.clear();
      mine.add(calls);
      own[event.task]!.push({ call: calls++, end: positions[event.task]! });
    } else if (event.is === "waitCalls") {
      for (let before = 0; before < event.rank; before++) mine.add(before);
    } else if (event.is === "waitTask") {
      for (const { call, end } of own[event.other]!) if (end <= event.records) mine.add(call);
    } else if (event.is === "start") {
      for (const before of mine) behind[event.child]!.add(before);
    }
  }
  return pairs;
}

/** Chunks of these sizes, over and over. */
function inChunks(sizes: readonly number[]): () => number {
  let at = 0;
  return () => sizes[at++ % sizes.length]!;
}

const chunks = fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 6 });
const cpus = fc.integer({ min: 1, max: 4 });

describe("a workload in chunks", () => {
  test("happens once and in its order, however small the rings are", async () => {
    const ring = fc.constantFrom(16, 32, 64);
    await fc.assert(
      fc.asyncProperty(
        anyPrices,
        events,
        chunks,
        cpus,
        ring,
        fc.boolean(),
        async (prices, list, sizes, n, size, isAsync) => {
          const clock = clockWith(prices, n, size);
          await play(clock, new ListFeed(list, inChunks(sizes), isAsync));
          const log = logOf(clock);
          const calls = list.filter(({ is }) => is === "call").length;
          expect([...log].sort((a, b) => a - b)).toEqual(Array.from({ length: calls }, (_, call) => call));
          const place = new Map(log.map((call, index) => [call, index]));
          const wrong = orders(list).filter(([before, after]) => place.get(before)! > place.get(after)!);
          expect(wrong).toEqual([]);
          const computed = list.reduce((sum, event) => sum + (event.is === "compute" ? event.cycles : 0), 0);
          const accesses = list.filter(({ is }) => is === "access").length;
          expect(total(clock, (cpu) => clock.tally(cpu, "TLB_FAULTS"))).toBe(accesses);
          expect(total(clock, (cpu) => clock.cycles(cpu).USER)).toBe(computed + accesses * prices.access);
        },
      ),
      { seed: 20260823, numRuns: 100 },
    );
  });

  test("takes the same time in any chunks, while no ring is full", async () => {
    await fc.assert(
      fc.asyncProperty(anyPrices, events, chunks, cpus, async (prices, list, sizes, n) => {
        const all = clockWith(prices, n, 4096);
        await play(all, new ListFeed(list, () => Number.POSITIVE_INFINITY));
        const some = clockWith(prices, n, 1024);
        await play(some, new ListFeed(list, inChunks(sizes), true));
        expect(logOf(some)).toEqual(logOf(all));
        for (let cpu = 0; cpu < n; cpu++) expect(some.cycles(cpu)).toEqual(all.cycles(cpu));
      }),
      { seed: 20260824, numRuns: 60 },
    );
  });

  test("takes the same time however often the host looks at it", async () => {
    await fc.assert(
      fc.asyncProperty(anyPrices, events, cpus, async (prices, list, n) => {
        const runs = [1, 7, 100_000].map((quanta) => {
          const clock = clockWith(prices, n, 1024);
          return play(clock, new ListFeed(list, inChunks([3])), { quanta });
        });
        const [first, ...others] = await Promise.all(runs);
        for (const other of others)
          for (let cpu = 0; cpu < n; cpu++) expect(other.cycles(cpu)).toEqual(first!.cycles(cpu));
      }),
      { seed: 20260825, numRuns: 15 },
    );
  });
});

const prices = fc.sample(anyPrices, { seed: 20260826, numRuns: 1 })[0]!;

/** A feed from one function; `isOver` after it was asked a thousand times, which no run here needs. */
function feedOf(refill: (task: number, sink: FeedSink, time: number) => void): Feed {
  let times = 0;
  return {
    refill: (task, sink) => {
      if (times++ > 1000) throw new Error("asked for ever");
      refill(task, sink, times);
    },
  };
}

describe("a workload that goes wrong", () => {
  test("a feed that never gives anything is told so", async () => {
    const run = play(
      clockWith(prices, 1, 64),
      feedOf(() => {}),
    );
    await expect(run).rejects.toThrow(
      new UsageError("the workload stopped giving work, and task 0 is without records"),
    );
  });

  test("a feed that forgets one task is told so when the others have ended", async () => {
    const clock = clockWith(prices, 2, 64);
    clock.world.functions.startTask(1, 100);
    const run = play(
      clock,
      feedOf((task, sink, time) => {
        if (task !== 0) return;
        sink.compute(0, 10_000);
        if (time > 20) sink.end(0);
      }),
    );
    await expect(run).rejects.toThrow(
      new UsageError("the workload stopped giving work, and task 1 is without records"),
    );
  });

  test("a feed that has to wait for a full ring is not taken for one that gives nothing", async () => {
    // Tasks 0 and 2 start before task 1, whose ring is full: nothing can be given to anybody until it starts.
    const clock = clockWith(prices, 3, 16);
    clock.world.functions.startTask(2, 20_000);
    clock.world.functions.startTask(1, 40_000);
    let given = 0;
    const run = play(
      clock,
      feedOf((task, sink) => {
        for (; given < 30 && sink.room(1) > 0; given++) sink.compute(1, 10);
        if (given === 30) sink.end(task);
      }),
    );
    await run;
    expect(clock.cycles(1).USER).toBe(300);
  });

  test("a wait for a call that nobody makes ends with who waits for it", async () => {
    const feed = feedOf((task, sink) => {
      sink.waitCalls(task, 1);
      sink.call(task, "log", [0]);
      sink.end(task);
    });
    const run = play(clockWith(prices, 1, 64), feed);
    await expect(run).rejects.toThrow(
      /^nothing can move any more at cycle \d+: task 0 is waiting for calls$/,
    );
    await expect(run).rejects.toBeInstanceOf(EngineAbort);
  });

  test("a wait for a task that never gets there ends with who waits for it", async () => {
    const clock = clockWith(prices, 2, 64);
    clock.world.functions.startTask(1, 0);
    const run = play(
      clock,
      feedOf((task, sink) => {
        if (task === 0) sink.waitTask(0, 1, 100);
        sink.end(task);
      }),
    );
    await expect(run).rejects.toThrow(
      /^nothing can move any more at cycle \d+: task 0 is waiting for a task$/,
    );
  });

  test("a lock that is never released ends with the step that waits for it", async () => {
    const feed = feedOf((task, sink) => {
      sink.call(task, "twice", []);
      sink.end(task);
    });
    const run = play(clockWith(prices, 1, 64), feed);
    await expect(run).rejects.toThrow(
      /^nothing can move any more at cycle \d+: CPU 0 \(task 0\) waits at twice\.2$/,
    );
    await expect(run).rejects.toBeInstanceOf(EngineAbort);
  });

  test("two locks taken in both orders end with both steps, and who waits behind them", async () => {
    const clock = clockWith(prices, 2, 64);
    for (const task of [1, 2]) clock.world.functions.startTask(task, 0);
    const run = play(
      clock,
      feedOf((task, sink) => {
        if (task === 2) sink.waitCalls(2, 2);
        else sink.call(task, task === 0 ? "aThenB" : "bThenA", []);
        sink.end(task);
      }),
    );
    await expect(run).rejects.toThrow(
      /: CPU 0 \(task 0\) waits at aThenB\.2, CPU 1 \(task 1\) waits at bThenA\.2, task 2 is \w/,
    );
  });

  test("what a feed throws, and a signal, end the run", async () => {
    const broken = play(
      clockWith(prices, 1, 64),
      feedOf(() => {
        throw new RangeError("line 7");
      }),
    );
    await expect(broken).rejects.toThrow(new RangeError("line 7"));
    const stop = new AbortController();
    const looked: number[] = [];
    const stopped = play(
      clockWith(prices, 1, 64),
      feedOf((task, sink) => sink.compute(task, 2 ** 40)),
      {
        quanta: 10,
        signal: stop.signal,
        onProgress: ({ cycles }) => {
          looked.push(cycles);
          if (looked.length === 3) stop.abort(new Error("stopped"));
        },
      },
    );
    await expect(stopped).rejects.toThrow("stopped");
    expect(looked).toEqual([...looked].sort((a, b) => a - b));
    expect(looked).toHaveLength(3);
  });
});
