import { describe, expect, test } from "vitest";
import type { TraceStep, VariantResult } from "../src/engine/check-result.js";
import { scenarioLines, sumLine, variantLines } from "../src/report/check.js";
import { counterexampleLines } from "../src/report/counterexample.js";
import { junitText } from "../src/report/junit.js";
import { sarifLog } from "../src/report/sarif.js";
import { wrapped } from "../src/report/wrap.js";

const made = { routine: "zap", label: "ptep_get_and_clear", file: "src/kernel/memory-zap.ts", line: 114 };
const broken = { routine: "folio_put", label: "free <1>", file: "src/kernel/page.ts", line: 63 };

function step(change: Partial<TraceStep>): TraceStep {
  return {
    cpu: 0,
    label: "step",
    routine: "zap",
    file: "src/kernel/memory-zap.ts",
    line: 1,
    detail: "",
    choice: "s0",
    path: ["munmap", "zap"],
    begins: [],
    windows: [],
    marks: [],
    matters: true,
    ...change,
  };
}

const user = { routine: "user", file: null, line: null, path: [] };
const steps = [
  step({ ...made, detail: "PTE of page 0: frame 1 W -> none", marks: ["made"], windows: ["still warm"] }),
  step({ label: "dull 1", matters: false }),
  step({ label: "dull 2", matters: false, routine: "flush" }),
  step({ label: "dull 3", matters: false, cpu: 1 }),
  step({ ...broken, marks: ["broken"], detail: "frees frame 1; frame 1 is free" }),
  step({
    ...user,
    cpu: 1,
    label: "store page 0",
    detail: "through its TLB: frame 1 W",
    marks: ["violation"],
    choice: "l0",
  }),
];

function result(change: Partial<VariantResult> = {}): VariantResult {
  return {
    scenario: "X1-free",
    variant: "broken",
    title: "frees first",
    question: "May pages be freed first?",
    expected: "unsafe",
    breaks: "stale-frame",
    verdict: "unsafe",
    asExpected: true,
    invariant: "stale-frame",
    states: 1234,
    depth: 6,
    complete: false,
    reason: null,
    limit: null,
    bounds: {
      model: "tso",
      assist: "strict",
      depth: null,
      preemptions: null,
      states: null,
      memoryMib: 768,
      seconds: null,
      reduction: true,
      symmetry: false,
      livelock: false,
      pct: null,
    },
    windows: [{ name: "still warm", entered: true }],
    seconds: 0.125,
    found: {
      invariant: "stale-frame",
      cpu: 1,
      va: "0x0",
      access: "store",
      made,
      broken,
      waits: [],
      text: "CPU 1: it is gone & lost",
    },
    replay: "X1-free/broken@s0*3 s1 s0 l0",
    threads: [{ cpu: 0, does: ["munmap(0, 1)"] }],
    counterexample: steps,
    ...change,
  };
}

const safe = result({
  variant: "fixed",
  expected: "safe",
  breaks: null,
  verdict: "safe",
  invariant: null,
  found: null,
  replay: null,
  threads: [],
  counterexample: [],
  complete: true,
});
const surprise = result({
  ...safe,
  variant: "unsound",
  verdict: "unknown",
  asExpected: false,
  reason: "the limit of 9 states was reached",
});
const played = result({ ...surprise, expected: "unsafe", asExpected: true, reason: "one run was played" });
const view = { width: 100, verbose: false, traces: false };

describe("columns", () => {
  const lines = counterexampleLines(result(), view);

  test("have a CPU each, the place of a step at the end of its line, and routines as headings", () => {
    expect(lines).toEqual([
      "      files in src/kernel",
      "      CPU 0                                 CPU 1",
      "      munmap(0, 1)",
      "      zap",
      "   1    ptep_get_and_clear                                                        memory-zap.ts:114",
      "          PTE of page 0: frame 1 W -> none",
      "          ^ made the translation stale",
      "          ~ window: still warm",
      "        ... 2 steps in zap, flush",
      "                                            zap",
      "   4                                          dull 3                              memory-zap.ts:1",
      "      folio_put",
      "   5    free <1>                                                                  page.ts:63",
      "          frees frame 1",
      "          frame 1 is free",
      "          ^ a flush was due before this",
      "   6                                        >>> store page 0",
      "                                              through its TLB: frame 1 W",
      "                                              ^ VIOLATION",
    ]);
  });

  test.each([60, 80, 100, 120, 160, 250])("stay within %i characters, and lose no text", (width) => {
    const long = step({
      label: `${"very_long_label_".repeat(6)}end`,
      detail: `mm[0].${"field".repeat(20)}: 0 -> 1`,
    });
    const shown = counterexampleLines(result({ counterexample: [...steps, long] }), {
      width,
      verbose: false,
    });
    expect(Math.max(...shown.map((line) => line.length))).toBeLessThanOrEqual(Math.max(width, 84));
    const text = shown.join("").replace(/ |[\w-]+\.ts:\d+/g, "");
    expect(text).toContain(long.label);
    expect(text).toContain(long.detail.replaceAll(" ", ""));
  });

  test("fold nothing when everything is asked for", () => {
    const all = counterexampleLines(result(), { width: 100, verbose: true }).join("\n");
    for (const { label } of steps) expect(all).toContain(label);
    expect(lines.join("\n")).not.toContain("dull 1");
  });

  test("of no run are no lines", () => {
    expect(counterexampleLines(safe, view)).toEqual([]);
  });
});

