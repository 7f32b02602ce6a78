/** Proof, for tsc and the assembler, that a lock is held: "caller must hold the PTL" is a parameter of type Held<"ptl">. */

import { fail } from "./errors.js";

/** Made by k.locked and its kin; good until their block ends. N is the name of the lock, with ":read" or ":write" for a semaphore. */
export class Held<out N extends string> {
  readonly lock: N;
  // Private, so that only the blocks make tokens.
  #ended = false;

  constructor(lock: N) {
    this.lock = lock;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Called by the block that made the token. */
  end(): void {
    this.#ended = true;
  }
}

/** A semaphore held for writing. */
export class WriteHeld<N extends string> extends Held<`${N}:write`> {
  readonly #downgrade: (label: string) => Held<`${N}:read`>;

  constructor(lock: `${N}:write`, downgrade: (label: string) => Held<`${N}:read`>) {
    super(lock);
    this.#downgrade = downgrade;
  }

  /** Let readers in: from here on the rest of the block holds the read side, and this token is used up. */
  downgrade(label: string): Held<`${N}:read`> {
    refuseEnded([this]);
    return this.#downgrade(label);
  }
}

/** A semaphore held either way. */
export type HeldEither<N extends string> = Held<`${N}:read` | `${N}:write`>;

/** Throws: AssembleError when one of the arguments, or a property of one, is a token whose block has ended. */
export function refuseEnded(args: readonly unknown[]): void {
  for (const arg of args) {
    if (arg instanceof Held) {
      if (!arg.ended) continue;
      fail(
        `the token of lock "${arg.lock}" is used after its scope`,
        "call the routine inside the block that holds the lock",
      );
    }
    if (Array.isArray(arg)) refuseEnded(arg);
    else if (isPlain(arg)) refuseEnded(Object.values(arg).filter((value) => value instanceof Held));
  }
}

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
