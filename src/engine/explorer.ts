/** What the command line wants of a search, whoever does it. */
import type { Case, Invariant } from "../dsl/case.js";
import type { Choice } from "../dsl/choices.js";
import { exploreNaively } from "../reference/explore.js";
import type { CheckBounds, LimitName } from "./check-result.js";

export interface Exploration {
  /** What was broken, by which shortest run; undefined when nothing was found. */
  readonly violation: { readonly invariant: Invariant; readonly choices: readonly Choice[] } | undefined;
  readonly states: number;
  readonly depth: number;
  /** The bounded space was seen in full. */
  readonly complete: boolean;
  /** The bound that cut it short. */
  readonly limit: LimitName | undefined;
  /** Names of the windows entered. */
  readonly windows: readonly string[];
}

export type Explore = (play: Case, bounds: CheckBounds, onProgress: (states: number) => void) => Exploration;

/** Stands in for the search until it is there: the twin's, which is slow and knows no bounds but the number of states. */
export const exploreCase: Explore = (play, bounds) => {
  const { states, complete, violations, windows } = exploreNaively(play, bounds.states ?? 50_000);
  const [violation] = violations;
  return {
    violation: violation && { invariant: violation.invariant, choices: violation.path },
    states,
    depth: violation?.path.length ?? 0,
    complete,
    limit: complete || violation ? undefined : "states",
    windows,
  };
};
