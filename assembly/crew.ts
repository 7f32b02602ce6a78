/*
 * Several host threads in one world. Each has an instance of its own over the same memory; the first one runs the clock, the others help
 * in bound phases: whoever is free takes the next CPU that has its turn. What a turn does not depend on who does it or when, so a result
 * does not depend on how many threads there are.
 *
 * Nobody has to come. The first thread opens a gate and begins; who finds it open goes in; when no CPU is left the gate is closed, and only
 * those inside are waited for. A thread that sleeps costs nothing, and is woken when there is enough to do.
 */
import { turn, turnCycles } from "./bound";
import { isBack, nextVisit, visited } from "./visits";
import { CFG_QUANTUM, config } from "./config";
import { taskTop } from "./feed";
import { cpus, maskWords, users } from "./layout";

// Words that threads share, on lines of their own where they are written often.
/** The host writes: threads, the first one included; 0 means one. */
export const CREW_SIZE: usize = 24576;
/** The host writes: how often a thread looks before it goes to sleep. */
export const CREW_SPINS: usize = 24580;
/** The host writes: 1 if each thread does its own share, however small, and no other's. */
export const CREW_SHARES: usize = 24584;
/** The host writes: 1 ends help(). */
export const CREW_STOP: usize = 24588;
/** Number of a thread that failed. Only the host looks at what it was. */
export const CREW_FAILED: usize = 24592;
/** Threads that are ready to help. */
export const CREW_READY: usize = 24596;
/** Until when the turns last. */
const END: usize = 24600;
/** 1 when threads would help; until then the host need not start them. */
export const CREW_WANTED: usize = 24608;
/** {open 1 bit, threads inside 31 bits}. */
const GATE: usize = 24640;
const OPEN: u32 = 0x80000000;
/** 1 while the first thread sleeps until the others are out. */
const FIRST_SLEEPS: usize = 24644;
/** How often the gate was opened, and how many wait for the next time. */
const CALLS: usize = 24704;
const SLEEPING: usize = 24708;
/** For each thread {next place of its share (visits.ts) u32, end of its share u32, turns that it did u32, the last call that it answered u32}. */
export const CREW_PLACES: usize = 24768;
export const CREW_PLACE_BYTES: usize = 64;
export const CREW_TURNS: usize = 8;
const ANSWERED: usize = 12;
export const CREW_MOST: u32 = 64;

/** Cycles that CPUs run in all turns together, as it seems, from which on a second thread gains more than meeting it costs. */
const WORTH_OPENING: u64 = 4000;
/** The same for waking one; and cycles that others could have helped with, after which one is woken to see. */
const WORTH_WAKING: u64 = 50000;
const WAKE_AFTER: u64 = 1000000;
/** The same for starting threads, which takes tens of milliseconds. */
const START_AFTER: u64 = 20000000;
/** A turn that lasts to its end, and by which part of a new measurement the belief changes. */
const WHOLE: u64 = 1 << 16;
const LEARNING_SHIFT: u64 = 3;
/** A sleeper looks up now and then, so that a word from the host is never missed for long. */
const NAP_NANOSECONDS: i64 = 100000000;
/** What atomic.wait() returns when nobody woke it. */
const TIMED_OUT: i32 = 2;
/** Meetings of one help(), which then returns: a function that never returns is never compiled well. */
const MEETINGS: u32 = 4096;
const NOBODY: u32 = 0xffffffff;

/** The last time this thread was called. */
let lastCall: u32 = 0;
/** Cycles of turns done without sleepers, since one was woken. */
let missed: u64 = 0;
/**
 * What part of their turns CPUs have run lately, in WHOLEs: those that go into the kernel at once, or compute without a single access, give
 * others nothing to do. The first thread believes it of what it has done itself; the cycles of all turns, were they whole; and what it had
 * run before them.
 */
let fullness: u64 = WHOLE;
let wholeTurns: u64 = 0;
let ranBefore: u64 = 0;
/** Whether the first thread gave up waiting for the others, and has to go on with that. */
let unfinished: bool = false;

