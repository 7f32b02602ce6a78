/** The adversary from the host's side: a case in, a verdict out. */

import type { Case, Invariant, Verdict } from "../dsl/case.js";
import type { Choice } from "../dsl/choices.js";
import type { CaseWorldOptions } from "./case-world.js";
import type { Build } from "./load.js";
import { hasBroadcasts } from "./reduction.js";
import { searchOnce } from "./search-once.js";
import { symmetryOf } from "./symmetry.js";

export interface SearchOptions {
  readonly build?: Build;
  /** Events in a row; any number unless said. */
  readonly depth?: number;
  readonly states?: number;
  /** Of the engine's whole memory, 4 GiB at most. */
  readonly memoryBytes?: number;
  readonly seconds?: number;
  /** Violations are counted and their successors left out, in place of ending the search. */
  readonly count?: boolean;
  /** Switches away from a CPU that could have gone on; any number unless said. */
  readonly preemptions?: number;
  /**
   * Leaves choices out that make no difference (docs/modelling.md), so that there are fewer states. A way to a violation that is found like
   * this need not be a shortest one; a shorter one is looked for in all orders, within the same limits. Nothing is left out where depth
   * or preemptions are bounded.
   */
  readonly reduce?: boolean;
  /** So many states are looked at in full before `reduce` leaves anything out; 50,000 unless said. */
  readonly fullStates?: number;
  /**
   * States that differ only in which of some identical CPUs is which are taken for one (docs/modelling.md). What is found like this is looked
   * for again with all of them, within the same limits. No effect on random runs, where preemptions are bounded, or on a search for
   * livelocks; where it has one, `reduce` has none. Unless it is said, `reduce` does this where it could leave nothing else out.
   */
  readonly symmetry?: CaseWorldOptions["symmetry"];
  /** So many random runs in place of a search, with so many changes of priority each. */
  readonly pct?: { readonly runs: number; readonly changes: number; readonly seed: number };
  /** Called when the first state stands. */
  readonly onOpen?: () => void;
  /** Also looks for states from which no end can be reached; nothing is left out then. */
  readonly livelock?: boolean;
  /** Called now and then. */
  readonly onProgress?: (progress: { readonly states: number; readonly depth: number }) => void;
}

export type Cut = "depth" | "states" | "memory" | "seconds" | "preemptions" | "runs";

export interface SearchResult {
  readonly verdict: Verdict;
  /** What an unsafe case breaks. */
  readonly invariant?: Invariant;
  /** Different ones; of random runs, events. */
  readonly states: number;
  /** Pairs of a state and a choice that changes it, or ends in a violation. */
  readonly transitions: number;
  /** Events in a row of the longest way that was looked at. */
  readonly depth: number;
  /** Everything was seen. */
  readonly complete: boolean;
  /** What kept the search from seeing everything. */
  readonly cut?: Cut;
  /** Case.windows, and how often transitions entered them. */
  readonly windows: readonly { readonly name: string; readonly entered: number }[];
  /** A way to the violation. */
  readonly path?: readonly Choice[];
  /** There is no shorter way to any violation. */
  readonly isShortest?: boolean;
  readonly method: "search" | "pct";
  readonly seconds: number;
  readonly memoryBytes: number;
  /** Of having taken two states for one, anywhere. */
  readonly fingerprintOdds: number;
  /** Violating transitions, and states in which nothing can move although a thread has not ended. */
  readonly violations: number;
  readonly deadlocks: number;
}

/** A space of no more states is seen in full sooner than it takes to find out which orders need not be looked at. */
const SMALL_STATES = 50_000;

/** Looks for a violation in every order of events, breadth first, or in random ones. Throws what createCaseWorld() throws. */
export function searchCase(play: Case, options: SearchOptions = {}): SearchResult {
  const isSearch = options.pct === undefined && options.livelock !== true;
  const mayRename = options.symmetry && isSearch && options.preemptions === undefined;
  if (mayRename && symmetryOf(play) !== undefined) return searchRenamed(play, options);
  const isBounded =
    options.depth !== undefined || options.preemptions !== undefined || options.livelock === true;
  if (options.reduce !== true || isBounded || options.pct !== undefined)
    return searchOnce(play, options, false);
  const { fullStates = SMALL_STATES } = options;
  const states = Math.min(options.states ?? fullStates, fullStates);
  const small = searchOnce(play, { ...options, states }, false);
  if (small.cut !== "states" || states === options.states) return small;
  if (options.symmetry === undefined && hasBroadcasts(play.program) && symmetryOf(play) !== undefined)
    return searchRenamed(play, { ...options, symmetry: true });
  const found = searchOnce(play, options, true);
  if (found.path === undefined) return found;
  const { length } = found.path;
  // That a state is a standstill is seen one step behind the way to it.
  const shorter = searchOnce(play, { ...options, depth: length }, false);
  const seconds = found.seconds + shorter.seconds;
  const isAsLong = shorter.path?.length === length;
  if (shorter.path !== undefined && !isAsLong) return { ...shorter, seconds };
  return { ...found, seconds, isShortest: isAsLong || shorter.cut === "depth" || shorter.complete };
}

/** Identical CPUs change their numbers on the way, so that a way to a violation is none of the case's: it is looked for once more. */
function searchRenamed(play: Case, options: SearchOptions): SearchResult {
  const found = searchOnce(play, options, false, options.symmetry);
  if (found.path === undefined) return found;
  const again = searchOnce(play, { ...options, depth: found.path.length + 1 }, false);
  return { ...again, seconds: found.seconds + again.seconds };
}
