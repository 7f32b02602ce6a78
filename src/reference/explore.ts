/*
 * Every state of a case, breadth first, on the twin: the adversary done the slow way. It leaves nothing out, so that what the real search
 * finds, and how many states it sees without reduction, can be compared with it.
 */
import type { Case, Invariant, Verdict } from "../dsl/case.js";
import type { Choice } from "../dsl/choices.js";
import { whereAll } from "./drive.js";
import { ReferenceMachine } from "./machine.js";
import { Player } from "./player.js";
import { configOf, setUp } from "./setup.js";
import { keyOf } from "./state-key.js";

export type ReferencePlayer = Player<ReferenceMachine>;

export interface NaiveOptions {
  /** Goes on behind the first violation, to the end of the space. */
  readonly whole?: boolean;
  /** Called with every state in which all threads are done and no step, interrupt or drain is left. */
  readonly atEnd?: (player: ReferencePlayer) => void;
}

export interface NaiveViolation {
  readonly invariant: Invariant;
  /** A shortest way to the violation, the violating event last. */
  readonly path: readonly Choice[];
  /** For people. */
  readonly what: string;
}

export interface NaiveResult {
  readonly states: number;
  /** Pairs of a state and an enabled choice that changes it; those that end in a violation count. */
  readonly transitions: number;
  /** The space was seen in full. */
  readonly complete: boolean;
  readonly verdict: Verdict;
  /** The shortest of each kind, in the order of their lengths. */
  readonly violations: readonly NaiveViolation[];
  /** States in which nothing can move although a thread has not ended. */
  readonly deadlocks: number;
  /** Windows of the program that were entered since the setup. */
  readonly windows: readonly string[];
}

/** Visits each distinct state once, `limit` of them at most; ends with the first violation unless told otherwise. */
export function exploreNaively(play: Case, limit = 50_000, options: NaiveOptions = {}): NaiveResult {
  return new Exploration(play, limit, options).run();
}

/** The state that a case's search begins with. */
export function startOf(play: Case): ReferencePlayer {
  const config = { ...configOf(play.machine), devices: play.devices ?? [] };
  const machine = new ReferenceMachine(play.program, config);
  setUp(machine, play.setup);
  machine.forgetStatistics();
  return new Player(machine, play);
}

interface Seen {
  readonly key: string;
  /** Undefined once its successors are known. */
  player: ReferencePlayer | undefined;
  /** Place of the state that it was first reached from; -1 for the first one. */
  readonly from: number;
  readonly choice: Choice | undefined;
  readonly depth: number;
}

class Exploration {
  private readonly play: Case;
  private readonly limit: number;
  private readonly options: NaiveOptions;
  private readonly keys = new Set<string>();
  private readonly states: Seen[] = [];
  private readonly entered = new Set<string>();
  private readonly violations = new Map<Invariant, NaiveViolation>();
  private transitions = 0;
  private deadlocks = 0;
  private isCut = false;

  constructor(play: Case, limit: number, options: NaiveOptions) {
    this.play = play;
    this.limit = limit;
    this.options = options;
  }

  run(): NaiveResult {
    const start = startOf(this.play);
    this.noteWindows(start);
    this.reach(start, keyOf(start), -1, undefined);
    for (let at = 0; at < this.states.length && !this.isOver(this.states[at]!.depth); at++) this.expand(at);
    const complete = !this.isCut && (this.options.whole === true || this.violations.size === 0);
    return {
      states: this.states.length,
      transitions: this.transitions,
      complete,
      verdict: this.verdict(complete),
      violations: [...this.violations.values()].sort((left, right) => left.path.length - right.path.length),
      deadlocks: this.deadlocks,
      windows: [...this.entered].sort(),
    };
  }

  private verdict(complete: boolean): Verdict {
    if (this.violations.size > 0) return "unsafe";
    return complete && this.play.windows.every((window) => this.entered.has(window)) ? "safe" : "unknown";
  }

  /** A violation was found, and nothing of this depth can be a shorter one. */
  private isOver(depth: number): boolean {
    if (this.isCut) return true;
    if (this.options.whole) return false;
    return [...this.violations.values()].some(({ path }) => path.length <= depth);
  }

  private expand(at: number): void {
    const seen = this.states[at]!;
    const player = seen.player!;
    seen.player = undefined;
    let canMove = false;
    let trial = player.copy();
    for (const choice of player.choices()) {
      const isEnabled = trial.apply(choice);
      if (isEnabled) {
        canMove ||= choice.do !== "liberty";
        this.follow(trial, seen.key, at, choice);
      }
      // A refused touch may have changed what it was tried on.
      if (isEnabled || choice.do === "liberty") trial = player.copy();
    }
    if (canMove) return;
    if (player.isFinished) this.options.atEnd?.(player);
    else this.deadlock(player, at);
  }

  private follow(player: ReferencePlayer, before: string, from: number, choice: Choice): void {
    this.noteWindows(player);
    const [violation] = player.machine.violations();
    if (violation !== undefined) {
      this.transitions++;
      const { invariant, cpu, vpn } = violation;
      this.found({
        invariant,
        path: [...this.pathTo(from), choice],
        what: `${invariant}: CPU ${cpu}, page ${vpn}; ${whereAll(player.machine)}`,
      });
      return;
    }
    const key = keyOf(player);
    if (key === before) return;
    this.transitions++;
    this.reach(player, key, from, choice);
  }

  private noteWindows(player: ReferencePlayer): void {
    for (const [window, times] of Object.entries(player.machine.windows())) {
      if (times > 0) this.entered.add(window);
    }
  }

  private deadlock(player: ReferencePlayer, at: number): void {
    this.deadlocks++;
    this.found({
      invariant: "progress",
      path: this.pathTo(at),
      what: `nothing can move: ${whereAll(player.machine)}`,
    });
  }

  private found(violation: NaiveViolation): void {
    const known = this.violations.get(violation.invariant);
    if (known === undefined || violation.path.length < known.path.length)
      this.violations.set(violation.invariant, violation);
  }

  private reach(player: ReferencePlayer, key: string, from: number, choice: Choice | undefined): void {
    if (this.keys.has(key)) return;
    if (this.states.length === this.limit) {
      this.isCut = true;
      return;
    }
    this.keys.add(key);
    this.states.push({ player, key, from, choice, depth: from < 0 ? 0 : this.states[from]!.depth + 1 });
  }

  private pathTo(at: number): Choice[] {
    const path: Choice[] = [];
    for (let seen = this.states[at]!; seen.from >= 0; seen = this.states[seen.from]!) path.push(seen.choice!);
    return path.reverse();
  }
}
