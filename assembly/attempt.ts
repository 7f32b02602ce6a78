/*
 * One choice in the loaded state: what it does is looked up (memo.ts), or it is executed and put back; what it leads to is kept by
 * pending.ts.
 */
import { sortEntries } from "./canonical";
import { takeSpan } from "./blocks";
import { buffered } from "./cells";
import { CFG_STORE_BUFFER, config } from "./config";
import {
  CHOICE_BROADCAST, CHOICE_DRAIN, CHOICE_INTERRUPT, CHOICE_KIND_SHIFT, CHOICE_LIBERTY, CHOICE_STEP, choiceOf, choose, cpuOfChoice, handlerRegisters, REFUSED,
  REFUSED_SPOILT, SPOILT_GROUPS, taskRegisters,
} from "./choose";
import {
  countUp, SC_BROADCASTS, SC_COUNTS, SC_LIBERTY_COUNT, SC_CUT, SC_FOUND_CHOICE, SC_FOUND_INVARIANT, SC_FOUND_STATE, SC_SWITCHES_MOST, SC_TRANSITIONS, SC_VIOLATIONS, tell, told,
} from "./control";
import { hw } from "./addresses";
import { cpus, hwBounds } from "./layout";
import {
  changeAt, changeEndAt, differenceAt, isFull, isKnown, keepChange, kindAt, MEMO_LEADS, MEMO_REFUSED, MEMO_SAME, MEMO_SPOILT, memorize, mustAgree, placeOf, roomForChange,
  touchPlaceOf, windowAt,
} from "./memo";
import { keep, makeRoom, nextChange } from "./pending";
import { loadedPrint } from "./pieces";
import { beginReads, broadcastSum, drainSum, interruptSum, keyed, keyOf, libertySum, NO_KEY, REFUSED_KEY, stepSum } from "./reads";
import { firstViolation, forgetViolations, violationsSoFar } from "./report";
import { ALL_GROUPS, GROUP_BOUNDS, GROUP_CPUS, leave, nextPrint } from "./snapshot";
import { enterWindow, forgetWindows, lastWindow, windowsEntered } from "./stats";
import { isRenaming, rename } from "./symmetry";
import { noteAllWritten } from "./wrote";

export const SEARCH_MORE: u32 = 0;
/** Everything within the bounds has been seen. */
export const SEARCH_DONE: u32 = 1;
export const SEARCH_VIOLATION: u32 = 2;
export const SEARCH_DEADLOCK: u32 = 3;
export const SEARCH_OUT_OF_MEMORY: u32 = 4;
export const SEARCH_OUT_OF_STATES: u32 = 5;

/** What SC_CUT may say. */
export const CUT_DEPTH: u32 = 1;
export const CUT_SWITCHES: u32 = 2;

/** In SC_SWITCHES_MOST: any number. */
export const NO_BOUND: u32 = u32.MAX_VALUE;
export const NOBODY: u32 = u32.MAX_VALUE;

/** SEARCH_MORE, or why the search ends. */
export let status: u32 = SEARCH_MORE;
/** Number of the loaded state. */
let state: u32 = 0;
/** In the loaded state, the CPU that went on last can go on. */
let lastGoesOn: bool = false;
/** What transitions do is kept. Not where CPUs are renamed or switches counted behind them, which looks at everything. */
let usesMemo: bool = false;
/** In the loaded state everything is executed, whatever is known. */
let isChecked: bool = false;

/** Choices of the loaded state that are not refused: {key u64, choice u32, 0}. */
let wanted: usize = 0;
const WANTED_CHOICE: usize = 8;
const WANTED_BYTES: usize = 16;
/** Keeps loads alive that are made for their own sake. */
let touched: u64 = 0;

/** Behind openSymmetry() and openMemo(). Returns false when memory is out. */
export function openAttempts(): bool {
  usesMemo = !isRenaming() && told(SC_SWITCHES_MOST) == NO_BOUND;
  status = SEARCH_MORE;
  const most = cpus * (2 + config(CFG_STORE_BUFFER) + cpus) + told(SC_LIBERTY_COUNT);
  wanted = takeSpan(<usize>most * WANTED_BYTES);
  return wanted != 0;
}

