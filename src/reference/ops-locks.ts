/* Locks as words, and waiting. A step that cannot go on is disabled: no spin loops. */
import type { Running, Step } from "./running.js";

const WRITER = 1n << 63n;

export const LOCK: Step = (run) => canTake(run, freeSpinlock(run)) && take(run, freeSpinlock(run));
export const RLOCK: Step = (run) => canTake(run, oneMoreReader) && sleepAndTake(run, oneMoreReader);
export const WLOCK: Step = (run) => canTake(run, freeRwlock(run)) && sleepAndTake(run, freeRwlock(run));

export const TRYLOCK: Step = (run) => take(run, freeSpinlock(run));
export const TRYRLOCK: Step = (run) => {
  attempt(run, oneMoreReader);
  return true;
};

export const UNLOCK: Step = (run) => {
  run.cpu.spinlocks--;
  if (run.world.config.freeHardware) return releaseLater(run);
  return release(run, (word) => (word === ownerOf(run) ? 0n : undefined));
};
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

type Taken = (word: bigint) => bigint | undefined;

function freeSpinlock(run: Running): Taken {
  return (word) => (word === 0n ? ownerOf(run) : undefined);
}

function freeRwlock(run: Running): Taken {
  return (word) => (word === 0n ? WRITER | ownerOf(run) : undefined);
}

/** Own buffered stores to a lock word do not count: whether the lock is free is a fact of memory. */
function canTake(run: Running, taken: Taken): boolean {
  return taken(run.world.memory.read(run.field())) !== undefined;
}

/** A full fence, whether it succeeds or not; dst says which. */
function attempt(run: Running, taken: Taken): boolean {
  const cell = run.field();
  run.cpu.stores.drainAll();
  const word = taken(run.world.memory.read(cell));
  if (word !== undefined) run.world.memory.write(cell, word, run.origin);
  run.set(run.op.dst, word !== undefined);
  return word !== undefined;
}

/** Takes a spinlock if it is free. */
function take(run: Running, taken: Taken): true {
  if (attempt(run, taken)) {
    run.cpu.spinlocks++;
    run.cpu.atomicSite = run.op.site;
  }
  return true;
}

/** Takes a lock that its holders may sleep with, and its waiters too. */
function sleepAndTake(run: Running, taken: Taken): boolean {
  attempt(run, taken);
  run.world.oracle.mightSleep(run.cpu, run.op.site);
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
