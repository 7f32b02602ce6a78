/** Two models written twice, for SPIN and in the mechanisms' language, at the same steps: the same states, verdicts, shortest ways. */
import { describe, expect, test } from "vitest";
import { batchedCase } from "../bench/spin/batched.js";
import { irqOffCase } from "../bench/spin/irq-off.js";
import { runSpin, spinMissing } from "../bench/spin/run-spin.js";
import type { Case } from "../src/dsl/case.js";
import { exploreNaively } from "../src/reference/explore.js";

const missing = spinMissing();
if (missing !== undefined) console.log(`comparison with SPIN skipped: ${missing}`);

const exactly = { everyVariable: true, fastToCompile: true };

interface Pair {
  readonly what: string;
  readonly model: string;
  readonly defines: readonly string[];
  readonly play: Case;
}

const batched = (users: number, pages: number, rule: "flag" | "counters"): Pair => ({
  what: `${rule}, CPUs ${users}, pages ${pages}`,
  model: "batched.pml",
  defines: [`USERS=${users}`, `PAGES=${pages}`, ...(rule === "counters" ? ["COUNTERS"] : [])],
  play: batchedCase({ users, pages, rule }),
});

const safe: Pair[] = [
  batched(1, 1, "flag"),
  batched(1, 1, "counters"),
  batched(1, 2, "counters"),
  batched(2, 1, "counters"),
  { what: "interrupts on", model: "irq-off.pml", defines: ["IRQ_ON"], play: irqOffCase("on") },
];

describe.skipIf(missing !== undefined)("SPIN and the twin", () => {
  test.each(safe)("prove the same and see the same states: $what", ({ model, defines, play }) => {
    const spin = runSpin(model, defines, exactly);
    const twin = exploreNaively(play);
    expect(spin.verdict).toBe("safe");
    expect(twin).toMatchObject({ verdict: "safe", complete: true, states: spin.states });
  });

  test("find the lost flag by ways of the same length", () => {
    const { model, defines, play } = batched(1, 2, "flag");
    const spin = runSpin(model, defines, { shortest: true, ...exactly });
    const { verdict, violations } = exploreNaively(play);
    expect([spin.verdict, verdict]).toEqual(["unsafe", "unsafe"]);
    expect(violations.map(({ invariant }) => invariant)).toEqual(["stale-right"]);
    // SPIN counts the events before the one that fails.
    expect(violations[0]!.path.length).toBe(spin.depth + 1);
  });

  test("find the deadlock by ways of the same length, and agree on the states around it", () => {
    const play = irqOffCase("off");
    const shortest = runSpin("irq-off.pml", [], { shortest: true, ...exactly });
    const { violations } = exploreNaively(play);
    expect(violations.map(({ invariant, path }) => [invariant, path.length])).toEqual([["progress", 5]]);
    expect([shortest.verdict, shortest.depth]).toEqual(["unsafe", 5]);
    const whole = runSpin("irq-off.pml", [], { whole: true, ...exactly });
    expect(exploreNaively(play, 1000, { whole: true })).toMatchObject({
      states: whole.states,
      complete: true,
      deadlocks: whole.errors,
    });
  });
});
