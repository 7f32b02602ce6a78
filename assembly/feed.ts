/*
 * What tasks do: a ring of u64 records per task, appended by the host, consumed by the clock.
 *
 *   access      | address, low 4 bits cleared | kind 0..3 |        load, store, fetch, modify
 *   compute     | cycles << 4                 | 4 |
 *   call        | rank << 20 | entry << 4     | 5 | six arguments | 0 |     eight words
 *   wait calls  | rank << 4                   | 6 |                until calls 0..rank-1 are done
 *   wait task   | task << 4                   | 7 | records |      until that task has consumed so many
 *   start       | task << 4                   | 8 |
 *   end         |                             | 9 |                no more records will come
 */
import { CFG_RING, CFG_TASKS, config } from "./config";
import { callsDone, feedBase, ringBytes, taskTime } from "./layout";
import { CALLS_WINDOW, TT_APPENDED, TT_BYTES, TT_CONSUMED, TT_READY, TT_SEEN, TT_STATE, TT_WAIT_A, TT_WAIT_B } from "./offsets";

export const FEED_COMPUTE: u32 = 4;
export const FEED_CALL: u32 = 5;
export const FEED_WAIT_CALLS: u32 = 6;
export const FEED_WAIT_TASK: u32 = 7;
export const FEED_START: u32 = 8;
export const FEED_END: u32 = 9;
export const CALL_WORDS: u32 = 8;

export const TASK_ABSENT: u32 = 0;
export const TASK_RUNNABLE: u32 = 1;
export const TASK_WAITS_CALLS: u32 = 2;
export const TASK_WAITS_TASK: u32 = 3;
/** Its ring was empty and the host had nothing for it yet. */
export const TASK_STARVED: u32 = 4;
export const TASK_ENDED: u32 = 5;

// Header of `callsDone`: {watermark u64, task top u32, live u32, waiting u32, starved u32, now u64}; the bits follow at +64.
const WATERMARK: usize = 0;
export const TASK_TOP: u32 = 8;
const LIVE: usize = 12;
const WAITING: usize = 16;
const STARVED: usize = 20;

// @ts-ignore: decorator
@inline
export function taskAt(task: u32): usize {
  return taskTime + <usize>task * TT_BYTES;
}

/** Address of a record of a task. */
// @ts-ignore: decorator
@inline
export function recordAt(task: u32, position: u64): usize {
  return feedBase + <usize>task * ringBytes + ((<usize>position & <usize>(config(CFG_RING) - 1)) << 3);
}

// @ts-ignore: decorator
@inline
export function taskTop(): u32 {
  return load<u32>(callsDone + TASK_TOP);
}

export function liveTasks(): u32 {
  return load<u32>(callsDone, LIVE);
}

export function waitingTasks(): u32 {
  return load<u32>(callsDone, WAITING);
}

export function starvedTasks(): u32 {
  return load<u32>(callsDone, STARVED);
}

export function watermark(): u64 {
  return load<u64>(callsDone, WATERMARK);
}

// @ts-ignore: decorator
@inline
function adjust(word: usize, by: i32): void {
  store<i32>(callsDone + word, load<i32>(callsDone + word) + by);
}

// @ts-ignore: decorator
@inline
function isWait(state: u32): bool {
  return state == TASK_WAITS_CALLS || state == TASK_WAITS_TASK;
}

/** The only place where a task changes state, so that the counts of the header hold. */
export function setTaskState(task: u32, state: u32): void {
  assert(task < config(CFG_TASKS));
  const t = taskAt(task);
  const old = load<u32>(t, TT_STATE);
  if (isWait(old)) adjust(WAITING, -1);
  if (isWait(state)) adjust(WAITING, 1);
  if (old == TASK_STARVED) adjust(STARVED, -1);
  if (state == TASK_STARVED) adjust(STARVED, 1);
  if (old == TASK_ABSENT) adjust(LIVE, 1);
  if (state == TASK_ENDED) adjust(LIVE, -1);
  if (task >= taskTop()) store<u32>(callsDone + TASK_TOP, task + 1);
  store<u32>(t, state, TT_STATE);
}

/** Makes a task exist and run no earlier than `ready`. */
export function startTask(task: u32, ready: u64): void {
  if (task >= config(CFG_TASKS)) return;
  store<u64>(taskAt(task), ready, TT_READY);
  setTaskState(task, TASK_RUNNABLE);
}

/** Call number `rank` is done; the watermark moves over every call that is done without a gap. */
export function callDone(rank: u64): void {
  const bits = callsDone + 64;
  let mark = watermark();
  assert(rank >= mark && rank - mark < <u64>CALLS_WINDOW); // done once, and within the window
  if (rank != mark) {
    const at = bits + <usize>((rank & <u64>(CALLS_WINDOW - 1)) >> 3);
    store<u8>(at, load<u8>(at) | (1 << (<u8>rank & 7)));
    return;
  }
  mark++;
  for (;;) {
    const at = bits + <usize>((mark & <u64>(CALLS_WINDOW - 1)) >> 3);
    const bit: u8 = 1 << (<u8>mark & 7);
    if ((load<u8>(at) & bit) == 0) break;
    store<u8>(at, load<u8>(at) & ~bit);
    mark++;
  }
  store<u64>(callsDone, mark, WATERMARK);
}

/** Publishes what a task has consumed, for other CPUs to look at in the next bound phase. Never within one. */
export function publishConsumed(task: u32): void {
  const t = taskAt(task);
  store<u64>(t, load<u64>(t, TT_CONSUMED), TT_SEEN);
}

/** Whether a task that waits may go on. */
export function waitIsOver(task: u32): bool {
  const t = taskAt(task);
  const a = load<u64>(t, TT_WAIT_A);
  if (load<u32>(t, TT_STATE) == TASK_WAITS_CALLS) return watermark() >= a;
  return load<u64>(taskAt(<u32>a), TT_CONSUMED) >= load<u64>(t, TT_WAIT_B);
}

export function hasRecords(task: u32): bool {
  const t = taskAt(task);
  return load<u64>(t, TT_CONSUMED) < load<u64>(t, TT_APPENDED);
}
