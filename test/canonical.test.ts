/** What a search compares: worlds that will behave alike have the same bytes in STATE, whichever way led to them. */
import { expect, test } from "vitest";
import { INVARIANTS } from "../src/dsl/case.js";
import { EngineMachine } from "../src/engine/machine.js";
import { SMALL_CONFIG } from "../src/reference/small-config.js";
import { call, leaf, PAGING, pagingMachine } from "./paging-program.js";

/** The same entries twice: what one lot does, the other does at other sites. */
const TWICE = {
  ...PAGING,
  ops: [
    ...PAGING.ops,
    ...PAGING.ops.map((op) => ({
      ...op,
      imm: ["JMP", "BZ", "BNZ"].includes(op.op) ? op.imm + BigInt(PAGING.ops.length) : op.imm,
      site: op.site + PAGING.sites.length,
    })),
  ],
  sites: [...PAGING.sites, ...PAGING.sites],
  entries: [
    ...PAGING.entries,
    ...PAGING.entries
      .filter(({ name }) => ["setPte", "setPlain", "copy", "promiseRead", "free"].includes(name))
      .map(({ name, pc, args }) => ({ name: `${name}2`, pc: pc + PAGING.ops.length, args })),
  ],
};

function machine(cpus = 2): EngineMachine {
  const m = pagingMachine(new EngineMachine(TWICE, { ...SMALL_CONFIG, cpus }), 5);
  call(m, 0, "setPte", 0, leaf(1));
  m.access(1, 0, 1);
  return m;
}

function stateOf({ world }: EngineMachine): string {
  return Buffer.from(world.u8.subarray(world.value("stateBase"), world.value("stateEnd"))).toString("hex");
}

/** Takes the page away, copies its frame, stores to it, frees another one: all that leaves a site behind. */
function leaveSites(m: EngineMachine, suffix: "" | "2"): void {
  call(m, 0, `setPte${suffix}`, 0, leaf(1, 0n));
  call(m, 0, `copy${suffix}`, 1, 2, 0);
  m.access(1, 0, 1);
  call(m, 0, `promiseRead${suffix}`, 0, 1);
  call(m, 0, `free${suffix}`, 3);
}

test("worlds that differ in the steps that a report would name are the same world", () => {
  const [one, other] = [machine(), machine()];
  leaveSites(one, "");
  leaveSites(other, "2");
  expect(stateOf(other)).toBe(stateOf(one));
  // Every store and free that could be told apart was there.
  expect(stateOf(machine())).not.toBe(stateOf(one));
});

test("stores that wait in a buffer do not tell which step made them", () => {
  const [one, other] = [machine(), machine()];
  one.start(0, "setPlain", [0, leaf(2)]);
  other.start(0, "setPlain2", [0, leaf(2)]);
  for (const m of [one, other]) for (let step = 0; step < 2; step++) m.step(0);
  const buffer = ({ world }: EngineMachine) => {
    const at = world.value("hwBase") + world.value("hwStores");
    return world.u8.slice(at, at + 16);
  };
  expect(buffer(one).some((byte) => byte !== 0)).toBe(true);
  expect(buffer(other)).toEqual(buffer(one));
});

test("a promise that excuses other calls leaves nothing behind when those have ended", () => {
  const [one, other] = [machine(3), machine(3)];
  // In one of them, CPU 2's call is under way while CPU 0 takes the page away.
  one.start(2, "zap", [1]);
  one.step(2);
  call(one, 0, "setPte", 0, 0n);
  while (one.step(2) === "stepped");
  call(other, 2, "zap", 1);
  call(other, 0, "setPte", 0, 0n);
  expect(stateOf(other)).toBe(stateOf(one));
});

test("a violation is counted at once, and named in the order of the contract", () => {
  const m = machine();
  const { functions } = m.world;
  expect(functions.violationsSoFar()).toBe(0);
  call(m, 0, "setPte", 0, leaf(1, 0n));
  call(m, 0, "promiseRead", 0, 1);
  const before = stateOf(m);
  m.access(1, 0, 1);
  expect(functions.violationsSoFar()).toBe(1);
  expect(INVARIANTS[functions.firstViolation()]).toBe("stale-right");
  expect(stateOf(m)).toBe(before);
  functions.forgetViolations();
  expect(functions.violationsSoFar()).toBe(0);
});

test("more page tables than a slot has bits for are refused", () => {
  expect(() => new EngineMachine(PAGING, { ...SMALL_CONFIG, tables: 600_000 }, "debug")).toThrow(
    "simulating 600000 page tables; at most 524288 fit",
  );
});

test("a canonical world has at most 16 CPUs, and says so", () => {
  expect(
    () => new EngineMachine(PAGING, { ...SMALL_CONFIG, cpus: 17 }, "debug", undefined, { canonical: true }),
  ).toThrow("at most 16 CPUs");
});