describe("text in lines", () => {
  test("breaks at blanks, behind separators, and anywhere at last, without loss", () => {
    expect(wrapped("one two three", 7)).toEqual(["one two", "three"]);
    expect(wrapped("smp_call_function_many", 10)).toEqual(["smp_call_", "function_", "many"]);
    expect(wrapped("abcdefghij", 4, 3)).toEqual(["abcd", "efg", "hij"]);
    expect(wrapped("", 4)).toEqual([""]);
  });
});

describe("lines of a check", () => {
  test("say verdict, expectation and what was explored", () => {
    expect(scenarioLines({ name: "X1-free", question: "May pages be freed first?" }, view)).toEqual([
      "X1-free: May pages be freed first?",
    ]);
    expect(variantLines(result(), 8, view)).toEqual([
      "  broken    unsafe   as expected  stale-frame, 1,234 states, depth 6, 1 of 1 window, tso, 125 ms",
    ]);
    expect(variantLines(surprise, 8, view)).toEqual([
      "  unsound   unknown  EXPECTED safe  1,234 states, depth 6, 1 of 1 window, tso, 125 ms",
      "            the limit of 9 states was reached",
    ]);
  });

  test("show a counterexample when it is wanted, or when nobody expected it", () => {
    const shown = (one: VariantResult, traces: boolean): string =>
      variantLines(one, 8, { ...view, traces }).join("\n");
    expect(shown(result(), false)).not.toContain("VIOLATION");
    expect(shown(result(), true)).toContain(
      "play it again: shootdown check --replay 'X1-free/broken@s0*3 s1 s0 l0'",
    );
    expect(shown(result({ expected: "safe", breaks: null, asExpected: false }), false)).toContain(
      "flush missing:  before folio_put, step 'free <1>' (src/kernel/page.ts:63)",
    );
  });

  test("say of a run that breaks nothing that it contradicts nothing, whatever is expected", () => {
    expect(variantLines(played, 8, view)[0]).toContain("unknown  contradicts nothing  1,234 states");
    expect(variantLines({ ...played, expected: "unknown" }, 8, view)[0]).toContain("unknown  as expected");
    expect(sumLine([played], 1)).toBe("1 variant: 1 contradicted by nothing.");
    expect(sumLine([played, safe], 2)).toBe("2 variants: 1 contradicted by nothing, 1 as expected.");
  });

  test("add up", () => {
    expect(sumLine([result(), safe], 2)).toBe("2 variants: 2 as expected.");
    expect(sumLine([result(), surprise], 3)).toBe("3 variants: 1 as expected, 1 differs, 1 not finished.");
    expect(sumLine([safe], 1)).toBe("1 variant: 1 as expected.");
  });
});

describe("JUnit", () => {
  const xml = junitText({
    schema: "shootdown/check@1",
    results: [
      result(),
      safe,
      surprise,
      result({ scenario: "Y2", asExpected: false, expected: "safe", breaks: null }),
    ],
  });

  test("has a case for each variant and a failure for each that differs", () => {
    expect(xml).toMatch(
      /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<testsuites name="shootdown check" tests="4" failures="2" errors="0" time="0\.500">/,
    );
    expect(xml.match(/<testsuite /g)).toHaveLength(2);
    expect(xml.match(/<testcase /g)).toHaveLength(4);
    expect(xml).toContain(`<failure message="unknown, expected safe" type="unknown">`);
    expect(xml).toContain(`<failure message="unsafe (stale-frame), expected safe" type="unsafe">`);
  });

  test("is well-formed: every tag is closed in its order, and no bare sign is left", () => {
    const open: string[] = [];
    for (const [, slash, name, rest] of xml.matchAll(/<(\/?)([a-z]+)((?: [a-z]+="[^"<]*")*\/?)>/g)) {
      if (slash === "/") expect(open.pop()).toBe(name);
      else if (!rest!.endsWith("/")) open.push(name!);
    }
    expect(open).toEqual([]);
    const text = xml.replace(/<\?xml[^>]*>|<\/?[a-z]+(?: [a-z]+="[^"<]*")*\/?>/g, "");
    expect(text).not.toMatch(/[<>]|&(?!amp;|lt;|gt;|quot;|apos;)/);
    expect(text).toContain("free &lt;1&gt;");
  });

  test("writes no character that XML forbids", () => {
    const odd = junitText({
      schema: "shootdown/check@1",
      results: [result({ asExpected: false, reason: "a\u0000b\u001bc\ud800d" })],
    });
    expect(odd).toContain("a?b?c?d");
  });
});

describe("SARIF", () => {
  const log = sarifLog({ schema: "shootdown/check@1", results: [result(), safe, surprise] });
  const [run] = log.runs;

  test("has a result for each violation, at the step that lacks a flush, and for each surprise", () => {
    expect(run!.results).toMatchObject([
      {
        ruleId: "stale-frame",
        level: "none",
        kind: "informational",
        locations: [
          {
            physicalLocation: { artifactLocation: { uri: "src/kernel/page.ts" }, region: { startLine: 63 } },
          },
        ],
      },
      {
        ruleId: "verdict",
        level: "error",
        message: { text: expect.stringContaining("The verdict is unknown, safe was expected.") },
      },
    ]);
    const rules = run!.tool.driver.rules!;
    for (const { ruleId, ruleIndex } of run!.results!) expect(rules[ruleIndex!]!.id).toBe(ruleId);
  });

  test("has a flow for each CPU, whose events have one order", () => {
    const [flow] = run!.results![0]!.codeFlows!;
    expect(flow!.threadFlows.map(({ id, locations }) => [id, locations.length])).toEqual([
      ["CPU 0", 4],
      ["CPU 1", 2],
    ]);
    const order = flow!.threadFlows.flatMap(({ locations }) => locations.map((one) => one.executionOrder!));
    expect(order.sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6]);
  });
});
