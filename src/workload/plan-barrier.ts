import { barriersIn } from "./plan-names.js";
import type { Process, Thread } from "./plan-threads.js";

/**
 * A place where threads of a process wait for each other, over and over.
 *
 * The engine knows one kind of wait: for another task's records up to a position. So the first thread waits for all
 * others, and they wait for it; nobody can write such a wait before the other one has written what it waits for.
 */
export class Barrier {
  readonly members: readonly Thread[];
  readonly #index: ReadonlyMap<Thread, number>;
  readonly #positions: Float64Array;
  /** Whether a member has come to this round. */
  readonly #isHere: Uint8Array;
  #here = 0;
  #round = 0;
  #openAt = 0;

  constructor(members: readonly Thread[]) {
    this.members = members;
    this.#index = new Map(members.map((thread, index) => [thread, index]));
    this.#positions = new Float64Array(members.length);
    this.#isHere = new Uint8Array(members.length);
  }

  /** Rounds that are over. */
  get round(): number {
    return this.#round;
  }

  get isComplete(): boolean {
    return this.#here === this.members.length;
  }

  /** Those who have not come yet. */
  get missing(): Thread[] {
    return this.members.filter((_, index) => this.#isHere[index] === 0);
  }

  /** A member has come, with so many records in its ring. Returns the round that it waits for. */
  arrive(thread: Thread, position: number): number {
    const index = this.#index.get(thread)!;
    this.#positions[index] = position;
    this.#isHere[index] = 1;
    this.#here++;
    return this.#round + 1;
  }

  positionOf(index: number): number {
    return this.#positions[index]!;
  }

  /** The first member has waited for all the others, up to this position of its own. */
  open(position: number): void {
    this.#openAt = position;
    this.#isHere.fill(0);
    this.#here = 0;
    this.#round++;
  }

  /** The position of the first member at which the last round was over. */
  get openAt(): number {
    return this.#openAt;
  }
}

/** The barriers of each process, by name. */
export function barriersOf(process: Process): ReadonlyMap<string, Barrier> {
  const members = new Map<string, Thread[]>();
  for (const thread of process.threads) {
    for (const name of barriersIn(thread.group.steps))
      members.set(name, [...(members.get(name) ?? []), thread]);
  }
  return new Map([...members].map(([name, threads]) => [name, new Barrier(threads)]));
}
