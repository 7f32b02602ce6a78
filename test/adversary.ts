/* Every order of a case's events, searched the plain way on the engine: what the reductions are measured against. */
import type { Case } from "../src/dsl/case.js";
import type { Choice } from "../src/dsl/choices.js";
import { type CaseWorld, createCaseWorld } from "../src/engine/case-world.js";
import { codeOf } from "../src/engine/choice-codes.js";
import type { Reduction } from "../src/engine/reduction.js";

/** What a whole search found; equal for equal cases, whatever was left out on the way. */
export interface Found {
  /** Numbers of invariants; "trap" for what a machine refuses, such as freeing a frame twice. */
  readonly violations: readonly string[];
  readonly windows: readonly number[];
  readonly deadlock: boolean;
  readonly states: number;
}

/** Goes on behind violations, but not past them. */
export interface PlainSearch {
  /** Leaves out what the reduction says, as `spoil` has changed it; undefined to leave nothing out. */
  readonly spoil?: (reduction: Reduction) => Reduction;
  readonly states?: number;
}

interface Level {
  readonly key: string;
  readonly snapshot: readonly Uint8Array[];
  choices: readonly Choice[];
  isSingle: boolean;
  next: number;
  hasMoved: boolean;
}

/** Depth first. Throws RangeError above the limit of states, and when single choices alone lead back to a state before them. */
export function searchPlainly(one: Case, { spoil, states = 100_000 }: PlainSearch): Found {
  return new Searcher(one, spoil, states).run();
}

class Searcher {
  readonly #one: Case;
  readonly #state: CaseWorld;
  readonly #isReduced: boolean;
  readonly #limit: number;
  readonly #parts: readonly Uint8Array[];
  readonly #words: readonly Uint32Array[];
  readonly #values = new Map<string, number>();
  /** Whether a state is on the way to the present one. */
  readonly #seen = new Map<string, boolean>();
  readonly #stack: Level[] = [];
  readonly #violations = new Set<string>();
  readonly #windows = new Set<number>();
  #isTrapped = false;
  #deadlock = false;

  constructor(one: Case, spoil: PlainSearch["spoil"], limit: number) {
    this.#one = one;
    this.#limit = limit;
    this.#isReduced = spoil !== undefined;
    this.#state = createCaseWorld(one, { searched: true, reduce: spoil ?? false });
    const { buffer } = this.#state.world.memory;
    const places = [
      [this.#v("stateBase"), this.#v("stateEnd")],
      [this.#v("holders"), this.#v("taskTime")],
    ] as const;
    this.#parts = places.map(([from, to]) => new Uint8Array(buffer, from, to - from));
    this.#words = places.map(([from, to]) => new Uint32Array(buffer, from, (to - from) / 4));
  }

  run(): Found {
    this.#noteWindows();
    this.#enter(this.#key());
    for (let level = this.#stack.at(-1); level !== undefined; level = this.#stack.at(-1)) {
      const choice = level.choices[level.next++];
      if (choice === undefined) this.#leave(level);
      else this.#follow(level, choice);
    }
    return {
      violations: [...this.#violations].sort(),
      windows: [...this.#windows].sort((left, right) => left - right),
      deadlock: this.#deadlock,
      states: this.#seen.size,
    };
  }

  #enter(key: string): void {
    this.#seen.set(key, true);
    if (this.#seen.size > this.#limit) throw new RangeError(`more than ${this.#limit} states`);
    const single = this.#isReduced ? this.#enough() : undefined;
    this.#stack.push({
      key,
      snapshot: this.#parts.map((part) => part.slice()),
      choices: single === undefined ? this.#all() : [single],
      isSingle: single !== undefined,
      next: 0,
      hasMoved: false,
    });
  }

  #leave(level: Level): void {
    this.#restore(level);
    if (!level.hasMoved && !this.#isFinished()) this.#deadlock = true;
    this.#seen.set(level.key, false);
    this.#stack.pop();
  }

  #follow(level: Level, choice: Choice): void {
    this.#restore(level);
    this.#forget();
    if (!this.#choose(choice)) return;
    if (choice.do !== "liberty") level.hasMoved = true;
    this.#noteWindows();
    const broken = this.#broken();
    for (const name of broken) this.#violations.add(name);
    if (broken.length > 0) {
      this.#widen(level);
      return;
    }
    const key = this.#key();
    const known = this.#seen.get(key);
    if (level.isSingle && known === true) throw new RangeError("single choices go round in a circle");
    if (known === undefined) this.#enter(key);
  }

  /** A single choice that ends in a violation has nothing behind it that could stand for the others. */
  #widen(level: Level): void {
    if (!level.isSingle) return;
    this.#restore(level);
    level.choices = this.#all();
    level.isSingle = false;
    level.next = 0;
  }

  /** False when the choice is not enabled; then the world may be spoilt. */
  #choose(choice: Choice): boolean {
    try {
      return this.#state.world.functions.choose(codeOf(this.#state.world, choice)) >= 0;
    } catch {
      this.#isTrapped = true;
      return true;
    }
  }

