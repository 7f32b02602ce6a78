/** The search against its slow twin: the same states, transitions, deadlocks, verdicts, and counterexamples of the same length. */
import { describe, expect, test } from "vitest";
import type { Case } from "../src/dsl/case.js";
import { type Choice, formatReplay, parseReplay } from "../src/dsl/choices.js";
import { EngineMachine } from "../src/engine/machine.js";
import { searchCase } from "../src/engine/search.js";
import { exploreNaively, startOf } from "../src/reference/explore.js";
import { Player } from "../src/reference/player.js";
import { configOf, setUp } from "../src/reference/setup.js";
import { scenarioNamed, scenarioNames } from "../src/scenario/all.js";
import { oneIn } from "./thorough.js";

/** The twin sees some thousand states a second. SOAK=20000 compares larger spaces. */
const LIMIT = Number(process.env.SOAK ?? 900);
/** Assembling takes most of the time. */
const ONE_IN = process.env.SOAK ? 1 : 8;
/** A counterexample is looked for in this many states: what lies deeper is followed by tests of the scenario itself. */
const SEARCHED = process.env.SOAK ? 3_000_000 : 60_000;

const scenarios = await Promise.all(scenarioNames().map(scenarioNamed));
const variants = oneIn(
  ONE_IN,
  scenarios.flatMap(({ name, variants }) =>
    Object.entries(variants).map(([variant, { build, expected }]) => ({ name, variant, build, expected })),
  ),
);

describe.each(variants)("$name/$variant", ({ name, variant, build, expected }) => {
  test("has the states that the twin sees, and breaks the same", (context) => {
    const play = build();
    const counted = searchCase(play, { count: true, states: LIMIT });
    if (!counted.complete) return context.skip(`more than ${LIMIT} states`);
    const twin = exploreNaively(play, LIMIT + 1, { whole: true });
    const { states, transitions, deadlocks, complete, verdict } = twin;
    expect(counted).toMatchObject({ states, transitions, deadlocks, complete, verdict });
    const entered = counted.windows.filter((window) => window.entered > 0).map((window) => window.name);
    expect(entered.sort()).toEqual(play.windows.filter((window) => twin.windows.includes(window)).sort());
    const { invariant, path } = searchCase(play);
    const shortest = twin.violations[0]?.path.length;
    expect(path?.length).toBe(shortest);
    const ties = twin.violations.filter((violation) => violation.path.length === shortest);
    if (path !== undefined) expect(ties.map((violation) => violation.invariant)).toContain(invariant);
  });

  test.runIf(expected === "unsafe")("gives a counterexample that engine and twin can follow", (context) => {
    const play = build();
    const { invariant, path } = searchCase(play, { states: SEARCHED });
    if (path === undefined) return context.skip(`none in ${SEARCHED} states`);
    const replay = { scenario: name, variant, choices: path };
    expect(parseReplay(formatReplay(replay))).toEqual(replay);
    expect(brokenBy(enginePlayer(play), path)).toEqual([invariant]);
    expect(brokenBy(startOf(play), path)).toEqual([invariant]);
  });
});

/** The engine as it is driven from outside, step by step. */
function enginePlayer(play: Case): Player<EngineMachine> {
  const machine = new EngineMachine(play.program, configOf(play.machine));
  setUp(machine, play.setup);
  return new Player(machine, play);
}

/** What the choices break, at the last one and not before. Throws Error for a choice that is not enabled. */
function brokenBy(
  player: Player<EngineMachine> | ReturnType<typeof startOf>,
  choices: readonly Choice[],
): string[] {
  const broken = () => [
    ...new Set(player.machine.state().oracle.violations.map(({ invariant }) => invariant as string)),
  ];
  for (const [at, choice] of choices.entries()) {
    expect(broken(), `before choice ${at}`).toEqual([]);
    if (!player.apply(choice)) throw new Error(`choice ${at} is not enabled`);
  }
  const violations = broken();
  return violations.length > 0 ? violations : canMove(player) ? [] : ["progress"];
}

function canMove(player: Player<EngineMachine> | ReturnType<typeof startOf>): boolean {
  return player.choices().some((choice) => choice.do !== "liberty" && player.apply(choice));
}
