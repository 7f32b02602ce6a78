import { expect, test } from "vitest";
import type { Case } from "../src/dsl/case.js";
import type { MicroOp, Program } from "../src/dsl/program.js";
import { runToEnd } from "../src/reference/drive.js";
import { exploreNaively } from "../src/reference/explore.js";
import { ReferenceMachine } from "../src/reference/machine.js";
import { SMALL_CONFIG } from "../src/reference/small-config.js";
import type { MachineConfig } from "../src/reference/state.js";
import { at, op, tinyProgram } from "./tiny-program.js";

const X = at("global", 0);
const Y = at("global", 1);
const LOCK = at("global", 2);
/** What a CPU saw, in its own record. */
const SEEN = at("cpu", 0);
const SEEN_TOO = at("cpu", 1);

const store = (imm: bigint, value: number) => [op("LI", { dst: 1, imm: value }), op("ST", { imm, c: 1 })];
const note = (register: number, imm = SEEN) => [op("CPU", { dst: 9 }), op("ST", { imm, a: 9, c: register })];

function programOf(left: MicroOp[], right: MicroOp[], interrupt: MicroOp[] = []): Program {
  const entries = { left: { ops: left }, right: { ops: right }, call_function_interrupt: { ops: interrupt } };
  return tinyProgram({ global: 3, cpu: 2 }, entries);
}

/** Outcomes (what `read` gives at the end) over all orders of steps and drains. */
function everyOutcome(
  program: Program,
  model: MachineConfig["model"],
  read: (machine: ReferenceMachine) => string,
): string[] {
  const { geometry: _geometry, pwc: _pwc, serves: _serves, ...sizes } = SMALL_CONFIG;
  const outcomes = new Set<string>();
  const play: Case = {
    program,
    machine: { ...sizes, model, storeBuffer: 3, tlb: { sets: 1, ways: 1 }, walkCache: 0 },
    setup: [],
    threads: [
      { cpu: 0, does: [{ call: "left", args: [] }] },
      { cpu: 1, does: [{ call: "right", args: [] }] },
    ],
    liberties: [],
    windows: [],
  };
  exploreNaively(play, 100_000, { atEnd: ({ machine }) => outcomes.add(read(machine)) });
  return [...outcomes].sort();
}

const seenByBoth = (machine: ReferenceMachine) => `${machine.peek("cpu", 0, 0)}${machine.peek("cpu", 1, 0)}`;
const seenByRight = (machine: ReferenceMachine) => `${machine.peek("cpu", 1, 0)}${machine.peek("cpu", 1, 1)}`;

const buffering = (between: MicroOp[]) =>
  programOf(
    [...store(X, 1), ...between, op("LD", { dst: 2, imm: Y }), ...note(2)],
    [...store(Y, 1), ...between, op("LD", { dst: 2, imm: X }), ...note(2)],
  );

test("store buffering: both CPUs may miss the other's store in tso, never in sc, and never over a fence", () => {
  expect(everyOutcome(buffering([]), "sc", seenByBoth)).toEqual(["01", "10", "11"]);
  expect(everyOutcome(buffering([]), "tso", seenByBoth)).toEqual(["00", "01", "10", "11"]);
  expect(everyOutcome(buffering([op("FENCE")]), "tso", seenByBoth)).toEqual(["01", "10", "11"]);
});

/** A last step: the end of a program lets every store go at once. */
const pause = op("WORK");

const messagePassing = (between: MicroOp[]) =>
  programOf(
    [...store(X, 1), ...between, ...store(Y, 1), pause],
    [op("LD", { dst: 2, imm: Y }), op("LD", { dst: 3, imm: X }), ...note(2), ...note(3, SEEN_TOO)],
  );

test("message passing: a flag may overtake its data in weak, not in tso, and not over a write barrier", () => {
  expect(everyOutcome(messagePassing([]), "tso", seenByRight)).toEqual(["00", "01", "11"]);
  expect(everyOutcome(messagePassing([]), "weak", seenByRight)).toEqual(["00", "01", "10", "11"]);
  expect(everyOutcome(messagePassing([op("FENCE", { imm: 2 })]), "weak", seenByRight)).toEqual([
    "00",
    "01",
    "11",
  ]);
});

test("an atomic that returns nothing does not overtake a write barrier in weak, but orders nothing by itself", () => {
  const flagByAtomic = (between: MicroOp[]) =>
    programOf(
      [...store(X, 1), ...between, op("ADDV", { imm: Y, c: 1 }), pause],
      [op("LD", { dst: 2, imm: Y }), op("LD", { dst: 3, imm: X }), ...note(2), ...note(3, SEEN_TOO)],
    );
  expect(everyOutcome(flagByAtomic([]), "weak", seenByRight)).toContain("10");
  expect(everyOutcome(flagByAtomic([op("FENCE", { imm: 2 })]), "weak", seenByRight)).not.toContain("10");
  expect(everyOutcome(flagByAtomic([]), "tso", seenByRight)).not.toContain("10");
});

