/* Locks as words, and waiting. A step that cannot go on is disabled: no spin loops. */
import type { Running, Step } from "./running.js";

const WRITER = 1n << 63n;

export const LOCK: Step = (run) => acquire(run, (word) => (word === 0n ? ownerOf(run) : undefined));
export const RLOCK: Step = (run) => acquire(run, oneMoreReader);
export const WLOCK: Step = (run) => acquire(run, (word) => (word === 0n ? WRITER | ownerOf(run) : undefined));

export const TRYLOCK: Step = (run) => attempt(run, (word) => (word === 0n ? ownerOf(run) : undefined));
export const TRYRLOCK: Step = (run) => attempt(run, oneMoreReader);

export const UNLOCK: Step = (run) =>
  run.world.config.freeHardware
    ? releaseLater(run)
    : release(run, (word) => (word === ownerOf(run) ? 0n : undefined));
export const RUNLOCK: Step = (run) =>
  release(run, (word) => (word > 0n && word < WRITER ? word - 1n : undefined));
export const WUNLOCK: Step = (run) => release(run, (word) => (isWriter(run, word) ? 0n : undefined));
/** From the only writer to one reader of possibly many. */
export const DOWNGRADE: Step = (run) => release(run, (word) => (isWriter(run, word) ? 1n : undefined));

/** Waits until the word, as this CPU reads it, stands in relation `d` to register `c`. Orders nothing. */
export const AWAIT: Step = (run) => {
  const word = run.cpu.stores.load(run.field());
  const bound = run.value(run.op.c);
  const holds = [word === bound, word !== bound, word < bound, word >= bound][run.op.d];
  if (holds === undefined) throw new RangeError(`no relation ${run.op.d}`);
  if (holds) run.set(run.op.dst, word);
  return holds;
};

function ownerOf(run: Running): bigint {
  return BigInt(run.cpu.id + 1);
}

function isWriter(run: Running, word: bigint): boolean {
  return word === (WRITER | ownerOf(run));
}

function oneMoreReader(word: bigint): bigint | undefined {
  return word < WRITER ? word + 1n : undefined;
}

/** Disabled while `taken` gives no value. */
function acquire(run: Running, taken: (word: bigint) => bigint | undefined): boolean {
  const cell = run.field();
  // Own buffered stores to a lock word do not count: whether the lock is free is a fact of memory.
  if (taken(run.world.memory.read(cell)) === undefined) return false;
  return attempt(run, taken);
}

/** A full fence, whether it succeeds or not; dst says which. */
function attempt(run: Running, taken: (word: bigint) => bigint | undefined): boolean {
  const cell = run.field();
  run.cpu.stores.drainAll();
  const word = taken(run.world.memory.read(cell));
  if (word !== undefined) run.world.memory.write(cell, word, run.origin);
  run.set(run.op.dst, word !== undefined);
  return true;
}

/** A plain store behind all others. Throws when the CPU does not hold the lock. */
function releaseLater(run: Running): boolean {
  const cell = run.field();
  const word = run.world.memory.read(cell);
  if (word !== ownerOf(run)) throw new Error(`UNLOCK of a lock not held: the word is ${word}`);
  run.cpu.stores.writeBarrier();
  run.cpu.stores.store(cell, 0n, run.op.site);
  return true;
}

/** Everything stored before is visible before the lock is free. Throws when the CPU does not hold the lock. */
function release(run: Running, released: (word: bigint) => bigint | undefined): boolean {
  const cell = run.field();
  run.cpu.stores.drainAll();
  const old = run.world.memory.read(cell);
  const word = released(old);
  if (word === undefined) throw new Error(`${run.op.op} of a lock not held: the word is ${old}`);
  run.world.memory.write(cell, word, run.origin);
  return true;
}