// @ts-ignore: decorator
@inline
function placeOf(thread: u32): usize {
  return CREW_PLACES + <usize>thread * CREW_PLACE_BYTES;
}

// @ts-ignore: decorator
@inline
function size(): u32 {
  return load<u32>(CREW_SIZE);
}

/** Whether the turns of this bound phase are worth sharing. If not, learnTurns() comes after them. */
export function isShared(): bool {
  if (size() < 2) return false;
  if (load<u32>(CREW_SHARES) != 0) return true;
  wholeTurns = cyclesOfTurns();
  ranBefore = turnCycles;
  const cycles = cyclesAhead();
  if (cycles < WORTH_OPENING) return false;
  if (atomic.load<u32>(CREW_READY) != 0) return true;
  missed += cycles;
  if (missed >= START_AFTER) atomic.store<u32>(CREW_WANTED, 1);
  return false;
}

/** Cycles that the turns of this bound phase will have, by what was learnt of those before. */
function cyclesAhead(): u64 {
  return (wholeTurns * fullness) / WHOLE;
}

/** The first thread has done all turns of a bound phase. */
export function learnTurns(): void {
  if (size() >= 2) learn(wholeTurns);
}

/** It has done turns that would have had so many cycles, were they whole. */
function learn(whole: u64): void {
  if (whole == 0) return;
  const full = min(WHOLE, ((turnCycles - ranBefore) * WHOLE) / whole);
  fullness = fullness - (fullness >> LEARNING_SHIFT) + (full >> LEARNING_SHIFT);
}

function cyclesOfTurns(): u64 {
  let runners: u64 = 0;
  for (let word: u32 = 0; word < maskWords; word++) runners += popcnt<u64>(load<u64>(users + (<usize>word << 3)));
  return runners * <u64>config(CFG_QUANTUM);
}

/** Whether turns are still under way from the last run() of the clock. */
export function isUnfinished(): bool {
  return unfinished;
}

/** All turns up to `end`, by whoever comes. Returns false when somebody who came has not finished in time: see finish(). */
export function turnTogether(end: u64): bool {
  const threads = size();
  const top = min(cpus, taskTop());
  const back = isBack(end);
  for (let thread: u32 = 0; thread < threads; thread++) {
    const place = placeOf(thread);
    const first = (top * thread) / threads;
    const last = (top * (thread + 1)) / threads;
    store<u32>(place, back ? cpus - last : first);
    store<u32>(place, back ? cpus - first : last, 4);
  }
  store<u64>(END, end);
  // In this order: who is called finds the gate open.
  atomic.store<u32>(GATE, OPEN);
  atomic.add<u32>(CALLS, 1);
  wake(threads);
  learn(<u64>work(0, end) * <u64>config(CFG_QUANTUM));
  unfinished = true;
  return finish();
}

function wake(threads: u32): void {
  if (atomic.load<u32>(SLEEPING) == 0) return;
  const cycles = cyclesAhead();
  missed += cycles;
  if (cycles < WORTH_WAKING && missed < WAKE_AFTER && load<u32>(CREW_SHARES) == 0) return;
  missed = 0;
  atomic.notify(CALLS, <i32>threads);
}

/** Waits until all turns are done, for a while. Returns whether they are. */
export function finish(): bool {
  if (load<u32>(CREW_SHARES) == 0) atomic.and<u32>(GATE, ~OPEN);
  for (let i: u32 = load<u32>(CREW_SPINS); i > 0 && !isFinished(); i--) {}
  unfinished = !isFinished() && !sleepUntilFinished();
  return !unfinished;
}

/** Returns false when nothing has happened for a nap. */
function sleepUntilFinished(): bool {
  let isOver = false;
  atomic.store<u32>(FIRST_SLEEPS, 1);
  while (!isOver && !isFinished()) {
    const gate = atomic.load<u32>(GATE);
    isOver = !isFinished() && atomic.wait<i32>(GATE, <i32>gate, NAP_NANOSECONDS) == TIMED_OUT;
  }
  atomic.store<u32>(FIRST_SLEEPS, 0);
  return !isOver;
}

