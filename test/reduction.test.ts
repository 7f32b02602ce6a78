/** What the reductions leave out loses nothing: violations, deadlocks and windows are the same with and without them. */
import { describe, expect, test } from "vitest";
import type { Case } from "../src/dsl/case.js";
import type { Footprint } from "../src/engine/footprint.js";
import type { CpuReduction, Reduction } from "../src/engine/reduction.js";
import { searchCase } from "../src/engine/search.js";
import { scenarioNamed } from "../src/scenario/all.js";
import { type Found, searchPlainly } from "./adversary.js";
import { randomSmallCase } from "./generate-case.js";

/** Spaces with more states are left out. */
const LIMIT = 3_000;
const CASES = Number(process.env.SOAK ?? 300);

type Spoil = (reduction: Reduction) => Reduction;

/** Undefined when the space is too large. */
function search(one: Case, spoil?: Spoil): Found | undefined {
  try {
    return searchPlainly(one, { ...(spoil && { spoil }), states: LIMIT });
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

const asItIs: Spoil = (reduction) => reduction;

const kept = ({ violations, windows, deadlock }: Found) => ({ violations, windows, deadlock });

const wholes = Array.from({ length: CASES }, (_, seed) => seed).flatMap((seed) => {
  const one = randomSmallCase(seed);
  const whole = search(one);
  return whole === undefined ? [] : [{ seed, one, whole }];
});

test("random small cases have the same violations, deadlocks and windows when orders are left out", () => {
  let smaller = 0;
  for (const { seed, one, whole } of wholes) {
    const reduced = search(one, asItIs)!;
    expect({ seed, ...kept(reduced) }).toEqual({ seed, ...kept(whole) });
    if (reduced.states < whole.states) smaller++;
  }
  expect(wholes.length).toBeGreaterThan((2 / 3) * CASES);
  expect(smaller).toBeGreaterThan(wholes.length / 2);
});

test("among them are some that break something, some that are stuck, and some that enter windows", () => {
  const count = (is: (whole: Found) => boolean) => wholes.filter(({ whole }) => is(whole)).length;
  expect(count(({ violations }) => violations.length > 0)).toBeGreaterThan(20);
  expect(count(({ deadlock }) => deadlock)).toBeGreaterThan(10);
  expect(count(({ windows }) => windows.length > 0)).toBeGreaterThan(50);
});

/** Every set of every table goes through `change`. */
function changeSets(reduction: Reduction, change: (set: Footprint) => Footprint): Reduction {
  const cpus = reduction.cpus.map((cpu): CpuReduction => {
    const reach = (all: CpuReduction["tail"]) =>
      all.map(({ touched, ends }) => ({ touched: change(touched), ends }));
    return {
      ...cpu,
      own: cpu.own.map(change),
      tail: reach(cpu.tail),
      reach: cpu.reach.map(reach),
      script: cpu.script.map(reach),
      handler: change(cpu.handler),
      anytime: change(cpu.anytime),
      userTime: change(cpu.userTime),
    };
  });
  return { ...reduction, cpus };
}

const without =
  (bits: (reduction: Reduction) => bigint): Spoil =>
  (reduction) =>
    changeSets(reduction, ({ uses, changes }) => ({
      uses: uses & ~bits(reduction),
      changes: changes & ~bits(reduction),
    }));

const forEachCpu =
  (change: (cpu: CpuReduction) => Partial<CpuReduction>): Spoil =>
  (reduction) => ({ ...reduction, cpus: reduction.cpus.map((cpu) => ({ ...cpu, ...change(cpu) })) });

const NOTHING: Footprint = { uses: 0n, changes: 0n };

/** Mistakes that somebody could make. */
const spoils: Readonly<Record<string, Spoil>> = {
  "page tables, frames and marks are forgotten": without(({ entry }) => entry.uses | entry.changes),
  "words are forgotten": without(({ words }) => words),
  "what comes behind the next op is forgotten": forEachCpu((cpu) => ({
    reach: cpu.reach.map(() => cpu.own.map((touched) => ({ touched, ends: false }))),
  })),
  "interrupt handlers are forgotten": forEachCpu(() => ({ handler: NOTHING })),
  "liberties are forgotten": forEachCpu(() => ({ anytime: NOTHING, userTime: NOTHING })),
  "every lock counts as held": (reduction) =>
    forEachCpu((cpu) => ({ held: cpu.held.map(() => (1 << reduction.views) - 1) }))(reduction),
};

describe("a wrong footprint is noticed", () => {
  test.each(Object.keys(spoils))("%s", (name) => {
    const caught = wholes.find(({ one, whole }) => {
      const found = search(one, spoils[name]);
      return found === undefined || JSON.stringify(kept(found)) !== JSON.stringify(kept(whole));
    });
    expect(caught, "no case told the difference").toBeDefined();
  });
});

/** Kernel scenarios whose whole spaces are small, and by how much they shrink at least. */
const scenarios = [
  ["A2-switching-window", 3],
  ["A5-switch-barrier", 1.3],
  ["D-clean-multi", 2],
] as const;

test("a store that is held back has a class: without it, a race that needs a late store is missed", async () => {
  const one = (await scenarioNamed("A5-switch-barrier")).variants["no-fence"]!.build();
  const spoil: Spoil = (reduction) => ({ ...reduction, wordClass: () => 0n });
  expect(searchPlainly(one, { spoil: asItIs }).violations).not.toEqual([]);
  expect(searchPlainly(one, { spoil }).violations).toEqual([]);
});

describe.each(scenarios)("%s", async (name, factor) => {
  const { variants } = await scenarioNamed(name);
  test.each(Object.keys(variants))(`%s shrinks at least ${factor}-fold and says the same`, (variant) => {
    const one = variants[variant]!.build();
    const whole = searchPlainly(one, {});
    const reduced = searchPlainly(one, { spoil: asItIs });
    expect(kept(reduced)).toEqual(kept(whole));
    expect(whole.states / reduced.states).toBeGreaterThan(factor);
    const { expected, breaks } = variants[variant]!;
    expect(searchCase(one, { reduce: true })).toMatchObject({
      verdict: expected,
      ...(breaks && { invariant: breaks }),
    });
  });
});
