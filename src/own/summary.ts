/** Scenarios and policies as plain data: what can be listed and sent between threads. */

import type { Invariant, Verdict } from "../dsl/case.js";
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
  readonly policies: readonly { readonly name: string; readonly title: string }[];
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
