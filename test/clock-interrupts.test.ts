/** When an interrupt is taken: exactly when it arrives if the CPU lets it, else at the next moment that it does. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MicroOp } from "../src/dsl/program.js";
import { quantumOf } from "../src/engine/run.js";
import { machineNumbers } from "../src/machine/preset.js";
import { machines } from "../src/machine/presets.js";
import type { FeedSink } from "../src/workload/feed.js";
import {
  anyPrices,
  distance,
  flight,
  lookahead,
  type Prices,
  TinyClock,
  type TinyClockOptions,
  transfer,
} from "./tiny-clock.js";
import { at, op, tinyProgram } from "./tiny-program.js";

/** The word that a handler sets, on a line of each CPU's own. */
const ANSWER = 0;
const WORDS_OF_A_LINE = 8;
/** Global words: the mask for `askAll`, and a lock that a CPU can be made to wait for. */
const MASK = at("global", 0);
const LOCK = at("global", WORDS_OF_A_LINE);
const EQUAL = 0;
const WORKS = 5;

const work = (imm: number): MicroOp => op("WORK", { imm });
const awaitAnswer = op("AWAIT", { a: 0, imm: at("cpu", ANSWER), c: 1, d: EQUAL });

/** ask(target, 1) and askAll(target, 1): interrupt it, or everybody in the mask, and wait for the target's answer. */
const program = {
  ...tinyProgram(
    { global: 2 * WORDS_OF_A_LINE, cpu: WORDS_OF_A_LINE },
    {
      context_switch: { ops: [] },
      page_fault: { ops: [] },
      call_function_interrupt: {
        ops: [
          op("CPU", { dst: 0 }),
          op("LI", { dst: 1, imm: 1 }),
          op("ST", { a: 0, imm: at("cpu", ANSWER), c: 1 }),
        ],
      },
      ask: { ops: [op("MARK", { imm: 0 }), op("RAISE1", { c: 0 }), awaitAnswer, op("MARK", { imm: 1 })] },
      askAll: {
        ops: [op("MARK", { imm: 0 }), op("RAISE", { imm: MASK }), awaitAnswer, op("MARK", { imm: 1 })],
      },
      /** Interrupts are off during WORK 1 and 2. */
      busy: { ops: [work(0), op("IRQ_OFF"), work(1), work(2), op("IRQ_ON"), work(3), work(4)] },
      hold: { ops: [op("LOCK", { imm: LOCK }), work(0), op("UNLOCK", { imm: LOCK })] },
    },
  ),
  works: Array.from({ length: WORKS }, (_, index) => `work ${index}`),
};

/** A stretch of a CPU's time. An open one can be interrupted anywhere; others at their end, unless that is masked. */
interface Stretch {
  readonly cycles: number;
  readonly kind: "open" | "whole" | "masked";
}

/** When an interrupt that arrives at `arrival` is taken by a CPU that begins these stretches at `start`. */
function takenAt(start: number, stretches: readonly Stretch[], arrival: number): number {
  let time = start;
  for (const { cycles, kind } of stretches) {
    const end = time + cycles;
    if (arrival <= end && kind === "open") return Math.max(time, arrival);
    if (arrival <= end && kind === "whole") return end;
    time = end;
  }
  throw new RangeError("it arrives behind the last stretch");
}

const sum = (stretches: readonly Stretch[]): number =>
  stretches.reduce((total, { cycles }) => total + cycles, 0);

/** What a task does, as records and as stretches. */
interface Act {
  readonly write: (sink: FeedSink, task: number) => void;
  readonly stretches: (prices: Prices, works: readonly number[]) => readonly Stretch[];
}

const compute = (cycles: number): Act => ({
  write: (sink, task) => sink.compute(task, cycles),
  stretches: () => [{ cycles, kind: "open" }],
});

