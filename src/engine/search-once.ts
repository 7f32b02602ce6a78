/** One search of a case, or one series of random runs, from an open world to a result. */

import { type Case, INVARIANTS } from "../dsl/case.js";
import type { Choice } from "../dsl/choices.js";
import { type CaseWorld, createCaseWorld } from "./case-world.js";
import { choiceFrom } from "./choice-codes.js";
import { stateWithoutEnd } from "./livelock.js";
import type { Cut, SearchOptions, SearchResult } from "./search.js";
import { explainTrap } from "./trap.js";
import type { World } from "./world.js";

/** States expanded between two looks at the clock. */
const SLICE = 20_000;
const RUNS_BETWEEN_LOOKS = 64;
const FOUR_GIB = 2 ** 32;
const NO_LIMIT = 0xffffffff;

/** Throws what createCaseWorld() throws. */
export function searchOnce(
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
