/*
 * CPUs of the clock that wait for a word to change. A CPU whose step is disabled registers the word's address; a later write to that
 * word makes it try again, no earlier than the end of the step that wrote. For locks only the longest waiter is woken (queued spinlocks and rwsems hand
 * over in order); a reader that got its lock wakes the next one. A bucket count per address hash keeps writes without waiters cheap.
 */
import { setDue } from "./due";
import { clk, hw } from "./addresses";
import { cpus, waitAddresses, waitBuckets } from "./layout";
import { CK_CLOCK, CK_IN_SHOOTDOWN, CK_WAIT_LOCK, CK_WAIT_SINCE, HW_IN_IRQ, WAIT_BUCKETS } from "./offsets";
import { CYCLES_IPI_WAIT, CYCLES_IRQ, CYCLES_LOCK_WAIT, spend } from "./stats";

// @ts-ignore: decorator
@inline
function bucket(address: usize): usize {
  return waitBuckets + (((address >> 3) & <usize>(WAIT_BUCKETS - 1)) << 2);
}

// @ts-ignore: decorator
@inline
function addressAt(cpu: u32): usize {
  return waitAddresses + (<usize>cpu << 2);
}

/** In the low bit of a CPU's wait address: it is about to try again, and has kept its place in the queue. */
const TRIES: u32 = 1;

export function isWaiting(cpu: u32): bool {
  const at = load<u32>(addressAt(cpu));
  return at != 0 && (at & TRIES) == 0;
}

/** Registers `cpu`, whose step was disabled; `isLock` asks for one-at-a-time hand-over. Waiting again keeps its place in the queue. */
export function beginWait(cpu: u32, address: usize, isLock: bool): void {
  const k = clk(cpu);
  if (load<u32>(addressAt(cpu)) != (<u32>address | TRIES)) store<u64>(k, load<u64>(k, CK_CLOCK), CK_WAIT_SINCE);
  store<u32>(addressAt(cpu), <u32>address);
  store<u32>(k, isLock ? 1 : 0, CK_WAIT_LOCK);
  store<u32>(bucket(address), load<u32>(bucket(address)) + 1);
}

/** Takes `cpu` off the waiters: it tries again, and nobody behind it in the queue is woken before it has. */
export function endWait(cpu: u32): void {
  assert(isWaiting(cpu));
  const address = <usize>load<u32>(addressAt(cpu));
  store<u32>(bucket(address), load<u32>(bucket(address)) - 1);
  store<u32>(addressAt(cpu), <u32>address | TRIES);
}

/** `cpu` got what it had waited for, if it had waited. */
export function leaveQueue(cpu: u32): void {
  store<u32>(addressAt(cpu), 0);
}

/** What the cycles are called that a waiting CPU spends. */
export function waitKind(cpu: u32): u32 {
  const k = clk(cpu);
  if (load<u32>(hw(cpu), HW_IN_IRQ) != 0) return CYCLES_IRQ;
  if (load<u32>(k, CK_IN_SHOOTDOWN) != 0 && load<u32>(k, CK_WAIT_LOCK) == 0) return CYCLES_IPI_WAIT;
  return CYCLES_LOCK_WAIT;
}

function wake(cpu: u32, now: u64): void {
  const k = clk(cpu);
  const clock = load<u64>(k, CK_CLOCK);
  const kind = waitKind(cpu);
  if (now > clock) spend(cpu, now - clock, kind);
  endWait(cpu);
  setDue(cpu, load<u64>(k, CK_CLOCK));
}

/** {u32 count, u32 addresses...} of words written in the current step that somebody may wait for. */
const WRITTEN: usize = 17408;
const WRITTEN_MAX: u32 = 96;

/** A word was written. Its waiters are woken when the step's time has passed, by wakeAll(). */
// @ts-ignore: decorator
@inline
export function noteWritten(address: usize): void {
  if (load<u32>(bucket(address)) == 0) return;
  const n = load<u32>(WRITTEN);
  if (n >= WRITTEN_MAX) return;
  store<u32>(WRITTEN + 4 + (<usize>n << 2), <u32>address);
  store<u32>(WRITTEN, n + 1);
}

/** Whoever waits for a word that `writer` wrote in this step tries again, now. */
// @ts-ignore: decorator
@inline
export function wakeAll(writer: u32): void {
  if (load<u32>(WRITTEN) != 0) wakeWritten(writer);
}

function wakeWritten(writer: u32): void {
  const n = load<u32>(WRITTEN);
  store<u32>(WRITTEN, 0);
  for (let i: u32 = 0; i < n; i++) wakeWaiters(writer, <usize>load<u32>(WRITTEN + 4 + (<usize>i << 2)));
}

function wakeWaiters(writer: u32, address: usize): void {
  if (load<u32>(bucket(address)) == 0) return;
  const now = load<u64>(clk(writer), CK_CLOCK);
  let first: u32 = cpus;
  let since: u64 = u64.MAX_VALUE;
  for (let cpu: u32 = 0; cpu < cpus; cpu++) {
    const at = load<u32>(addressAt(cpu));
    if ((at & ~TRIES) != <u32>address) continue;
    const k = clk(cpu);
    if (load<u32>(k, CK_WAIT_LOCK) == 0) {
      if (at == <u32>address) wake(cpu, now);
    } else if (load<u64>(k, CK_WAIT_SINCE) < since) {
      since = load<u64>(k, CK_WAIT_SINCE);
      first = cpu;
    }
  }
  if (first < cpus && isWaiting(first)) wake(first, now);
}
