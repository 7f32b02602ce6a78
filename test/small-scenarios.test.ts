/**
 * What is left out, or taken for one, changes no answer: every variant of every scenario whose whole space is small is searched in full, and
 * again with each reduction from the first state on.
 */
import { afterAll, describe, expect, test } from "vitest";
import type { Case } from "../src/dsl/case.js";
import { type SearchOptions, type SearchResult, searchCase } from "../src/engine/search.js";
import { symmetryOf } from "../src/engine/symmetry.js";
import { scenarioNamed, scenarioNames } from "../src/scenario/all.js";
import type { ScenarioVariant } from "../src/scenario/scenario.js";

/** A space of no more states is small. */
const STATES = 1_000_000;

interface Shrunk {
  readonly variant: string;
  readonly full: number;
  readonly reduced: number;
  /** Undefined where no two CPUs are alike. */
  readonly renamed?: number;
}

const shrunk: Shrunk[] = [];
const sum = (of: (one: Shrunk) => number): number => shrunk.reduce((all, one) => all + of(one), 0);

/** The variant's case without its bounds: what is left out is looked at on the whole space. */
function caseOf({ build, bounds = {} }: ScenarioVariant): Case {
  const play = build();
  return { ...play, machine: { ...play.machine, model: bounds.model ?? play.machine.model } };
}

/** Of a search that goes on behind what it finds. */
const answers = ({ verdict, complete, windows, violations, deadlocks }: SearchResult) => ({
  verdict,
  complete,
  entered: windows.filter(({ entered }) => entered > 0).map(({ name }) => name),
  violates: violations > 0,
  isStuck: deadlocks > 0,
});

/** Of a search that ends with the first violation. */
const first = ({ verdict, invariant, path, isShortest }: SearchResult) => ({
  verdict,
  invariant,
  length: path?.length,
  isShortest,
});

const reduced: SearchOptions = { reduce: true, fullStates: 0, symmetry: false };
const renamed: SearchOptions = { symmetry: true };

/** Undefined when the space is not small. */
function compare(play: Case): Omit<Shrunk, "variant"> | undefined {
  const counting = { count: true, states: STATES } as const;
  const full = searchCase(play, counting);
  if (!full.complete) return undefined;
  const ways = symmetryOf(play) === undefined ? [reduced] : [reduced, renamed];
  const states = ways.map((way) => {
    const less = searchCase(play, { ...counting, ...way });
    expect(answers(less)).toEqual(answers(full));
    expect(less.states).toBeLessThanOrEqual(full.states);
    return less.states;
  });
  if (full.verdict === "unsafe") {
    const shortest = first(searchCase(play));
    expect(shortest.isShortest).toBe(true);
    for (const way of ways) expect(first(searchCase(play, way))).toEqual(shortest);
  }
  return { full: full.states, reduced: states[0]!, ...(ways.length > 1 && { renamed: states[1]! }) };
}

const scenarios = await Promise.all(scenarioNames().map(scenarioNamed));
const everything = scenarios.flatMap(({ name, variants }) =>
  Object.entries(variants).map(([variant, declared]) => [`${name}/${variant}`, declared] as const),
);

describe("reductions", () => {
  test.each(everything)(
    "answer the same of %s as the whole space",
    { timeout: 120_000 },
    (variant, declared) => {
      const compared = compare(caseOf(declared));
      if (compared !== undefined) shrunk.push({ variant, ...compared });
    },
  );

  test("are compared on nine of ten variants, of which a fifth shrink to less than half", () => {
    expect(shrunk.length).toBeGreaterThan(0.9 * everything.length);
    const half = shrunk.filter((one) => one.reduced < one.full / 2);
    expect(half.length).toBeGreaterThan(shrunk.length / 5);
    expect(shrunk.some((one) => one.renamed !== undefined && one.renamed < one.full / 2)).toBe(true);
  });

  test("leave a search for livelocks as it is", () => {
    const declared = everything.filter(([, { bounds }]) => bounds?.livelock);
    expect(declared.length).toBeGreaterThan(0);
    for (const [, variant] of declared) {
      const play = caseOf(variant);
      const whole = first(searchCase(play, { livelock: true }));
      expect(whole.verdict).toBe(variant.expected);
      for (const way of [reduced, renamed])
        expect(first(searchCase(play, { ...way, livelock: true }))).toEqual(whole);
    }
  });
});

afterAll(() => {
  const alike = shrunk.filter((one) => one.renamed !== undefined).length;
  const text =
    `${shrunk.length} of ${everything.length} variants have at most ${STATES} states: ${sum((one) => one.full)} in full, ` +
    `${sum((one) => one.reduced)} reduced; ${alike} have CPUs that are alike`;
  process.stdout.write(`${text}\n`);
});
