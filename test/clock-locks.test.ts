/** Who waits in the kernel goes on exactly when the step that it waited for is over; locks are handed over in order. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MicroOp } from "../src/dsl/program.js";
import { anyPrices, lookahead, type Prices, TinyClock, transfer } from "./tiny-clock.js";
import { at, op, tinyProgram } from "./tiny-program.js";

const WORDS_OF_A_LINE = 8;
/** Global words, each on a line of its own. */
const LOCK = at("global", 0);
const TICKETS = at("global", WORDS_OF_A_LINE);
const FLAG = at("global", 2 * WORDS_OF_A_LINE);
const INSIDE = at("global", 3 * WORDS_OF_A_LINE);
/** Words of a CPU's own line. */
const TICKET = 0;
const SEEN = 1;

const cpuNumber = op("CPU", { dst: 5 });
const one = op("LI", { dst: 6, imm: 1 });
const minusOne = op("LI", { dst: 7, imm: -1n });
const draw = [
  cpuNumber,
  one,
  op("FADD", { dst: 2, imm: TICKETS, c: 6 }),
  op("ST", { a: 5, imm: at("cpu", TICKET), c: 2 }),
];

/** A turn inside the lock, which draws a ticket and notes how many are inside. */
function section(lock: MicroOp, unlock: MicroOp): { ops: MicroOp[] } {
  const enter = [op("FADD", { dst: 3, imm: INSIDE, c: 6 }), op("ST", { a: 5, imm: at("cpu", SEEN), c: 3 })];
  const leave = [minusOne, op("FADD", { dst: 3, imm: INSIDE, c: 7 })];
  return { ops: [lock, ...draw, ...enter, op("WORK", { imm: 0 }), ...leave, unlock] };
}

const program = {
  ...tinyProgram(
    { global: 4 * WORDS_OF_A_LINE, cpu: WORDS_OF_A_LINE },
    {
      context_switch: { ops: [] },
      page_fault: { ops: [] },
      call_function_interrupt: { ops: [op("WORK", { imm: 1 })] },
      turn: {
        ops: [op("LOCK", { imm: LOCK }), ...draw, op("WORK", { imm: 0 }), op("UNLOCK", { imm: LOCK })],
      },
      read: section(op("RLOCK", { imm: LOCK }), op("RUNLOCK", { imm: LOCK })),
      write: section(op("WLOCK", { imm: LOCK }), op("WUNLOCK", { imm: LOCK })),
      hold: { ops: [op("WLOCK", { imm: LOCK }), op("WORK", { imm: 2 }), op("WUNLOCK", { imm: LOCK })] },
      interrupt: { ops: [op("RAISE1", { c: 0 })] },
      set: { ops: [op("ST", { imm: FLAG, c: 0 })] },
      equal: { ops: [op("AWAIT", { imm: FLAG, c: 0, d: 0 })] },
      different: { ops: [op("AWAIT", { imm: FLAG, c: 0, d: 1 })] },
      below: { ops: [op("AWAIT", { imm: FLAG, c: 0, d: 2 })] },
      notBelow: { ops: [op("AWAIT", { imm: FLAG, c: 0, d: 3 })] },
    },
  ),
  works: ["turn", "handler", "hold"],
};

const quantum = fc.double({ min: 0.2, max: 1, noNaN: true });

function clockFor(prices: Prices, share: number, works: readonly number[] = []): TinyClock {
  return new TinyClock(program, { prices, works, quantum: Math.ceil(share * lookahead(prices)) });
}

/** When a task that exists from `ready` on has made its first record's call. */
function inKernel(prices: Prices, ready: number): number {
  return ready + prices.idleWake + prices.contextSwitch + prices.syscallEntry;
}

const contenders = fc.uniqueArray(fc.record({ cpu: fc.nat({ max: 15 }), ready: fc.nat({ max: 6000 }) }), {
  selector: ({ cpu }) => cpu,
  minLength: 2,
  maxLength: 8,
});

