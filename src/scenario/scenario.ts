/** A scenario: one question, a case for each variant, and the verdict that each is known to have. */

import type { Case, Invariant, MemoryModel, Verdict } from "../dsl/case.js";

export interface Scenario {
  /** Contains the id of the race, such as "B5" or "C-q1-lost-flag"; the name of its file. */
  readonly name: string;
  /** One sentence that ends in a question mark. */
  readonly question: string;
  /** The thread, commit or paper that it comes from. */
  readonly source: string;
  /** By name, in the order of reports: usually the broken one first and the fix behind it. */
  readonly variants: Readonly<Record<string, ScenarioVariant>>;
}

export interface ScenarioVariant {
  /** What is different about it, in a few words. */
  readonly title: string;
  readonly expected: Verdict;
  /** What an unsafe variant breaks. */
  readonly breaks?: Invariant;
  /** Bounds that the search of this variant has; none unless said. */
  readonly bounds?: SearchBounds;
  /** Assembled only when somebody asks. */
  readonly build: () => Case;
}

export interface SearchBounds {
  /** Events in a row. */
  readonly depth?: number;
  /** Switches away from a CPU that could have gone on. */
  readonly preemptions?: number;
  /** The search also looks for states from which no end can be reached. */
  readonly livelock?: boolean;
  /** Seeded random priorities in place of a search. */
  readonly pct?: { readonly runs: number; readonly changes: number };
  readonly model?: MemoryModel;
}

/** Declares a scenario; checks nothing, so that listing is cheap. */
export function scenario(declared: Scenario): Scenario {
  return declared;
}
