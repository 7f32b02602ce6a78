import { expect, test } from "vitest";
import { type Choice, formatChoices, formatReplay, parseChoices, parseReplay } from "../src/dsl/choices.js";

const step: Choice = { do: "step", cpu: 0 };
const all: Choice[] = [
  step,
  step,
  step,
  { do: "interrupt", cpu: 1 },
  { do: "drain", cpu: 12, index: 1 },
  { do: "drain", cpu: 12, index: 1 },
  { do: "liberty", index: 10 },
  { do: "broadcast", cpu: 2, index: 0 },
  step,
];
const text = "s0*3 i1 w12.1*2 l10 b2.0 s0";

test("choices are written with repeated ones together, and read again", () => {
  expect(formatChoices(all)).toBe(text);
  expect(parseChoices(text)).toEqual(all);
  expect(parseChoices("")).toEqual([]);
  expect(formatChoices([])).toBe("");
});

test("a replay names its scenario and variant", () => {
  const replay = { scenario: "B5-range", variant: "upstream-weak", choices: all };
  expect(formatReplay(replay)).toBe(`B5-range/upstream-weak@${text}`);
  expect(parseReplay(formatReplay(replay))).toEqual(replay);
  expect(parseReplay(" A1/x@ ")).toEqual({ scenario: "A1", variant: "x", choices: [] });
});

test.each(["x0", "s", "s0.1", "w0", "s0*", "s0*0", "s0*99999999", "s-1", "i0 nonsense"])(
  "'%s' is refused as a list of choices",
  (wrong) => {
    expect(() => parseChoices(wrong)).toThrow(/is no choice; choices are/);
  },
);

test.each(["A1@s0", "A1/x", "A1/x/y@s0", "/x@s0", ""])("'%s' is refused as a replay", (wrong) => {
  expect(() => parseReplay(wrong)).toThrow("is no replay");
});
