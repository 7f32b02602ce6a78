/** What the command line wants of a search, whoever does it. */
import type { Case, Invariant } from "../dsl/case.js";
import type { Choice } from "../dsl/choices.js";
import type { CheckBounds, LimitName } from "./check-result.js";
import { searchCase } from "./search.js";

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

/** The engine's search. */
export const exploreCase: Explore = (play, bounds, onProgress) => {
  const found = searchCase(play, {
    ...(bounds.memoryMib !== null && { memoryBytes: bounds.memoryMib * MIB }),
    onProgress: ({ states }) => onProgress(states),
    reduce: bounds.reduction,
    ...(bounds.symmetry && { symmetry: true }),
    livelock: bounds.livelock,
    ...(bounds.pct !== null && { pct: bounds.pct }),
    ...(bounds.preemptions !== null && { preemptions: bounds.preemptions }),
    ...(bounds.depth !== null && { depth: bounds.depth }),
    ...(bounds.states !== null && { states: bounds.states }),
    ...(bounds.seconds !== null && { seconds: bounds.seconds }),
  });
  const { invariant, path, states, depth, complete, cut, windows } = found;
  return {
    violation: invariant && path && { invariant, choices: path },
    states,
    depth: path?.length ?? depth,
    complete,
    limit: cut,
    windows: windows.filter(({ entered }) => entered > 0).map(({ name }) => name),
  };
};

const MIB = 2 ** 20;