/** Choices are tried in the loaded state from here on. */
export function beginAttempts(number: u32, checked: bool): void {
  state = number;
  isChecked = checked;
  lastGoesOn = false;
  beginReads();
}

export function endSearch(why: u32): u32 {
  status = why;
  return why;
}

/** attempt() of a step of the CPU that went on last. */
export function attemptLast(last: u32): bool {
  lastGoesOn = attempt(choiceOf(CHOICE_STEP, last, 0));
  return lastGoesOn;
}

/** Says in the state that is left which CPU went on. Returns false when that is one switch too many. */
function noteSwitch(choice: u32, cpu: u32): bool {
  if (choice >> CHOICE_KIND_SHIFT > CHOICE_INTERRUPT) return true;
  const at = hw(0) + hwBounds;
  const last = load<u32>(at) - 1;
  const switches = load<u32>(at, 4) + (last != NOBODY && last != cpu && lastGoesOn ? 1 : 0);
  store<u32>(at, cpu + 1);
  store<u32>(at, switches, 4);
  return switches <= told(SC_SWITCHES_MOST);
}

/** The search ends at the loaded state. */
export function find(choice: u32, what: u32): u32 {
  tell(SC_FOUND_STATE, state);
  tell(SC_FOUND_CHOICE, choice);
  return what;
}

/** Tries one choice and leaves the world as it was. Returns whether it was enabled. */
export function attempt(choice: u32): bool {
  if (status != SEARCH_MORE) return true;
  if (!usesMemo) return execute(choice, NO_KEY);
  const key = keyOf(choice);
  return key == REFUSED_KEY && !isChecked ? false : attemptBy(key, choice);
}

// @ts-ignore: decorator
@inline
function attemptBy(key: u64, choice: u32): bool {
  if (key <= REFUSED_KEY) return execute(choice, key);
  const place = placeOf(key);
  return isKnown(place) && !isChecked ? repeat(key, choice, place) : execute(choice, key);
}

/** Whether attemptAll() does what attempt() of one choice after the other would. */
export function canAttemptAll(): bool {
  return usesMemo && !isChecked;
}

/** Tries all choices. Their keys come first, so that their places are asked for together. Returns whether anything but a liberty was enabled. */
export function attemptAll(): bool {
  let end = wanted;
  let sum: u64 = 0;
  for (let cpu: u32 = 0; cpu < cpus; cpu++) {
    end = want(stepSum(cpu), choiceOf(CHOICE_STEP, cpu, 0), end);
    end = want(interruptSum(cpu), choiceOf(CHOICE_INTERRUPT, cpu, 0), end);
    const held = buffered(cpu);
    for (let i: u32 = 0; i < held; i++) end = want(drainSum(cpu, i), choiceOf(CHOICE_DRAIN, cpu, i), end);
    if (told(SC_BROADCASTS) == 0) continue;
    for (let from: u32 = 0; from < cpus; from++) end = want(broadcastSum(cpu, from), choiceOf(CHOICE_BROADCAST, cpu, from), end);
  }
  const moves = end;
  const liberties = told(SC_LIBERTY_COUNT);
  for (let i: u32 = 0; i < liberties; i++) end = want(libertySum(i), choiceOf(CHOICE_LIBERTY, 0, 0) | i, end);
  for (let at = wanted; at < end; at += WANTED_BYTES) sum ^= touchPlaceOf(load<u64>(at));
  touched = sum;
  let canMove = false;
  for (let at = wanted; at < end && status == SEARCH_MORE; at += WANTED_BYTES) {
    if (attemptBy(load<u64>(at), load<u32>(at, WANTED_CHOICE)) && at < moves) canMove = true;
  }
  return canMove;
}

// @ts-ignore: decorator
@inline
function want(sum: u64, choice: u32, end: usize): usize {
  if (sum == REFUSED_KEY) return end;
  store<u64>(end, keyed(sum, choice));
  store<u32>(end, choice, WANTED_CHOICE);
  return end + WANTED_BYTES;
}

