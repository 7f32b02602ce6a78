/** What a feed appends is what the engine reads: every kind of record, any value, in order. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RingSink } from "../src/engine/sink.js";
import {
  type AccessKind,
  FETCH,
  type FeedSink,
  LOAD,
  MODIFY,
  pageBytes,
  recordsOf,
  STORE,
} from "../src/workload/feed.js";
import { anyPrices, type Prices, TinyClock } from "./tiny-clock.js";
import { at, op, tinyProgram } from "./tiny-program.js";

/** Global words: where the next note goes, and the notes. */
const CURSOR = at("global", 0);
const FIRST_NOTE = 8;
const LOG = at("global", FIRST_NOTE);
const LOG_WORDS = 4096;
const REFUSED = 1;

/** Appends these registers to the log. Register 20 holds the place. */
function note(registers: readonly number[]) {
  const size = op("LI", { dst: 21, imm: registers.length });
  const take = [size, op("FADD", { dst: 20, imm: CURSOR, c: 21 }), op("SUB", { dst: 20, a: 20, b: 21 })];
  const next = op("ADD", { dst: 20, a: 20, imm: 1 });
  return [...take, ...registers.flatMap((register) => [op("ST", { b: 20, imm: LOG, c: register }), next])];
}

const program = {
  ...tinyProgram(
    { global: FIRST_NOTE + LOG_WORDS, mm: 2, task: 2 },
    {
      context_switch: { ops: [] },
      call_function_interrupt: { ops: [] },
      // Notes the fault and refuses the access, so that it is over.
      page_fault: { ops: [...note([0, 1]), op("LI", { dst: 2, imm: REFUSED }), op("END", { a: 2 })] },
      noteSix: { ops: note([0, 1, 2, 3, 4, 5]) },
    },
  ),
  layout: {
    cpus: 1,
    words: { global: FIRST_NOTE + LOG_WORDS, mm: 2, cpu: 0, task: 2, table: 0, frame: 0 },
    fields: [
      { record: "task", name: "mm", word: 1, words: 1, kind: "word" },
      { record: "mm", name: "mm_users", word: 1, words: 1, kind: "word" },
    ],
  },
} as const;

const word = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const kinds = fc.constantFrom<AccessKind>(LOAD, STORE, FETCH, MODIFY);
const record = fc.oneof(
  fc.record({ address: fc.integer({ min: 0, max: 2 ** 47 - 1 }), kind: kinds }),
  fc.record({ cycles: fc.oneof(fc.nat({ max: 5000 }), fc.integer({ min: 0, max: 2 ** 36 })) }),
  fc.record({ args: fc.array(fc.oneof(word, fc.nat()), { maxLength: 6 }) }),
);
type Record = typeof record extends fc.Arbitrary<infer T> ? T : never;

function append(sink: FeedSink, task: number, one: Record): void {
  if ("address" in one) sink.access(task, one.address, one.kind);
  else if ("cycles" in one) sink.compute(task, one.cycles);
  else sink.call(task, "noteSix", one.args);
}

/** What the kernel is told of a record. */
function notes(one: Record): bigint[] {
  if ("cycles" in one) return [];
  if ("args" in one) return Array.from({ length: 6 }, (_, index) => BigInt(one.args[index] ?? 0));
  const bits = { [LOAD]: 0n, [STORE]: 1n, [FETCH]: 2n, [MODIFY]: 1n }[one.kind];
  return [BigInt(Math.floor(one.address / pageBytes)), bits];
}

function logOf(clock: TinyClock): bigint[] {
  const length = Number(clock.word("global", 0, 0));
  return Array.from({ length }, (_, index) => clock.word("global", 0, FIRST_NOTE + index));
}

/** Long quanta, because computing goes on for long. */
function clockWith(prices: Prices, ring = 4096): TinyClock {
  return new TinyClock(program, { prices, cpus: 1, quantum: 2 ** 31, size: { ring, tasks: 3, mms: 3 } });
}