describe("a spinlock", () => {
  test("goes to the longest waiter at the end of the step that unlocks it", () => {
    fc.assert(
      fc.property(anyPrices, contenders, fc.nat({ max: 1500 }), quantum, (chosen, cpus, work, share) => {
        // Unlocking is short, so that hardly anybody comes while it lasts and takes the lock before the waiter wakes.
        const prices = { ...chosen, memL1: 1, store: 1 };
        const clock = clockFor(prices, share, [work]);
        const queue = cpus
          .map(({ cpu, ready }) => ({ cpu, ready, from: inKernel(prices, ready) }))
          .sort((a, b) => a.from - b.from || a.cpu - b.cpu);

        let free = 0;
        let last: number | undefined;
        const expected = queue.map(({ cpu, from }) => {
          const line = last === undefined ? prices.memL3 : transfer(prices, cpu, last);
          const start = Math.max(from, free);
          const own = prices.memL1 + prices.store;
          free = start + 2 * (line + prices.rmw) + own + work + prices.memL1 + prices.store;
          last = cpu;
          return { cpu, waited: start - from, start, end: free };
        });
        const unlocking = prices.memL1 + prices.store;
        fc.pre(!queue.some(({ from }) => expected.some(({ end }) => from >= end - unlocking && from <= end)));

        for (const { cpu, ready } of cpus) clock.task(cpu, ready, (sink) => sink.call(cpu, "turn", []));
        clock.run();
        expected.forEach(({ cpu, waited }, place) => {
          expect(clock.word("cpu", cpu, TICKET)).toBe(BigInt(place + 1));
          expect(clock.cycles(cpu)).toMatchObject({ LOCK_WAIT: waited, IPI_WAIT: 0, IRQ: 0 });
        });
        expect(clock.latencies("turn")).toEqual(
          expected.map(
            ({ waited, start, end }) => prices.syscallEntry + waited + end - start + prices.syscallExit,
          ),
        );
      }),
      { seed: 20260808, numRuns: 120 },
    );
  });

  test("keeps the place of a waiter that is interrupted", () => {
    const interrupted = fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        anyPrices,
        interrupted,
        fc.nat({ max: 300 }),
        quantum,
        (prices, targets, handler, share) => {
          const clock = clockFor(prices, share, [10, handler, 60_000]);
          const [holder, initiator] = [14, 15];
          clock.task(holder, 0, (sink) => sink.call(holder, "hold", []));
          const order = [2, 0, 3, 1];
          order.forEach((cpu, place) =>
            clock.task(cpu, 5000 + 3000 * place, (sink) => sink.call(cpu, "turn", [])),
          );
          clock.task(initiator, 20_000, (sink) => {
            for (const target of targets) {
              sink.call(initiator, "interrupt", [target]);
              sink.compute(initiator, 3000);
            }
          });
          clock.run();
          expect(order.map((cpu) => clock.word("cpu", cpu, TICKET))).toEqual([1n, 2n, 3n, 4n]);
          const taken = order.map((cpu) => clock.tally(cpu, "IPI_DELIVERED"));
          expect(taken).toEqual(order.map((cpu) => targets.filter((target) => target === cpu).length));
        },
      ),
      { seed: 20260809, numRuns: 40 },
    );
  });
});