/** What a transition of which is known what it does leads to. */
// @ts-ignore: decorator
@inline
function repeat(key: u64, choice: u32, place: usize): bool {
  const kind = kindAt(place);
  if (kind == MEMO_REFUSED) return false;
  if (!makeRoom()) {
    status = SEARCH_OUT_OF_MEMORY;
    return true;
  }
  // Making room may have forgotten all.
  if (!isKnown(place)) return execute(choice, key);
  if (kind != MEMO_LEADS) return kind == MEMO_SAME;
  const window = windowAt(place);
  if (window != 0) enterWindow(cpuOfChoice(choice), window - 1);
  const print = loadedPrint + differenceAt(place);
  countUp(SC_TRANSITIONS);
  keep(print == 0 ? 1 : print, state, choice, changeAt(place), changeEndAt(place));
  return true;
}

/** Executes a choice, and keeps what it does by its key. */
function execute(choice: u32, key: u64): bool {
  forgetWindows();
  const written = choose(choice);
  if (written == REFUSED) {
    if (key > REFUSED_KEY) learn(key, MEMO_REFUSED, 0, 0);
    return false;
  }
  assert(key != REFUSED_KEY);
  const cpu = cpuOfChoice(choice);
  sortEntries(cpu);
  if (written != REFUSED_SPOILT && ((<u32>written >> GROUP_CPUS) & 1) != 0) {
    for (let other: u32 = 0; other < cpus; other++) if (other != cpu) sortEntries(other);
  }
  if (!makeRoom()) {
    status = SEARCH_OUT_OF_MEMORY;
    return true;
  }
  const change = roomFor(key);
  let touchedGroups = written == REFUSED_SPOILT ? SPOILT_GROUPS : <u32>written;
  if (written != REFUSED_SPOILT && rename()) {
    touchedGroups |= ALL_GROUPS;
    noteAllWritten();
  }
  let isBeyond = false;
  if (told(SC_SWITCHES_MOST) != NO_BOUND) {
    touchedGroups |= 1 << GROUP_BOUNDS;
    isBeyond = written != REFUSED_SPOILT && !noteSwitch(choice, cpu);
  }
  const end = leave(cpu, touchedGroups, taskRegisters, handlerRegisters, change);
  if (isBeyond) {
    tell(SC_CUT, CUT_SWITCHES);
    forgetViolations();
    return true;
  }
  if (violationsSoFar() != 0) return violated(choice, written != REFUSED_SPOILT);
  const kind = written == REFUSED_SPOILT ? MEMO_SPOILT : nextPrint == loadedPrint ? MEMO_SAME : MEMO_LEADS;
  if (key > REFUSED_KEY) learn(key, kind, change, end);
  if (kind != MEMO_LEADS) return kind == MEMO_SAME;
  countUp(SC_TRANSITIONS);
  keep(nextPrint, state, choice, change, end);
  keepChange(change, end);
  return true;
}

/** Where a change goes that is kept by a key, or for now. */
function roomFor(key: u64): usize {
  const room = key > REFUSED_KEY && !isFull() ? roomForChange() : 0;
  return room != 0 ? room : nextChange();
}

function learn(key: u64, kind: u32, change: usize, end: usize): void {
  if (windowsEntered() > 1 || isFull()) return;
  const window = windowsEntered() == 0 ? 0 : lastWindow() + 1;
  const place = placeOf(key);
  if (isKnown(place)) mustAgree(place, nextPrint - loadedPrint, kind, window, change, end);
  else memorize(key, nextPrint - loadedPrint, kind, window, change, end);
}

function violated(choice: u32, isReal: bool): bool {
  if (isReal) tell(SC_FOUND_INVARIANT, firstViolation());
  forgetViolations();
  if (isReal) {
    countUp(SC_TRANSITIONS);
    countUp(SC_VIOLATIONS);
    if (told(SC_COUNTS) == 0) status = find(choice, SEARCH_VIOLATION);
  }
  return isReal;
}
