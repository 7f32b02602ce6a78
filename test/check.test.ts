import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import type { Choice } from "../src/dsl/choices.js";
import { parseChoices, parseReplay } from "../src/dsl/choices.js";
import { checkVariant, replayVariant } from "../src/engine/check.js";
import { checkResultSchema, type VariantResult } from "../src/engine/check-result.js";
import type { Exploration, Explore } from "../src/engine/explorer.js";
import { jsonSchemas } from "../src/engine/json-schemas.js";
import { exploreNaively } from "../src/reference/explore.js";
import { subject as switching } from "../src/scenario/A2-switching-window.js";
import { subject as deadlock } from "../src/scenario/A7-irqoff-ptl.js";
import { subject as clean } from "../src/scenario/D-clean-strict.js";
import type { Scenario, ScenarioVariant } from "../src/scenario/scenario.js";
import { stage, switchTo, threadsOf } from "../src/scenario/stage.js";

const LIMITS = { memoryMib: 100, reduction: false };

/** A search that gives a stated answer. */
const says =
  (answer: Partial<Exploration>): Explore =>
  () => ({
    violation: undefined,
    states: 1,
    depth: 0,
    complete: true,
    limit: undefined,
    windows: [],
    ...answer,
  });

/** The twin's search: slow, and independent of the engine's. */
const naively: Explore = (play) => {
  const { states, complete, violations, windows } = exploreNaively(play, 50_000);
  const [violation] = violations;
  const choices: readonly Choice[] = violation?.path ?? [];
  return {
    violation: violation && { invariant: violation.invariant, choices },
    states,
    depth: choices.length,
    complete,
    limit: undefined,
    windows,
  };
};

const tiny = (windows: readonly string[] = []) =>
  stage({ setup: threadsOf(0, 2), threads: [{ cpu: 0, does: [switchTo(1)] }], windows });

function withVariant(variant: Partial<ScenarioVariant>): Scenario {
  const declared = { title: "", expected: "safe", build: () => tiny(), ...variant } as const;
  return { name: "x", question: "?", source: "", variants: { a: declared } };
}

const verdictOf = (variant: Partial<ScenarioVariant>, answer: Partial<Exploration>): VariantResult =>
  checkVariant(withVariant(variant), "a", LIMITS, says(answer));

describe("a verdict", () => {
  test("is safe when all was seen and every window was entered", () => {
    expect(verdictOf({}, {})).toMatchObject({ verdict: "safe", asExpected: true, reason: null, found: null });
  });

  test("is unknown when a window was never entered, and says which", () => {
    const build = () => tiny(["w1", "w2"]);
    expect(verdictOf({ build }, { windows: ["w2"] })).toMatchObject({
      verdict: "unknown",
      asExpected: false,
      reason: "the space was seen in full, but nobody entered the window 'w1'",
      windows: [
        { name: "w1", entered: false },
        { name: "w2", entered: true },
      ],
    });
  });

  test.each([
    ["states", "the limit of 7 states was reached (--max-states)"],
    ["memory", "the limit of 100 MiB was reached (--memory)"],
    ["seconds", "the limit of 3 s was reached (--seconds)"],
    ["depth", "runs of more than 5 events were not followed (--depth)"],
    ["preemptions", "runs with more than 2 preemptions were not followed (--preemptions)"],
  ] as const)("is unknown at a limit of %s, and names it", (limit, reason) => {
    const limits = { ...LIMITS, states: 7, seconds: 3, depth: 5, preemptions: 2 };
    const result = checkVariant(withVariant({}), "a", limits, says({ complete: false, limit }));
    expect(result).toMatchObject({ verdict: "unknown", limit, reason });
  });

  test("is the expected one only when it breaks what it is known to break", () => {
    const choices = parseReplay("x/a@s0").choices;
    const found = { violation: { invariant: "lost-write" as const, choices } };
    expect(verdictOf({ expected: "unsafe" }, found)).toMatchObject({ verdict: "unsafe", asExpected: true });
    expect(verdictOf({ expected: "unsafe", breaks: "lost-write" }, found).asExpected).toBe(true);
    expect(verdictOf({ expected: "unsafe", breaks: "stale-frame" }, found).asExpected).toBe(false);
    expect(verdictOf({ expected: "safe" }, found).asExpected).toBe(false);
    expect(verdictOf({ expected: "unknown" }, { complete: false }).asExpected).toBe(true);
  });

  test("is found under the bounds of the person, else of the scenario", () => {
    const bounds = { depth: 9, preemptions: 1, model: "weak", livelock: true } as const;
    expect(verdictOf({ bounds }, {}).bounds).toMatchObject({
      ...bounds,
      states: null,
      assist: "strict",
      pct: null,
    });
    const limits = { ...LIMITS, depth: 3, model: "sc", assist: "knl", pct: { runs: 10, seed: 4 } } as const;
    const { bounds: own } = checkVariant(withVariant({ bounds }), "a", limits, says({}));
    expect(own).toMatchObject({
      depth: 3,
      preemptions: 1,
      model: "sc",
      assist: "knl",
      pct: { runs: 10, seed: 4 },
    });
  });

  test("needs a variant that exists", () => {
    expect(() => checkVariant(withVariant({}), "b", LIMITS, says({}))).toThrow(
      "unknown variant of x 'b'; did you mean 'a'?",
    );
  });
});