/** Whether the gate is closed and nobody is inside. Where each does his own share, it closes when all are done and everybody is out. */
function isFinished(): bool {
  const gate = atomic.load<u32>(GATE);
  if (gate == 0 || load<u32>(CREW_SHARES) == 0) return gate == 0;
  const back = isBack(load<u64>(END));
  for (let thread: u32 = 0; thread < size(); thread++) {
    if (nextVisit(atomic.load<u32>(placeOf(thread)), back) < load<u32>(placeOf(thread), 4)) return false;
  }
  return atomic.cmpxchg<u32>(GATE, OPEN, 0) == OPEN;
}

/** Takes the next CPU of a share; NOBODY when there is none left. */
function take(thread: u32, back: bool): u32 {
  const place = placeOf(thread);
  const end = load<u32>(place, 4);
  for (let from = atomic.load<u32>(place); from < end; from = atomic.load<u32>(place)) {
    const next = nextVisit(from, back);
    if (next >= end) break;
    if (atomic.cmpxchg<u32>(place, from, next + 1) == from) return visited(next, back);
  }
  return NOBODY;
}

/** The own share first, so that a CPU's state stays in one core's caches; then what others have left. Returns how many turns it did. */
function work(thread: u32, end: u64): u32 {
  const threads: u32 = load<u32>(CREW_SHARES) != 0 ? 1 : size();
  const back = isBack(end);
  let done: u32 = 0;
  for (let i: u32 = 0; i < threads; i++) {
    const share = (thread + i) % size();
    for (let cpu = take(share, back); cpu != NOBODY; cpu = take(share, back)) {
      turn(cpu, end);
      done++;
    }
  }
  const at = placeOf(thread) + CREW_TURNS;
  store<u32>(at, load<u32>(at) + done);
  return done;
}

function enter(): bool {
  for (let gate = atomic.load<u32>(GATE); (gate & OPEN) != 0; gate = atomic.load<u32>(GATE)) {
    if (atomic.cmpxchg<u32>(GATE, gate, gate + 1) == gate) return true;
  }
  return false;
}

function leave(): void {
  const gate = atomic.sub<u32>(GATE, 1) - 1;
  if ((gate & ~OPEN) == 0 && atomic.load<u32>(FIRST_SLEEPS) != 0) atomic.notify(GATE, 1);
}

/** Waits for the next call, awake at first. Returns whether there was one. */
function isCalled(): bool {
  for (let i: u32 = load<u32>(CREW_SPINS); i > 0; i--) if (atomic.load<u32>(CALLS) != lastCall) return true;
  atomic.add<u32>(SLEEPING, 1);
  atomic.wait<i32>(CALLS, <i32>lastCall, NAP_NANOSECONDS);
  atomic.sub<u32>(SLEEPING, 1);
  return atomic.load<u32>(CALLS) != lastCall;
}

/** What every thread but the first does, again and again: helps where it is called. Returns whether it is to be called again. */
export function help(thread: u32): bool {
  for (let i: u32 = 0; i < MEETINGS; i++) {
    if (atomic.load<u32>(CREW_STOP) != 0) return false;
    if (!isCalled()) continue;
    lastCall = atomic.load<u32>(CALLS);
    if (!enter()) continue;
    work(thread, load<u64>(END));
    leave();
    atomic.store<u32>(placeOf(thread) + ANSWERED, lastCall);
  }
  return true;
}

/** Meets the second thread so many times, without any work: for benchmarks, in a world that is not running. */
export function meet(times: u32): void {
  for (let i: u32 = 0; i < times; i++) {
    atomic.store<u32>(GATE, OPEN);
    const call = atomic.add<u32>(CALLS, 1) + 1;
    if (atomic.load<u32>(SLEEPING) != 0) atomic.notify(CALLS, 1);
    while (atomic.load<u32>(placeOf(1) + ANSWERED) != call) {}
    atomic.store<u32>(GATE, 0);
  }
}
