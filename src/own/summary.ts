/** Scenarios and policies as plain data: what can be listed and sent between threads. */

import type { Invariant, Verdict } from "../dsl/case.js";
import type { Policy } from "../policy/policy.js";
import type { Scenario } from "../scenario/scenario.js";

export interface ScenarioSummary {
  readonly name: string;
  readonly question: string;
  readonly variants: readonly VariantSummary[];
}

export interface VariantSummary {
  readonly name: string;
  readonly title: string;
  readonly expected: Verdict;
  readonly breaks?: Invariant;
}

export interface OwnSummary {
  readonly scenarios: readonly ScenarioSummary[];
  /** Without their routines, which no thread can send to another. */
  readonly policies: readonly Omit<Policy, "scheme">[];
}

export function summaryOfScenario({ name, question, variants }: Scenario): ScenarioSummary {
  return {
    name,
    question,
    variants: Object.entries(variants).map(([variant, { title, expected, breaks }]) => ({
      name: variant,
      title,
      expected,
      ...(breaks && { breaks }),
    })),
  };
}
