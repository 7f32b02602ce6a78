/*
 * The clock: quanta of a bound phase, in which CPUs run their own accesses, and a weave phase, in which everything that CPUs can see of
 * each other happens in (time, CPU) order: faults, kernel steps, interrupts. A CPU that returns to user mode inside a weave goes on in
 * the next bound phase with its own clock, so no time is lost; what it sees of others is at most one quantum late.
 */
import { aloneUntil } from "./alone";
import { boundRun, TRAP_DRY, TRAP_NONE, TRAP_SLICE, turn, turnEnd } from "./bound";
import { CFG_BOUND_ORDER, CFG_QUANTUM, CFG_RING, config } from "./config";
import { finish, isShared, isUnfinished, learnTurns, turnTogether } from "./crew";
import { cancelDue, dueOf, NEVER, nextDue, setDue } from "./due";
import { liveTasks, publishConsumed, setTaskState, starvedTasks, TASK_STARVED, TASK_WAITS_TASK, taskAt, taskTop, waitingTasks } from "./feed";
import { clk, hw } from "./addresses";
import { callsDone, cpus, maskWords, samples, turns, users } from "./layout";
import {
  CK_CLOCK, CK_LOG_COUNT, CK_MODE, CK_SLICE_END, CK_TRAP, HW_IN_IRQ, HW_PENDING, HW_TASK, SAMPLES_MAX, TT_APPENDED, TT_CONSUMED, TT_FLAGS,
  TT_STATE,
} from "./offsets";
import { hasOtherRunnable, MODE_USER, release } from "./sched";
import { CYCLES_IDLE, spend } from "./stats";
import { mergeLog } from "./walk";
import { stretch } from "./stretch";
import { isBack, nextVisit, visited } from "./visits";
import { weaveTime } from "./weave";

export const RUN_MORE: u32 = 0;
/** Tasks ran dry: their feeds are to be refilled. */
export const RUN_FEED: u32 = 1;
export const RUN_DONE: u32 = 2;
/** Nothing can move, and no feed can help: a deadlock of the simulated kernel, or of a trace. */
export const RUN_STUCK: u32 = 3;
/** The samples are to be collected. */
export const RUN_SAMPLES: u32 = 4;
/** Another thread takes long over its turns, or is gone. */
export const RUN_LATE: u32 = 5;

const NOW: usize = 24;
/** The host found the ring full when it had more; see TT_FLAGS. */
export const TASK_RING_FULL: u32 = 1;
export const TASK_DRY: u32 = 2;

/** Start of the current quantum. */
export function now(): u64 {
  return load<u64>(callsDone, NOW);
}

function beginQuantum(start: u64): void {
  store<u64>(callsDone, start, NOW);
}

/** The i-th CPU that the bound phase visits where a test says so: the order is free. Only in order 0 does a CPU that is alone run through quanta. */
function inOrder(i: u32): u32 {
  const order = config(CFG_BOUND_ORDER);
  if (order == 1) return cpus - 1 - i;
  if (order != 2) return i;
  const odd = cpus >> 1;
  return i < odd ? (i << 1) + 1 : (i - odd) << 1;
}

/** Notes whether a CPU executes its task's accesses now: no trap stops it, and no interrupt handler is under way. */
function noteUser(cpu: u32): void {
  const k = clk(cpu);
  const at = users + (<usize>(cpu >> 6) << 3);
  const bit = <u64>1 << <u64>(cpu & 63);
  const isUser = load<u32>(k, CK_MODE) == MODE_USER && load<u32>(k, CK_TRAP) == TRAP_NONE && load<u32>(hw(cpu), HW_IN_IRQ) == 0;
  store<u64>(at, isUser ? load<u64>(at) | bit : load<u64>(at) & ~bit);
}

/** Smallest CPU of a bitmap that is not below `from`, or `cpus`. */
export function nextIn(bitmap: usize, from: u32): u32 {
  for (let word = from >> 6; word < maskWords; word++) {
    let bits = load<u64>(bitmap + (<usize>word << 3));
    if (word == from >> 6) bits &= u64.MAX_VALUE << <u64>(from & 63);
    if (bits != 0) return (word << 6) + <u32>ctz(bits);
  }
  return cpus;
}

/**
 * Runs again for the same quantum, when the host has refilled a ring, it goes on where it stopped. Returns the end of the quantum, or, when
 * a CPU that is alone ran through several, of the last of them; 0 when another thread has not finished yet.
 */
