/**
 * Small mechanisms at random, each searched in full: by the engine, by the twin, and by thousands of random schedules, none of which may
 * find what the search calls safe. SOAK=500 takes that many mechanisms from a seed of its own, which it prints.
 */
import { expect, test } from "vitest";
import { formatChoices } from "../src/dsl/choices.js";
import { searchCase } from "../src/engine/search.js";
import { exploreNaively, startOf } from "../src/reference/explore.js";
import { randomFrom, randomMechanism } from "./generate-mechanism.js";
import { randomRun } from "./random-schedule.js";

const soak = Number(process.env.SOAK ?? 0);
const first = soak > 0 ? Date.now() % 2 ** 30 : 1;
const count = soak > 0 ? soak : 120;
/** What the twin is asked to see in full. */
const TWIN_STATES = soak > 0 ? 5000 : 600;
const SEARCHED = 500_000;
const SCHEDULES = 40;

if (soak > 0) console.log(`adversary: ${count} mechanisms from seed ${first}`);
const seeds = Array.from({ length: count }, (_, at) => first + at);

test("the search sees the states of the twin", { timeout: 600_000 }, () => {
  let compared = 0;
  for (const seed of seeds) {
    const play = randomMechanism(seed);
    const counted = searchCase(play, { count: true, states: TWIN_STATES });
    if (!counted.complete) continue;
    compared++;
    const { states, transitions, deadlocks, verdict, violations } = exploreNaively(play, TWIN_STATES + 1, {
      whole: true,
    });
    expect(counted, `seed ${seed}`).toMatchObject({ states, transitions, deadlocks, verdict });
    const found = searchCase(play);
    expect(found.verdict, `seed ${seed}`).toBe(verdict);
    expect(found.path?.length, `seed ${seed}`).toBe(violations[0]?.path.length);
  }
  expect(compared).toBeGreaterThan(count / 2);
});

test("no random schedule finds what the search calls safe", { timeout: 600_000 }, () => {
  let schedules = 0;
  let found = 0;
  for (const seed of seeds) {
    const play = randomMechanism(seed);
    const { verdict } = searchCase(play, { states: SEARCHED });
    if (verdict === "unknown") continue;
    expect(searchCase(play, { states: SEARCHED, reduce: true }).verdict, `seed ${seed}, reduced`).toBe(
      verdict,
    );
    const start = startOf(play);
    for (let schedule = 0; schedule < SCHEDULES; schedule++) {
      schedules++;
      const { choices, broken } = randomRun(start, randomFrom(seed * 1000 + schedule));
      if (broken === undefined) continue;
      found++;
      expect(verdict, `seed ${seed}: ${broken} by ${formatChoices(choices)}`).toBe("unsafe");
    }
  }
  // Else the mechanisms would be all right, or the schedules all alike.
  expect(schedules).toBeGreaterThan(count * 20);
  expect(found).toBeGreaterThan(schedules / 20);
});
