/**
 * Every rule of the kernel that a build can break, with a schedule in which breaking it shows; the build as it should
 * be passes the same schedule.
 */

import { describe, expect, test } from "vitest";
import { MUTANTS, type MutantName } from "../src/kernel/options.js";
import { LOAD, SHARED_MEMORY, Stage, type StageOptions, STORE, sharedFile } from "./kernel-stage.js";

const DIRTY = 1n << 6n;
const covered: string[] = [];

/** Plays the same schedule with both builds. */
function canary<T>(
  mutant: MutantName,
  options: StageOptions,
  play: (stage: Stage) => T,
  outcome: { right: T; wrong: T },
): void {
  covered.push(mutant);
  describe(mutant, () => {
    test("not in the kernel as it should be", () => expect(play(new Stage(options))).toEqual(outcome.right));
    test(`in a build where ${MUTANTS[mutant]}`, () =>
      expect(play(new Stage({ ...options, mutants: { [mutant]: true } }))).toEqual(outcome.wrong));
  });
}

/** An access that nobody is entitled to, and what the oracle says of it. */
function late(stage: Stage, cpu: number, vpn: number, kind: 0 | 1): [reached: boolean, ...broken: string[]] {
  return [stage.reaches(cpu, vpn, kind), ...new Set(stage.violations())];
}

canary(
  "B-order-free",
  {},
  (stage) => {
    stage.threads(4);
    for (const cpu of [0, 1]) stage.touch(cpu, 0, STORE);
    stage.start(0, "munmap", 0, 4);
    stage.reach(0, "free_frozen_pages");
    stage.machine.step(0);
    return late(stage, 1, 0, LOAD);
  },
  { right: [false], wrong: [true, "stale-frame"] },
);

/** CPU 0 has zapped a page and not flushed; CPU 1 zaps the same page, finds nothing, and returns. */
function secondZap(stage: Stage): [boolean, ...string[]] {
  stage.threads(4);
  stage.touch(2, 0, STORE);
  stage.start(0, "madvise", 0, 4, 4);
  stage.until(0, "inc_mm_tlb_gen");
  stage.start(1, "madvise", 0, 4, 4);
  while (!stage.alone(1)) {
    stage.machine.deliver(2);
    stage.alone(2);
    if (stage.machine.deliver(0)) stage.alone(0);
  }
  return late(stage, 2, 0, LOAD);
}