function bound(end: u64): u64 {
  if (isUnfinished()) return finish() ? end : 0;
  const first = nextIn(users, 0);
  const until = first < cpus && config(CFG_BOUND_ORDER) == 0 ? aloneUntil(first, end) : 0;
  if (until > end) {
    store<u64>(turns + (<usize>(first >> 6) << 3), <u64>1 << <u64>(first & 63));
    boundRun(first, until);
    beginQuantum(turnEnd - (end - now()));
    return turnEnd;
  }
  for (let word: u32 = 0; word < maskWords; word++) {
    const at = turns + (<usize>word << 3);
    store<u64>(at, load<u64>(at) | load<u64>(users + (<usize>word << 3)));
  }
  if (config(CFG_BOUND_ORDER) == 0) {
    if (isShared()) return turnTogether(end) ? end : 0;
    const back = isBack(end);
    for (let place = nextVisit(0, back); place < cpus; place = nextVisit(place + 1, back)) turn(visited(place, back), end);
    learnTurns();
    return end;
  }
  for (let i: u32 = 0; i < cpus; i++) {
    const cpu = inOrder(i);
    if (nextIn(users, cpu) == cpu) turn(cpu, end);
  }
  return end;
}

function publish(cpu: u32): void {
  if (load<u32>(clk(cpu), CK_LOG_COUNT) != 0) mergeLog(cpu);
  publishConsumed(load<u32>(hw(cpu), HW_TASK) - 1);
}

/** What CPUs did in their turns becomes visible: A and D bits, how far their tasks are, and what they want of the weave. */
function publishTurns(): void {
  for (let cpu = nextIn(turns, 0); cpu < cpus; cpu = nextIn(turns, cpu + 1)) {
    publish(cpu);
    noteUser(cpu);
  }
}

/** Tasks whose wait for another task's records is over may run from now on. */
function releaseWaiters(): void {
  if (waitingTasks() == 0) return;
  const top = taskTop();
  for (let task: u32 = 0; task < top; task++) {
    if (load<u32>(taskAt(task), TT_STATE) == TASK_WAITS_TASK) release(task, now());
  }
}

/** A task whose time slice is over gives way if another of its CPU can run. */
function slices(): void {
  for (let cpu = nextIn(users, 0); cpu < cpus; cpu = nextIn(users, cpu + 1)) {
    const k = clk(cpu);
    if (load<u64>(k, CK_CLOCK) < load<u64>(k, CK_SLICE_END) || !hasOtherRunnable(cpu)) continue;
    store<u32>(k, TRAP_SLICE, CK_TRAP);
    noteUser(cpu);
    schedule(cpu);
  }
}

/**
 * When CPUs did nothing in their turns but accesses that a weave has nothing to do for, the quantum needs none. Publishes the turns, and
 * returns the earliest time at which anything can happen, else 0. Worth 5 to 10 ns an access where a quantum holds eight of them.
 */
function quiet(end: u64): u64 {
  const due = nextDue();
  let least = due == NEVER ? NEVER : due >> 10;
  if (least < end || (waitingTasks() | starvedTasks()) != 0) return 0;
  for (let cpu = nextIn(turns, 0); cpu < cpus; cpu = nextIn(turns, cpu + 1)) {
    const k = clk(cpu);
    const clock = load<u64>(k, CK_CLOCK);
    if ((load<u32>(k, CK_TRAP) | load<u32>(hw(cpu), HW_PENDING)) != 0 || dueOf(cpu) != NEVER) return 0;
    if (clock >= load<u64>(k, CK_SLICE_END) && hasOtherRunnable(cpu)) return 0;
    least = min(least, clock);
  }
  if (least == NEVER) return 0;
  // Only now: with a weave, the host may refill rings first, and turns go on in the same quantum.
  for (let cpu = nextIn(turns, 0); cpu < cpus; cpu = nextIn(turns, cpu + 1)) publish(cpu);
  for (let word: u32 = 0; word < maskWords; word++) store<u64>(turns + (<usize>word << 3), 0);
  return least;
}

function weave(end: u64): void {
  publishTurns();
  releaseWaiters();
  slices();
  for (let cpu = nextIn(turns, 0); cpu < cpus; cpu = nextIn(turns, cpu + 1)) schedule(cpu);
  memory.fill(turns, 0, <usize>maskWords << 3);
  for (;;) {
    const due = nextDue();
    if (due == NEVER || due >> 10 >= end) return;
    runAhead(<u32>due & 1023, end);
  }
}

/** Runs the events of the CPU whose turn it is for as long as it stays first; the tree is told once. */
function runAhead(cpu: u32, end: u64): void {
  const at = stretch(cpu, end);
  if (at == NEVER) cancelDue(cpu);
  else setDue(cpu, at);
  noteUser(cpu);
}