test("a spinlock excludes: no increment is lost under it, and one can be without it", () => {
  const increment = [
    op("LD", { dst: 2, imm: X }),
    op("ADD", { dst: 2, a: 2, imm: 1 }),
    op("ST", { imm: X, c: 2 }),
  ];
  const locked = [op("LOCK", { imm: LOCK }), ...increment, op("UNLOCK", { imm: LOCK })];
  const sum = (machine: ReferenceMachine) => `${machine.peek("global", 0, 0)}`;
  expect(everyOutcome(programOf(increment, increment), "tso", sum)).toEqual(["1", "2"]);
  expect(everyOutcome(programOf(locked, locked), "tso", sum)).toEqual(["2"]);
});

test("readers share an rw-semaphore, a writer excludes, and a downgrade lets readers in", () => {
  const program = programOf(
    [op("RLOCK", { imm: LOCK }), op("RUNLOCK", { imm: LOCK })],
    [op("WLOCK", { imm: LOCK }), op("DOWNGRADE", { imm: LOCK }), op("RUNLOCK", { imm: LOCK })],
  );
  const machine = new ReferenceMachine(program, SMALL_CONFIG);
  machine.start(0, "left", []);
  machine.start(1, "right", []);
  expect(machine.step(0)).toBe("stepped");
  expect(machine.step(1)).toBe("disabled");
  expect(machine.step(0)).toBe("ended");
  expect(machine.step(1)).toBe("stepped");
  machine.start(0, "left", []);
  expect(machine.step(0)).toBe("disabled");
  expect(machine.step(1)).toBe("stepped");
  expect(machine.step(0)).toBe("stepped");
  expect(machine.peek("global", 0, 2)).toBe(2n);
});

test("a lock that is not held cannot be released", () => {
  const machine = new ReferenceMachine(programOf([op("UNLOCK", { imm: LOCK })], []), SMALL_CONFIG);
  machine.start(0, "left", []);
  expect(() => machine.step(0)).toThrow("not held");
});

test("an interrupt waits until interrupts are on, is taken once, and holds up the task", () => {
  const send = [
    op("LI", { dst: 1, imm: 1 }),
    op("QPUSH", { dst: 2, c: 1 }),
    op("RAISE1", { c: 1 }),
    op("AWAIT", { imm: X, c: 1, d: 0 }),
  ];
  const masked = [op("IRQ_OFF"), op("LD", { dst: 3, imm: Y }), op("IRQ_ON"), op("LD", { dst: 3, imm: Y })];
  const answer = [op("QPOP", { dst: 5 }), op("LI", { dst: 6, imm: 1 }), op("XCHG", { imm: X, c: 6 })];
  const machine = new ReferenceMachine(programOf(send, masked, answer), SMALL_CONFIG);
  machine.start(1, "right", []);
  machine.step(1);
  machine.start(0, "left", []);
  machine.step(0);
  machine.step(0);
  expect(machine.step(0)).toBe("disabled");
  expect(machine.deliver(1)).toBe(false);
  machine.step(1);
  machine.step(1);
  expect(machine.deliver(1)).toBe(true);
  expect(machine.deliver(1)).toBe(false);
  expect(machine.state().cpus[1]).toMatchObject({
    queue: [0],
    pending: false,
    interruptContext: { registers: { 3: 0n } },
  });
  expect([machine.step(1), machine.step(1)]).toEqual(["stepped", "ended"]);
  expect(machine.step(0)).toBe("ended");
  expect(machine.next(1)?.op).toBe("LD");
});

test("runToEnd drives all CPUs, and says where they stand when nothing can move", () => {
  const send = [op("LI", { dst: 1, imm: 1 }), op("RAISE1", { c: 1 }), op("AWAIT", { imm: X, c: 1, d: 0 })];
  const answers = programOf(send, [], [op("LI", { dst: 6, imm: 1 }), op("ST", { imm: X, c: 6 })]);
  expect(runToEnd(new ReferenceMachine(answers, SMALL_CONFIG), 0, "left")).toBe(0n);
  const silent = programOf(send, []);
  expect(() => runToEnd(new ReferenceMachine(silent, SMALL_CONFIG), 0, "left")).toThrow(
    "left does not end: CPU 0 waits at AWAIT left.2; CPU 1 is in user mode",
  );
});