  #enough(): Choice | undefined {
    const code = this.#state.world.functions.ample(0);
    if (code < 0) return undefined;
    const cpu = code & 255;
    return code < 256 ? { do: "step", cpu } : { do: "drain", cpu, index: (code >> 8) - 1 };
  }

  #all(): Choice[] {
    const { cpus, storeBuffer } = this.#one.machine;
    const numbers = (count: number) => Array.from({ length: count }, (_, number) => number);
    const ofCpu = (cpu: number): Choice[] => [
      { do: "step", cpu },
      { do: "interrupt", cpu },
      ...numbers(storeBuffer).map((index): Choice => ({ do: "drain", cpu, index })),
    ];
    const liberties = this.#one.liberties.map((_, index): Choice => ({ do: "liberty", index }));
    return [...numbers(cpus).flatMap(ofCpu), ...liberties];
  }

  #restore({ snapshot }: Level): void {
    for (const [index, part] of this.#parts.entries()) part.set(snapshot[index]!);
  }

  /** Two hashes of the state. */
  #key(): string {
    let a = 0x811c9dc5;
    let b = 0x9e3779b9;
    for (const words of this.#words) {
      for (let at = 0; at < words.length; at++) {
        const word = words[at]!;
        a = Math.imul(a ^ word, 0x01000193);
        a ^= a >>> 13;
        b = Math.imul(b + word, 0x85ebca6b);
        b ^= b >>> 15;
      }
    }
    return `${a >>> 0}.${b >>> 0}`;
  }

  #isFinished(): boolean {
    const { u16 } = this.#state.world;
    const at = (cpu: number): number => this.#v("hwBase") + cpu * this.#v("hwStride") + this.#v("HW_PLAY");
    return this.#one.threads.every(({ cpu, does }) => u16[at(cpu) / 2]! >> 1 === does.length);
  }

  #forget(): void {
    this.#isTrapped = false;
    for (const st of this.#statistics()) {
      this.#state.world.u8.fill(0, st + this.#v("ST_VIOLATIONS"), st + this.#v("ST_FIXED"));
    }
  }

  #broken(): string[] {
    const { u64 } = this.#state.world;
    const found = this.#isTrapped ? ["trap"] : [];
    for (const st of this.#statistics()) {
      for (let invariant = 0; invariant < 8; invariant++) {
        const count = u64[(st + this.#v("ST_VIOLATIONS") + invariant * this.#v("VIOLATION_BYTES")) / 8];
        if (count !== 0n) found.push(`${invariant}`);
      }
    }
    return found;
  }

  #noteWindows(): void {
    const { u64 } = this.#state.world;
    for (const st of this.#statistics()) {
      for (let window = 0; window < this.#one.program.windows.length; window++) {
        if (u64[(st + this.#v("ST_WINDOWS")) / 8 + window] !== 0n) this.#windows.add(window);
      }
    }
  }

  #statistics(): number[] {
    return Array.from(
      { length: this.#one.machine.cpus },
      (_, cpu) => this.#v("stBase") + cpu * this.#v("stStride"),
    );
  }

  /** A constant or a base address of the engine, which never change once the world is there. */
  #v(name: string): number {
    const value = this.#values.get(name) ?? this.#state.world.value(name);
    this.#values.set(name, value);
    return value;
  }
}
