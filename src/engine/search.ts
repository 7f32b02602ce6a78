/** The adversary from the host's side: a case in, a verdict out. */

import { type Case, INVARIANTS, type Invariant, type Verdict } from "../dsl/case.js";
import type { Choice } from "../dsl/choices.js";
import { type CaseWorld, type CaseWorldOptions, createCaseWorld } from "./case-world.js";
import { choiceFrom } from "./choice-codes.js";
import { stateWithoutEnd } from "./livelock.js";
import type { Build } from "./load.js";
import { hasBroadcasts } from "./reduction.js";
import { symmetryOf } from "./symmetry.js";
import { explainTrap } from "./trap.js";
import type { World } from "./world.js";

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

/** States expanded between two looks at the clock. */
const SLICE = 20_000;
/** A space of no more states is seen in full sooner than it takes to find out which orders need not be looked at. */
const SMALL_STATES = 50_000;
const RUNS_BETWEEN_LOOKS = 64;
const FOUR_GIB = 2 ** 32;
const NO_LIMIT = 0xffffffff;

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
  const shorter = searchOnce(play, { ...options, depth: found.path.length - 1 }, false);
  const seconds = found.seconds + shorter.seconds;
  if (shorter.path !== undefined) return { ...shorter, seconds };
  return { ...found, seconds, isShortest: shorter.cut === "depth" || shorter.complete };
}

/** Identical CPUs change their numbers on the way, so that a way to a violation is none of the case's: it is looked for once more. */
function searchRenamed(play: Case, options: SearchOptions): SearchResult {
  const found = searchOnce(play, options, false, options.symmetry);
  if (found.path === undefined) return found;
  const again = searchOnce(play, { ...options, depth: found.path.length + 1 }, false);
  return { ...again, seconds: found.seconds + again.seconds };
}

function searchOnce(
  play: Case,
  options: SearchOptions,
  reduce: boolean,
  symmetry: SearchOptions["symmetry"] = false,
): SearchResult {
  const started = performance.now();
  const build = options.build ?? "release";
  const state = createCaseWorld(play, { build, searched: true, reduce, symmetry });
  try {
    const search = new Search(state, options, started, !reduce && symmetry === false, symmetry !== false);
    return options.pct === undefined ? search.run() : search.runRandomly(options.pct);
  } catch (error) {
    throw explainTrap(error, state.world);
  }
}

class Search {
  readonly #state: CaseWorld;
  readonly #world: World;
  readonly #options: SearchOptions;
  readonly #started: number;
  /** No order is left out, so that a first violation is a shortest one. */
  readonly #isFull: boolean;
  /** CPUs may have changed their numbers on the way to a state. */
  readonly #isRenamed: boolean;

  constructor(
    state: CaseWorld,
    options: SearchOptions,
    started: number,
    isFull: boolean,
    isRenamed: boolean,
  ) {
    this.#state = state;
    this.#isRenamed = isRenamed;
    this.#isFull = isFull;
    this.#world = state.world;
    this.#options = options;
    this.#started = started;
    this.#tell("PAGES_MOST", Math.floor(Math.min(options.memoryBytes ?? FOUR_GIB, FOUR_GIB) / 65536));
    this.#tell("COUNTS", options.count ? 1 : 0);
    this.#tell("DEPTH_MOST", options.depth ?? NO_LIMIT);
    this.#tell("STATES_MOST", options.states ?? NO_LIMIT);
    this.#tell("EDGES", options.livelock ? 1 : 0);
    this.#tell("SWITCHES_MOST", options.preemptions ?? NO_LIMIT);
  }