describe("a counterexample", () => {
  const unsafe = checkVariant(clean, "whatever-d-says", LIMITS, naively);

  test("tells each event in the names of the kernel", () => {
    const { counterexample, threads } = unsafe;
    expect(threads).toEqual([{ cpu: 0, does: ["mprotect(0, 1, 1)"] }]);
    const commit = counterexample.find(({ label }) => label === "ptep_modify_prot_commit")!;
    expect(commit).toMatchObject({
      cpu: 0,
      routine: "change_pte_range",
      file: "src/kernel/mprotect.ts",
      marks: ["made"],
    });
    expect(commit.detail).toMatch(/^PTE of page 0 = frame \d+ .*, in the store buffer$/);
    expect(commit.path.slice(0, 1)).toEqual(["mprotect"]);
    const assist = counterexample.find(({ routine }) => routine === "user")!;
    expect(assist).toMatchObject({ cpu: 1, label: "store page 0", file: null, line: null, matters: true });
    expect(assist.detail).toMatch(/TLB of CPU 1 has page 0 -> frame \d+ W D/);
  });

  test("ends in the access that breaks the invariant, through the translation that it names", () => {
    const last = unsafe.counterexample.at(-1)!;
    expect(last).toMatchObject({ cpu: 1, label: "store page 0", marks: ["violation"] });
    expect(last.detail).toMatch(/^through its TLB: frame \d+ W D$/);
    expect(unsafe.found).toMatchObject({
      invariant: "stale-right",
      cpu: 1,
      va: "0x0",
      access: "store",
      made: { label: "ptep_modify_prot_commit" },
      broken: { label: "promise" },
    });
    expect(unsafe.counterexample.filter(({ windows }) => windows.length > 0)).toHaveLength(1);
  });

  test("can be played again, and its string is what a replay takes", () => {
    const { choices } = parseReplay(unsafe.replay!);
    expect(choices).toHaveLength(unsafe.depth);
    const again = replayVariant(clean, "whatever-d-says", LIMITS, unsafe.replay!.split("@")[1]!);
    expect(again).toMatchObject({ verdict: "unsafe", asExpected: true, found: unsafe.found });
    expect(again.counterexample).toEqual(unsafe.counterexample);
  });

  test("of a standstill names who waits for whom", () => {
    const { found, counterexample } = checkVariant(deadlock, "interrupts-off", LIMITS, naively);
    expect(found?.invariant).toBe("progress");
    expect(found?.waits).toMatchObject([
      { cpu: 0, routine: "csd_lock_wait", holder: 1 },
      {
        cpu: 1,
        label: "lock ptl",
        holder: 0,
        word: expect.stringMatching(/^table\[\d+\]\.ptl \(held by CPU 0\)$/),
      },
    ]);
    expect(counterexample.some(({ label, matters }) => label === "lock ptl" && matters)).toBe(true);
  });
});

describe("a replay", () => {
  test("of a run that breaks nothing contradicts no verdict", () => {
    const result = replayVariant(switching, "upstream", LIMITS, "s0*3 s1");
    expect(result).toMatchObject({
      verdict: "unknown",
      asExpected: true,
      reason: "one run was played, and it breaks nothing",
    });
    expect(result.counterexample.map(({ choice }) => choice)).toEqual(["s0", "s0", "s0", "s1"]);
  });

  test("names the choice that is not possible", () => {
    expect(() => replayVariant(switching, "upstream", LIMITS, "s0 i0")).toThrow(
      "choice 2, 'i0', is not possible there",
    );
    expect(() => replayVariant(switching, "upstream", LIMITS, "s7")).toThrow(
      "choice 1, 's7', is not possible there",
    );
    expect(() => replayVariant(switching, "upstream", LIMITS, "x")).toThrow("'x' is no choice");
    expect(parseChoices("s0*2")).toHaveLength(2);
  });
});

test("a check keeps to the published schema, whatever the verdict", () => {
  const validate = new Ajv2020({ strict: true, allErrors: true }).compile(
    JSON.parse(jsonSchemas()["check.schema.json"]!),
  );
  const results = [
    checkVariant(clean, "whatever-d-says", LIMITS, naively),
    verdictOf({}, {}),
    verdictOf({ build: () => tiny(["w"]) }, {}),
    checkVariant(deadlock, "interrupts-off", LIMITS, naively),
  ];
  const check = { schema: "shootdown/check@1", results, interrupted: true };
  expect(validate(check), JSON.stringify(validate.errors)).toBe(true);
  expect(checkResultSchema.parse(check)).toEqual(check);
  expect(validate({ ...check, results: [{ ...results[0], verdict: "maybe" }] })).toBe(false);
});