const busy: Act = {
  write: (sink, task) => sink.call(task, "busy", []),
  stretches: ({ syscallEntry, irqToggle, syscallExit }, works) => [
    { cycles: syscallEntry, kind: "whole" },
    { cycles: works[0]!, kind: "whole" },
    { cycles: irqToggle, kind: "masked" },
    { cycles: works[1]!, kind: "masked" },
    { cycles: works[2]!, kind: "masked" },
    { cycles: irqToggle, kind: "whole" },
    { cycles: works[3]!, kind: "whole" },
    // The way back to user mode belongs to the last step.
    { cycles: works[4]! + syscallExit, kind: "whole" },
  ],
};

const act: fc.Arbitrary<Act> = fc.oneof(fc.integer({ min: 1, max: 700 }).map(compute), fc.constant(busy));
/** Longer than anything before an interrupt arrives. */
const FOREVER = 15_000;
const LONGER = 40_000;

/** The initiator on `from` asks the CPU `to`; everything else is the case's choice. */
const scene = fc
  .record({
    prices: anyPrices,
    works: fc.array(fc.integer({ min: 1, max: 700 }), { minLength: WORKS, maxLength: WORKS }),
    from: fc.nat({ max: 15 }),
    to: fc.nat({ max: 15 }),
    ready: fc.tuple(fc.nat({ max: 1500 }), fc.nat({ max: 3000 })),
    before: fc.nat({ max: 3000 }),
    acts: fc.array(act, { maxLength: 6 }),
    quantum: fc.double({ min: 0.2, max: 1, noNaN: true }),
  })
  .filter(({ from, to }) => from !== to);

type Scene = typeof scene extends fc.Arbitrary<infer T> ? T : never;

/** Any length up to the lookahead, which must not change a time. */
function clockFor(
  { prices, works, quantum }: Pick<Scene, "prices" | "works" | "quantum">,
  more: Partial<TinyClockOptions> = {},
) {
  return new TinyClock(program, { prices, works, quantum: Math.ceil(quantum * lookahead(prices)), ...more });
}

/** When a task that exists from `ready` on executes its first record. */
const userFrom = (prices: Prices, ready: number): number => ready + prices.idleWake + prices.contextSwitch;
/** From the moment an interrupt is taken to the end of the handler's store. */
const answering = (prices: Prices): number => prices.irqEntry + prices.memL1 + prices.store;
const parameters = { seed: 20260807, numRuns: 300 };

describe("an interrupt sent to one CPU", () => {
  test("is taken when it arrives, or at the next moment that the CPU lets it", () => {
    fc.assert(
      fc.property(scene, (one) => {
        const { prices, works, from, to, before } = one;
        const [fromReady, toReady] = one.ready;
        const acts = [...one.acts, compute(FOREVER)];
        const clock = clockFor(one)
          .task(from, fromReady, (sink) => {
            sink.compute(from, before);
            sink.call(from, "ask", [to, 1]);
          })
          .task(to, toReady, (sink) => acts.forEach(({ write }) => write(sink, to)))
          .run();

        const sent = userFrom(prices, fromReady) + before + prices.syscallEntry;
        const arrival = sent + flight(prices, from, to);
        const wasIdle = arrival <= toReady;
        const entering: Stretch = { cycles: prices.idleWake + prices.contextSwitch, kind: "whole" };
        const stretches = [entering, ...acts.flatMap((each) => each.stretches(prices, works))];
        const taken = wasIdle ? arrival : takenAt(toReady, stretches, arrival);
        const waking = wasIdle ? prices.idleWake : 0;
        expect(clock.latencies("shootdown")).toEqual([
          taken - sent + waking + answering(prices) + transfer(prices, from, to),
        ]);

        // The interrupted CPU loses the time of the handler and no other: it is never idle between its records.
        const handling = waking + answering(prices) + prices.irqExit;
        const started = wasIdle ? Math.max(toReady, taken + handling) : toReady;
        expect(clock.clock(to)).toBe(
          started + sum(stretches) + (wasIdle ? 0 : handling) + prices.contextSwitch,
        );
        const user = acts
          .flatMap((each) => each.stretches(prices, works))
          .filter(({ kind }) => kind === "open");
        expect(clock.cycles(to)).toMatchObject({
          USER: sum(user),
          IRQ: handling,
          WALK: 0,
          LOCK_WAIT: 0,
          IPI_WAIT: 0,
        });
      }),
      parameters,
    );
  });

  test("is taken when it arrives by a CPU that waits for a lock, which then waits on", () => {
    fc.assert(
      fc.property(scene, (one) => {
        const { prices, from, to } = one;
        const holder = [0, 1, 2].find((cpu) => cpu !== from && cpu !== to)!;
        const held = 100_000;
        // The holder is there first; the CPU that waits is there before it is asked.
        const [holds, waits, asks] = [0, 5000, 10_000 + one.ready[0]];
        const clock = clockFor({ ...one, works: [held, 0, 0, 0, 0] })
          .task(holder, holds, (sink) => sink.call(holder, "hold", []))
          .task(to, waits, (sink) => sink.call(to, "hold", []))
          .task(from, asks, (sink) => sink.call(from, "ask", [to, 1]))
          .run();

        const inKernel = (ready: number): number => userFrom(prices, ready) + prices.syscallEntry;
        const answered = flight(prices, from, to) + answering(prices) + transfer(prices, from, to);
        expect(clock.latencies("shootdown")).toEqual([answered]);
        const unlocked = inKernel(holds) + prices.memL3 + prices.rmw + held + prices.memL1 + prices.store;
        const handling = answering(prices) + prices.irqExit;
        expect(clock.cycles(to)).toMatchObject({
          IRQ: handling,
          LOCK_WAIT: unlocked - inKernel(waits) - handling,
        });
        const section = transfer(prices, to, holder) + prices.rmw + held + prices.memL1 + prices.store;
        expect(clock.latencies("hold").at(-1)).toBe(
          prices.syscallEntry + unlocked - inKernel(waits) + section + prices.syscallExit,
        );
      }),
      { ...parameters, numRuns: 40 },
    );
  });
});

