/** A check as SARIF 2.1.0 (OASIS): a result for each variant whose verdict is not the expected one, and for each violation found. */
import type { CodeFlow, Location, Log, Result, ThreadFlowLocation } from "sarif";
import type { INVARIANTS } from "../dsl/case.js";
import type { CheckResult, TraceStep, VariantResult } from "../engine/check-result.js";
import type { StepPlace } from "../engine/result.js";

const SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/** What each rule means, for the reader of a report who has never heard of the program. */
const RULES: Readonly<Record<(typeof INVARIANTS)[number] | "verdict", string>> = {
  "stale-frame": "An access reaches a page frame after it was freed or given to another owner.",
  "stale-right": "An access succeeds by a right that a call has taken away before it returned.",
  "lost-write": "A store is missing from the frame that the page table finally maps.",
  "lost-dirty": "A frame changes after it was judged clean, and nothing records it.",
  "stale-table": "A walker reads a page table that was freed or is used again.",
  "split-view": "Two CPUs of one address space see different frames for one address.",
  progress: "Nobody can go on: a deadlock, a livelock, or a sleep where sleeping is forbidden.",
  "stale-device": "A device uses a translation that is gone.",
  verdict: "The verdict of a variant is not the one that its scenario states.",
};

export function sarifLog({ results }: CheckResult): Log {
  const rules = Object.entries(RULES).map(([id, text]) => ({ id, shortDescription: { text } }));
  return {
    $schema: SCHEMA,
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: { name: "shootdown", informationUri: "https://www.npmjs.com/package/shootdown", rules },
        },
        columnKind: "utf16CodeUnits",
        results: results.filter(({ found, asExpected }) => found !== null || !asExpected).map(resultOf),
      },
    ],
  };
}

/** A violation that was expected informs; one that was not, and any other surprise, is an error. Only what fails has a level (3.27.10). */
function resultOf(result: VariantResult): Result {
  const { scenario, variant, found, verdict, expected, asExpected, counterexample, replay, reason } = result;
  const ruleId = found?.invariant ?? "verdict";
  const surprise = asExpected ? "" : `The verdict is ${verdict}, ${expected} was expected. `;
  const place = found?.broken ?? found?.made ?? lastPlace(counterexample);
  return {
    ruleId,
    ruleIndex: Object.keys(RULES).indexOf(ruleId),
    level: asExpected ? "none" : "error",
    kind: asExpected ? "informational" : "fail",
    message: { text: `${scenario}/${variant}: ${surprise}${found?.text ?? reason ?? ""}`.trim() },
    ...(place !== undefined && { locations: [locationOf(place)] }),
    ...(counterexample.length > 0 && { codeFlows: [codeFlowOf(counterexample)] }),
    partialFingerprints: { "shootdown/variant": `${scenario}/${variant}/${ruleId}` },
    properties: { scenario, variant, verdict, expected, ...(replay !== null && { replay }) },
  };
}

type Placed = Pick<StepPlace, "file" | "line" | "routine">;

function lastPlace(steps: readonly TraceStep[]): Placed | undefined {
  return steps.findLast((step): step is TraceStep & Placed => step.file !== null && step.line !== null);
}

function locationOf({ file, line, routine }: Placed): Location {
  return {
    physicalLocation: { artifactLocation: { uri: encodeURI(file) }, region: { startLine: line } },
    logicalLocations: [{ name: routine, kind: "function" }],
  };
}

/** A thread flow for each CPU; executionOrder puts their events into one order. */
function codeFlowOf(steps: readonly TraceStep[]): CodeFlow {
  const cpus = [...new Set(steps.map(({ cpu }) => cpu))].sort((a, b) => a - b);
  const threadFlows = cpus.map((cpu) => ({
    id: `CPU ${cpu}`,
    locations: steps.flatMap((step, at) => (step.cpu === cpu ? [flowLocationOf(step, at + 1)] : [])),
  }));
  return { message: { text: "the shortest run that shows it" }, threadFlows };
}

function flowLocationOf(step: TraceStep, executionOrder: number): ThreadFlowLocation {
  const { routine, label, detail, file, line, marks, matters } = step;
  const message = { text: [`${routine}: ${label}`, detail].filter((text) => text !== "").join("; ") };
  const location = file === null || line === null ? {} : locationOf({ file, line, routine });
  const importance = marks.length > 0 ? "essential" : matters ? "important" : "unimportant";
  return { executionOrder, importance, location: { ...location, message } };
}