describe("a reader-writer lock", () => {
  const visitors = fc.uniqueArray(
    fc.record({ cpu: fc.nat({ max: 13 }), entry: fc.constantFrom("read", "write") }),
    { selector: ({ cpu }) => cpu, minLength: 2, maxLength: 8 },
  );

  /** Who is inside together: readers in a row, or one writer. */
  function groups<T extends { entry: string }>(queue: readonly T[]): T[][] {
    const all: T[][] = [];
    queue.forEach((one, place) => {
      if (one.entry === "read" && queue[place - 1]?.entry === "read") all.at(-1)!.push(one);
      else all.push([one]);
    });
    return all;
  }

  test("lets waiters in by their order, readers together and writers alone", () => {
    fc.assert(
      fc.property(
        anyPrices,
        visitors,
        fc.integer({ min: 5000, max: 9000 }),
        quantum,
        (prices, queue, work, share) => {
          const clock = clockFor(prices, share, [work, 0, 60_000]);
          const holder = 14;
          clock.task(holder, 0, (sink) => sink.call(holder, "hold", []));
          queue.forEach(({ cpu, entry }, place) => {
            clock.task(cpu, 5000 + 2000 * place, (sink) => sink.call(cpu, entry, []));
          });
          clock.run();
          expect(queue.map(({ cpu }) => clock.word("cpu", cpu, TICKET))).toEqual(
            queue.map((_, i) => BigInt(i + 1)),
          );
          for (const group of groups(queue)) {
            const seen = group.map(({ cpu }) => Number(clock.word("cpu", cpu, SEEN)));
            // Work takes so long that readers in a row are inside together.
            expect(seen.sort((a, b) => a - b)).toEqual(group.map((_, index) => index + 1));
          }
        },
      ),
      { seed: 20260810, numRuns: 60 },
    );
  });
});

describe("AWAIT", () => {
  const relations = {
    equal: (value: number, wanted: number) => value === wanted,
    different: (value: number, wanted: number) => value !== wanted,
    below: (value: number, wanted: number) => value < wanted,
    notBelow: (value: number, wanted: number) => value >= wanted,
  };
  const waiters = fc.uniqueArray(
    fc.record({
      cpu: fc.nat({ max: 14 }),
      ready: fc.nat({ max: 6000 }),
      relation: fc.constantFrom(...(Object.keys(relations) as (keyof typeof relations)[])),
      wanted: fc.nat({ max: 3 }),
    }),
    { selector: ({ cpu }) => cpu, minLength: 1, maxLength: 8 },
  );
  const writer = 15;
  const pause = 1500;

  test("goes on at the end of the first store that makes its condition true", () => {
    fc.assert(
      fc.property(
        anyPrices,
        waiters,
        fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 5 }),
        quantum,
        (prices, all, values, share) => {
          const start = inKernel(prices, 0);
          /** When each store starts and ends, the state before the first one included. */
          const stores = [{ value: 0, begins: Number.NEGATIVE_INFINITY, ends: Number.NEGATIVE_INFINITY }];
          let now = start;
          values.forEach((value) => {
            const ends = now + prices.memL1 + prices.store;
            stores.push({ value, begins: now, ends });
            now = ends + prices.syscallExit + pause + prices.syscallEntry;
          });
          const passing = all.flatMap(({ cpu, ready, relation, wanted }) => {
            const from = inKernel(prices, ready);
            const seen = stores.findLastIndex(
              ({ begins }) => begins < from || (begins === from && writer < cpu),
            );
            const holds = stores.findIndex(
              ({ value }, index) => index >= seen && relations[relation](value, wanted),
            );
            if (holds < 0) return [];
            const passes = holds === seen ? from : stores[holds]!.ends;
            const line = (holds === 0 ? undefined : transfer(prices, cpu, writer)) ?? prices.memL3;
            return [{ cpu, ready, relation, wanted, waited: passes - from, line }];
          });

          const clock = clockFor(prices, share);
          clock.task(writer, 0, (sink) =>
            values.forEach((value, index) => {
              if (index > 0) sink.compute(writer, pause);
              sink.call(writer, "set", [value]);
            }),
          );
          for (const { cpu, ready, relation, wanted } of passing)
            clock.task(cpu, ready, (sink) => sink.call(cpu, relation, [wanted]));
          clock.run();
          for (const { cpu, waited, line } of passing) {
            const kernel = prices.contextSwitch * 2 + prices.syscallEntry + line + prices.syscallExit;
            expect(clock.cycles(cpu)).toMatchObject({ LOCK_WAIT: waited, KERNEL: kernel, IPI_WAIT: 0 });
          }
        },
      ),
      { seed: 20260811, numRuns: 120 },
    );
  });
});