describe("a ring of records", () => {
  test("gives the engine every record as it was appended", () => {
    fc.assert(
      fc.property(anyPrices, fc.array(record, { maxLength: 100 }), (prices, records) => {
        const clock = clockWith(prices);
        clock.task(1, 0, (sink) => records.forEach((one) => append(sink, 1, one)));
        clock.run();
        expect(logOf(clock)).toEqual(records.flatMap(notes));
        const computed = records.reduce((sum, one) => sum + ("cycles" in one ? one.cycles : 0), 0);
        const accesses = records.filter((one) => "address" in one).length;
        expect(clock.cycles(0).USER).toBe(computed + accesses * prices.access);
      }),
      { seed: 20260821, numRuns: 60 },
    );
  });

  test("is told about by room, position and callRank", () => {
    fc.assert(
      fc.property(anyPrices, fc.array(record, { maxLength: 50 }), (prices, records) => {
        const { sink } = clockWith(prices);
        const room = sink.room(1);
        let [position, rank] = [0, 0];
        for (const one of records) {
          append(sink, 1, one);
          position += "args" in one ? recordsOf.call : recordsOf.compute;
          rank += "args" in one ? 1 : 0;
          expect([sink.position(1), sink.callRank(), sink.room(1)]).toEqual([
            position,
            rank,
            room - position,
          ]);
        }
        expect([sink.position(0), sink.room(0)]).toEqual([0, room]);
      }),
      { seed: 20260822, numRuns: 20 },
    );
  });

  test("takes control records of the size that they are said to have", () => {
    const { sink } = clockWith(fc.sample(anyPrices, { seed: 1, numRuns: 1 })[0]!);
    const grows = (by: number, write: () => void): void => {
      const before = sink.position(2);
      write();
      expect(sink.position(2) - before).toBe(by);
    };
    grows(recordsOf.access, () => sink.access(2, 0, LOAD));
    grows(recordsOf.compute, () => sink.compute(2, 1));
    grows(recordsOf.call, () => sink.call(2, "noteSix", []));
    grows(recordsOf.waitCalls, () => sink.waitCalls(2, 1));
    grows(recordsOf.waitTask, () => sink.waitTask(2, 1, 2 ** 40));
    grows(recordsOf.start, () => sink.start(2, 1));
    grows(0, () => sink.thread(1, 0));
  });

  test("can be filled to its last record, and the end still fits", () => {
    const prices = fc.sample(anyPrices, { seed: 2, numRuns: 1 })[0]!;
    for (const ring of [16, 64, 1024]) {
      const clock = clockWith(prices, ring);
      let appended = 0;
      clock.task(0, 0, (sink) => {
        for (; sink.room(0) > 0; appended++) sink.access(0, appended * pageBytes, LOAD);
      });
      clock.run();
      expect(logOf(clock)).toEqual(Array.from({ length: appended }, (_, page) => [BigInt(page), 0n]).flat());
    }
  });

  test("refuses what cannot be, and what it has no room for", () => {
    const { sink } = clockWith(fc.sample(anyPrices, { seed: 5, numRuns: 1 })[0]!, 64);
    for (const task of [-1, 3, 0.5, Number.NaN]) {
      expect(() => sink.compute(task, 1)).toThrow(`there is no task ${task}`);
      expect(() => sink.start(0, task)).toThrow(`there is no task ${task}`);
      expect(() => sink.waitTask(0, task, 1)).toThrow(`there is no task ${task}`);
      expect(() => sink.thread(task, 0)).toThrow(`there is no task ${task}`);
      expect(() => sink.thread(0, task)).toThrow(/there is no address space|bigint/i);
    }
    for (const address of [-1, 2 ** 47, Number.NaN])
      expect(() => sink.access(0, address, LOAD)).toThrow(`there is no user address ${address}`);
    expect(sink.position(0)).toBe(0);
    const fill = (): void => {
      for (let records = 0; records < 100; records++) sink.compute(1, 1);
    };
    expect(fill).toThrow("the ring of task 1 is full");
    expect(sink.position(1)).toBe(64);
  });

  test("refuses calls that the kernel cannot take", () => {
    const { sink } = clockWith(fc.sample(anyPrices, { seed: 3, numRuns: 1 })[0]!);
    expect(() => sink.call(0, "noteSeven", [])).toThrow(/the kernel has no entry 'noteSeven'/);
    expect(() => sink.call(0, "noteSix", [1, 2, 3, 4, 5, 6, 7])).toThrow(/at most 6 arguments/);
    expect([sink.position(0), sink.callRank()]).toEqual([0, 0]);
  });

  test("declares at once which address space a thread runs in, and counts its users", () => {
    const clock = clockWith(fc.sample(anyPrices, { seed: 4, numRuns: 1 })[0]!);
    const sink = new RingSink(clock.world);
    sink.thread(1, 2);
    sink.thread(2, 2);
    expect([1, 2].map((task) => clock.word("task", task, 1))).toEqual([2n, 2n]);
    expect([0, 1, 2].map((mm) => clock.word("mm", mm, 1))).toEqual([0n, 0n, 2n]);
  });
});