  run(): SearchResult {
    const { functions } = this.#world;
    let status = functions.openSearch();
    let cut: Cut | undefined;
    this.#options.onOpen?.();
    while (status === this.#world.value("SEARCH_MORE") && cut === undefined) {
      status = functions.explore(SLICE);
      this.#options.onProgress?.({ states: this.#told("STATES"), depth: this.#told("DEPTH") });
      if (this.#seconds() > (this.#options.seconds ?? Number.POSITIVE_INFINITY)) cut = "seconds";
    }
    if (this.#options.livelock && status === this.#world.value("SEARCH_DONE") && this.#told("CUT") === 0) {
      const state = stateWithoutEnd(this.#words(), this.#told("EDGES"), this.#told("STATES"));
      if (state !== undefined) {
        // A livelock is told like a deadlock: by a shortest way to it.
        status = this.#world.value("SEARCH_DEADLOCK");
        this.#tell("FOUND_STATE", state);
        this.#tell("FOUND_CHOICE", this.#world.value("NO_CHOICE"));
      }
    }
    return this.#result(status, this.#cutOf(status) ?? cut);
  }

  runRandomly({ runs, changes, seed }: NonNullable<SearchOptions["pct"]>): SearchResult {
    const { functions } = this.#world;
    let status = functions.openSearch();
    if (status === this.#world.value("SEARCH_MORE")) status = functions.openRandomRuns(seed >>> 0, changes);
    let cut: Cut | undefined = "runs";
    for (let run = 0; run < runs && status === this.#world.value("SEARCH_MORE"); run++) {
      status = functions.runRandomly();
      if (run % RUNS_BETWEEN_LOOKS !== 0) continue;
      this.#options.onProgress?.({ states: this.#told64("TRANSITIONS"), depth: this.#told("DEPTH") });
      if (this.#seconds() > (this.#options.seconds ?? Number.POSITIVE_INFINITY)) {
        cut = "seconds";
        break;
      }
    }
    return this.#result(status, cut, "pct");
  }

  #cutOf(status: number): Cut | undefined {
    if (status === this.#world.value("SEARCH_OUT_OF_MEMORY")) return "memory";
    if (status === this.#world.value("SEARCH_OUT_OF_STATES")) return "states";
    if (this.#told("CUT") === 0) return undefined;
    return this.#told("CUT") === this.#world.value("CUT_DEPTH") ? "depth" : "preemptions";
  }

  #result(status: number, cut: Cut | undefined, method: SearchResult["method"] = "search"): SearchResult {
    const isRandom = method === "pct";
    const states = isRandom ? this.#told64("TRANSITIONS") : this.#told("STATES");
    const isDeadlock = status === this.#world.value("SEARCH_DEADLOCK");
    const isFound = isDeadlock || status === this.#world.value("SEARCH_VIOLATION");
    const complete = status === this.#world.value("SEARCH_DONE") && cut === undefined;
    const windows = this.#windows();
    const path = isFound ? (isRandom ? this.#randomPath() : this.#path()) : undefined;
    const entered = windows.every((window) => window.entered > 0);
    const counted = this.#told64("VIOLATIONS") + this.#told64("DEADLOCKS") > 0;
    const invariant =
      path === undefined || this.#isRenamed
        ? undefined
        : isDeadlock
          ? "progress"
          : INVARIANTS[this.#told("FOUND_INVARIANT")];
    return {
      verdict: isFound || counted ? "unsafe" : complete && entered ? "safe" : "unknown",
      ...(invariant && { invariant }),
      states,
      transitions: this.#told64("TRANSITIONS"),
      depth: this.#told("DEPTH"),
      complete,
      ...(cut && !isFound && { cut }),
      windows,
      ...(path && { path, isShortest: this.#isFull && !isRandom }),
      method,
      seconds: this.#seconds(),
      memoryBytes: this.#world.memory.buffer.byteLength,
      fingerprintOdds: isRandom ? 0 : states ** 2 / 2 ** 65,
      violations: this.#told64("VIOLATIONS"),
      deadlocks: this.#told64("DEADLOCKS"),
    };
  }

  #randomPath(): Choice[] {
    const { functions, memory } = this.#world;
    const codes = new Uint16Array(memory.buffer, functions.randomRun() >>> 0, functions.randomRunLength());
    return [...codes].map((code) => choiceFrom(this.#world, code));
  }

  /** From the first state to the one that was found, and the choice that was taken there. */
  #path(): Choice[] {
    const { functions } = this.#world;
    const path: Choice[] = [];
    const last = this.#told("FOUND_CHOICE");
    if (last !== this.#world.value("NO_CHOICE")) path.push(choiceFrom(this.#world, last));
    for (let state = this.#told("FOUND_STATE"); state !== 0; state = functions.parentOf(state) >>> 0) {
      path.push(choiceFrom(this.#world, functions.choiceBefore(state)));
    }
    return path.reverse();
  }

  #windows(): { name: string; entered: number }[] {
    const { program, size, u64 } = this.#world;
    return this.#state.play.windows.map((name) => {
      const index = program.windows.indexOf(name);
      let entered = 0;
      for (let cpu = 0; index >= 0 && cpu < size.cpus; cpu++) {
        const st = this.#world.value("stBase") + cpu * this.#world.value("stStride");
        entered += Number(u64[(st + this.#world.value("ST_WINDOWS")) / 8 + index]!);
      }
      return { name, entered };
    });
  }

  #seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  #word(name: string): number {
    return this.#state.control / 4 + this.#world.value(`SC_${name}`);
  }

  #words(): Uint32Array {
    return new Uint32Array(this.#world.memory.buffer);
  }

  #tell(name: string, value: number): void {
    this.#words()[this.#word(name)] = value;
  }

  #told(name: string): number {
    return this.#words()[this.#word(name)]!;
  }

  #told64(name: string): number {
    const words = this.#words();
    return words[this.#word(name)]! + words[this.#word(name) + 1]! * 2 ** 32;
  }
}
