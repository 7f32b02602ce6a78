/** The verdict of one variant of a scenario. */
import type { Case, Verdict } from "../dsl/case.js";
import { formatReplay, parseChoices } from "../dsl/choices.js";
import { unknownName } from "../errors.js";
import type { Scenario, ScenarioVariant } from "../scenario/scenario.js";
import type { CheckBounds, VariantResult } from "./check-result.js";
import type { CheckLimits } from "./check-task.js";
import type { Exploration, Explore } from "./explorer.js";
import { narrate } from "./narrate.js";
import { goesRound } from "./narrate-verdict.js";

/** Switches of priority in one run of PCT unless the scenario says otherwise: two find most of the races known here. */
const PCT_CHANGES = 3;

/** Throws: UsageError for a variant that the scenario does not have. */
export function variantNamed({ name, variants }: Scenario, variant: string): ScenarioVariant {
  const found = variants[variant];
  if (found === undefined) throw unknownName(`variant of ${name}`, variant, Object.keys(variants));
  return found;
}

/** Builds the variant's case and searches it. Throws: AssembleError of a mechanism, Error of a setup that does not work. */
export function checkVariant(
  scenario: Scenario,
  variant: string,
  limits: CheckLimits,
  explore: Explore,
  onProgress: (states: number) => void = () => {},
): VariantResult {
  const declared = variantNamed(scenario, variant);
  const started = performance.now();
  const play = caseOf(declared, limits);
  const bounds = boundsOf(declared, play, limits);
  const seen = explore(play, bounds, onProgress);
  const choices = seen.violation?.choices;
  const told = choices && narrate(play, choices);
  const windows = play.windows.map((name) => ({ name, entered: seen.windows.includes(name) }));
  const verdict = verdictOf(seen, windows);
  return {
    ...subject(scenario, variant, declared),
    verdict,
    asExpected: isExpected(declared, verdict, seen.violation?.invariant ?? null),
    invariant: seen.violation?.invariant ?? null,
    states: seen.states,
    depth: seen.depth,
    complete: seen.complete,
    reason: verdict === "unknown" ? reasonOf(seen, windows, bounds) : null,
    limit: seen.limit ?? null,
    bounds,
    windows,
    seconds: (performance.now() - started) / 1000,
    found: told ? (told.found ?? goesRound(play, choices!)) : null,
    replay: choices ? formatReplay({ scenario: scenario.name, variant, choices }) : null,
    threads: [...(told?.threads ?? [])],
    counterexample: [...(told?.steps ?? [])],
  };
}

/** Plays one run of a variant. What it breaks decides between "unsafe" and "unknown": one run shows no safety. */
export function replayVariant(
  scenario: Scenario,
  variant: string,
  limits: CheckLimits,
  text: string,
): VariantResult {
  const declared = variantNamed(scenario, variant);
  const started = performance.now();
  const play = caseOf(declared, limits);
  const choices = parseChoices(text);
  const { threads, steps, found, windows } = narrate(play, choices);
  const verdict = found === undefined ? "unknown" : "unsafe";
  return {
    ...subject(scenario, variant, declared),
    verdict,
    // A run that breaks nothing contradicts no verdict.
    asExpected: found === undefined || isExpected(declared, verdict, found.invariant),
    invariant: found?.invariant ?? null,
    states: choices.length + 1,
    depth: choices.length,
    complete: false,
    reason: found === undefined ? "one run was played, and it breaks nothing" : null,
    limit: null,
    bounds: boundsOf(declared, play, limits),
    windows: play.windows.map((name) => ({ name, entered: windows.includes(name) })),
    seconds: (performance.now() - started) / 1000,
    found: found ?? null,
    replay: formatReplay({ scenario: scenario.name, variant, choices }),
    threads: [...threads],
    counterexample: [...steps],
  };
}

function subject(
  { name, question }: Scenario,
  variant: string,
  { title, expected, breaks }: ScenarioVariant,
) {
  return { scenario: name, variant, title, question, expected, breaks: breaks ?? null };
}

/** The variant's case, on the machine that was asked for. */
function caseOf({ build, bounds = {} }: ScenarioVariant, { model, assist }: CheckLimits): Case {
  const play = build();
  const { machine } = play;
  return {
    ...play,
    machine: { ...machine, model: model ?? bounds.model ?? machine.model, assist: assist ?? machine.assist },
  };
}

function boundsOf({ bounds = {} }: ScenarioVariant, play: Case, limits: CheckLimits): CheckBounds {
  const { model, assist } = play.machine;
  const runs = limits.pct?.runs ?? bounds.pct?.runs;
  return {
    model,
    assist,
    depth: limits.depth ?? bounds.depth ?? null,
    preemptions: limits.preemptions ?? bounds.preemptions ?? null,
    states: limits.states ?? null,
    memoryMib: limits.memoryMib,
    seconds: limits.seconds ?? null,
    reduction: limits.reduction,
    symmetry: limits.symmetry ?? false,
    livelock: bounds.livelock ?? false,
    pct:
      runs === undefined
        ? null
        : { runs, changes: bounds.pct?.changes ?? PCT_CHANGES, seed: limits.pct?.seed ?? 1 },
  };
}

type Windows = VariantResult["windows"];

/** unsafe: something is broken. safe: all was seen, every window too. unknown: neither. */
function verdictOf({ violation, complete }: Exploration, windows: Windows): Verdict {
  if (violation !== undefined) return "unsafe";
  return complete && windows.every(({ entered }) => entered) ? "safe" : "unknown";
}

function reasonOf({ complete, limit }: Exploration, windows: Windows, bounds: CheckBounds): string {
  const missed = windows.filter(({ entered }) => !entered).map(({ name }) => `'${name}'`);
  if (complete) return `the space was seen in full, but nobody entered the window ${missed.join(", ")}`;
  switch (limit) {
    case "states":
      return `the limit of ${bounds.states ?? "all"} states was reached (--max-states)`;
    case "memory":
      return `the limit of ${bounds.memoryMib} MiB was reached (--memory)`;
    case "seconds":
      return `the limit of ${bounds.seconds} s was reached (--seconds)`;
    case "depth":
      return `runs of more than ${bounds.depth} events were not followed (--depth)`;
    case "preemptions":
      return `runs with more than ${bounds.preemptions} ${bounds.preemptions === 1 ? "preemption" : "preemptions"} were not followed (--preemptions)`;
    case "runs":
      return `${bounds.pct?.runs} random runs broke nothing; that shows no safety (--pct)`;
    case undefined:
      return "the space was not seen in full";
  }
}

function isExpected(
  { expected, breaks }: ScenarioVariant,
  verdict: Verdict,
  invariant: string | null,
): boolean {
  return verdict === expected && (breaks === undefined || verdict !== "unsafe" || invariant === breaks);
}