/** Puts the CPU's next event into the tree. */
function schedule(cpu: u32): void {
  const at = weaveTime(cpu);
  if (at == NEVER) {
    if (dueOf(cpu) != NEVER) cancelDue(cpu);
  } else {
    setDue(cpu, at);
  }
}

/** Earliest time at which anything can happen, or NEVER. */
function nextTime(): u64 {
  const due = nextDue();
  let least = due == NEVER ? NEVER : due >> 10;
  for (let cpu = nextIn(users, 0); cpu < cpus; cpu = nextIn(users, cpu + 1)) least = min(least, load<u64>(clk(cpu), CK_CLOCK));
  return least;
}

/** Whether the host should be asked for records: somebody is dry, or a full ring has drained while others starve. */
function wantsFeed(): bool {
  let dry = false;
  for (let cpu = nextIn(turns, 0); cpu < cpus; cpu = nextIn(turns, cpu + 1)) {
    if (load<u32>(clk(cpu), CK_TRAP) != TRAP_DRY || load<u32>(clk(cpu), CK_MODE) != MODE_USER) continue;
    const t = taskAt(load<u32>(hw(cpu), HW_TASK) - 1);
    store<u32>(t, load<u32>(t, TT_FLAGS) | TASK_DRY, TT_FLAGS);
    dry = true;
  }
  if (dry) return true;
  if (starvedTasks() == 0) return false;
  const top = taskTop();
  const half = <u64>config(CFG_RING) >> 1;
  for (let task: u32 = 0; task < top; task++) {
    const t = taskAt(task);
    if ((load<u32>(t, TT_FLAGS) & TASK_RING_FULL) != 0 && load<u64>(t, TT_APPENDED) - load<u64>(t, TT_CONSUMED) < half) return true;
  }
  return false;
}

/** Runs up to `quanta` quanta; says why it stopped. */
export function run(quanta: u32): u32 {
  const length = <u64>config(CFG_QUANTUM);
  for (let i: u32 = 0; i < quanta; i++) {
    const end = bound(now() + length);
    if (end == 0) return RUN_LATE;
    const after = quiet(end);
    if (after != 0) {
      advance(end, length, after);
      continue;
    }
    // Before the weave, so that a CPU which runs dry loses no time: where a ring ends changes nothing.
    if (wantsFeed()) return RUN_FEED;
    weave(end);
    const next = nextTime();
    if (next == NEVER) {
      if (liveTasks() == 0) return RUN_DONE;
      return starvedTasks() != 0 ? RUN_FEED : RUN_STUCK;
    }
    advance(end, length, next);
    if (load<u32>(samples) > (SAMPLES_MAX >> 2) * 3) return RUN_SAMPLES;
  }
  return RUN_MORE;
}

/** Starts the next quantum: the following one, or, when nothing happens for long, the one in which something does. */
function advance(end: u64, length: u64, next: u64): void {
  const start = next == NEVER || next < end + length ? end : next - (next % length);
  beginQuantum(start);
}

/** The run is over: every CPU idles up to the last one's clock, so that all clocks agree. Returns that time. */
export function settleClocks(): u64 {
  let last: u64 = 0;
  for (let cpu: u32 = 0; cpu < cpus; cpu++) last = max(last, load<u64>(clk(cpu), CK_CLOCK));
  for (let cpu: u32 = 0; cpu < cpus; cpu++) spend(cpu, last - load<u64>(clk(cpu), CK_CLOCK), CYCLES_IDLE);
  return last;
}

/** The host has refilled what it could: dry tasks go on, or sleep until there is more for them. */
export function fed(): void {
  for (let cpu: u32 = 0; cpu < cpus; cpu++) {
    const k = clk(cpu);
    if (load<u32>(k, CK_TRAP) != TRAP_DRY || load<u32>(k, CK_MODE) != MODE_USER) continue;
    const task = load<u32>(hw(cpu), HW_TASK) - 1;
    const t = taskAt(task);
    store<u32>(t, load<u32>(t, TT_FLAGS) & ~TASK_DRY, TT_FLAGS);
    if (load<u64>(t, TT_CONSUMED) < load<u64>(t, TT_APPENDED)) store<u32>(k, TRAP_NONE, CK_TRAP);
    else {
      setTaskState(task, TASK_STARVED);
      store<u32>(k, TRAP_SLICE, CK_TRAP);
    }
    noteUser(cpu);
    schedule(cpu);
  }
  const top = taskTop();
  for (let task: u32 = 0; task < top; task++) {
    const t = taskAt(task);
    if (load<u32>(t, TT_STATE) == TASK_STARVED && load<u64>(t, TT_CONSUMED) < load<u64>(t, TT_APPENDED)) release(task, now());
  }
}