describe("an interrupt sent to many CPUs", () => {
  const cpus = 40;
  const crowd = fc
    .record({
      prices: anyPrices,
      targets: fc.uniqueArray(fc.integer({ min: 1, max: cpus - 1 }), { minLength: 1, maxLength: 12 }),
      chosen: fc.nat(),
      quantum: fc.double({ min: 0.2, max: 1, noNaN: true }),
    })
    .map((one) => ({ ...one, targets: one.targets.sort((a, b) => a - b), works: [] }));

  test("arrives at each one behind the commands and the targets before it", () => {
    fc.assert(
      fc.property(crowd, (one) => {
        const { prices, targets } = one;
        const target = targets[one.chosen % targets.length]!;
        const clock = clockFor(one, { cpus });
        const ready = 5000;
        clock.setWord(
          "global",
          0,
          0,
          targets.reduce((bits, cpu) => bits | (1n << BigInt(cpu)), 0n),
        );
        for (const cpu of targets) clock.task(cpu, 0, (sink) => sink.compute(cpu, LONGER));
        clock.task(0, ready, (sink) => sink.call(0, "askAll", [target, 1])).run();

        const cluster = (cpu: number): number => Math.floor(cpu / 16);
        /** Cycles until the command that reaches the last of these CPUs is out. */
        const sending = (reached: readonly number[]): number =>
          new Set(reached.map(cluster)).size * prices.ipiSend + reached.length * prices.ipiPerTarget;
        const until = sending(targets.filter((cpu) => cpu <= target));
        const handler = until + prices[`ipiDeliver${distance(0, target)}`] + prices.irqEntry;
        const all = sending(targets);
        // A sender that is still busy with others when the answer is given finds it there.
        const answered = all > handler ? all : handler + prices.memL1 + prices.store;
        expect(clock.latencies("shootdown")).toEqual([answered + transfer(prices, 0, target)]);
        for (const cpu of targets) expect(clock.cycles(cpu).IRQ).toBe(answering(prices) + prices.irqExit);
      }),
      { ...parameters, numRuns: 60 },
    );
  });
});

test.each(machines.map((machine) => [machine.name, machineNumbers(machine)] as const))(
  "%s: no quantum is so long that a CPU could miss what another one does",
  (_, machine) => expect(quantumOf(machine)).toBeLessThanOrEqual(lookahead(machine.prices)),
);
