/*
 * The adversary: every state that choices can reach, breadth first, each once; so a first violation is a shortest one.
 *
 * A state is loaded once and each of its choices tried on it: choose() changes the world, leave() takes the difference and puts the world
 * back. What the choices lead to is looked up and kept by pending.ts.
 */
import { openBlocks } from "./blocks";
import { buffered } from "./cells";
import {
  CHOICE_BROADCAST, CHOICE_DRAIN, CHOICE_INTERRUPT, CHOICE_KIND_SHIFT, CHOICE_LIBERTY, CHOICE_STEP, choiceOf, choose, clearDead, cpuOfChoice, NO_CHOICE, REFUSED,
  REFUSED_SPOILT, SPOILT_GROUPS, handlerRegisters, taskRegisters,
} from "./choose";
import { openCanonical, sortEntries } from "./canonical";
import { loadLink, openChain } from "./chain";
import {
  countDown, countUp, SC_BROADCASTS, SC_COUNTS, SC_CUT, SC_DEADLOCKS, SC_DEPTH, SC_DEPTH_MOST, SC_EXPANDED, SC_FOUND_CHOICE, SC_FOUND_INVARIANT, SC_FOUND_STATE, SC_LIBERTY_COUNT, SC_STATES,
  SC_REDUCTION, SC_STATES_MOST, SC_SWITCHES_MOST, SC_TRANSITIONS, SC_VIOLATIONS, tell, told, useControl,
} from "./control";
import { EDGE_TO_SEEN, keepsEdges, noteEdge, openEdges } from "./edges";
import { isBlockUsedUp, isEmpty, leaveBlock, oldest, openFrontier, take } from "./frontier";
import { cpus, hw, hwBounds } from "./layout";
import {
  changeAt, changeEndAt, differenceAt, isFull, isKnown, keepChange, kindAt, MEMO_LEADS, MEMO_REFUSED, MEMO_SAME, MEMO_SPOILT, memorize, mustAgree, openMemo, placeOf, roomForChange,
  windowAt,
} from "./memo";
import { beginState, flush, makeRoom, keep, lastRecord, nextChange, openPending } from "./pending";
import { beginReads, keyOf, NO_KEY, REFUSED_KEY } from "./reads";
import { ample, NO_AMPLE } from "./reduce";
import { firstViolation, forgetViolations, violationsSoFar } from "./report";
import { beginItems, isFinished } from "./script";
import {
  ALL_GROUPS, checkLeft, GROUP_BOUNDS, GROUP_CPUS, leave, loadedPrint, nextPrint, openSnapshots,
} from "./snapshot";
import { enterWindow, forgetWindows, lastWindow, windowsEntered } from "./stats";
import { isRenaming, openSymmetry, rename } from "./symmetry";
import { add, hasRoom, openVisited, statesSeen } from "./visited";
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

const NO_BOUND: u32 = u32.MAX_VALUE;
const NOBODY: u32 = u32.MAX_VALUE;
/** Of one state in so many it is checked in release builds, too, that no transition was left half, or did not do what was kept of it. */
const CHECK_MASK: u32 = 1023;

let status: u32 = SEARCH_MORE;
/** Number of the loaded state. */
let state: u32 = 0;
let depth: u32 = 0;
/** Number of the first state of the next depth. */
let depthEnd: u32 = 0;
/** In the loaded state, the CPU that went on last can go on. */
let lastGoesOn: bool = false;
/** What transitions do is kept. Not where CPUs are renamed or switches counted behind them, which looks at everything. */
let usesMemo: bool = false;
/** In the loaded state everything is executed, whatever is known. */
let isChecked: bool = false;

/** Starts the threads of a case in a world whose setup is done. */
export function beginPlay(control: usize): void {
  useControl(control);
  openCanonical();
  for (let cpu: u32 = 0; cpu < cpus; cpu++) beginItems(cpu);
  settleForm();
}

/** The world in its one form: dead registers clear, sets sorted. */
function settleForm(): void {
  for (let cpu: u32 = 0; cpu < cpus; cpu++) {
    clearDead(cpu);
    sortEntries(cpu);
  }
}

/** Takes the world as it is, behind beginPlay(), for the first state. Returns SEARCH_MORE, or SEARCH_OUT_OF_MEMORY. */
export function openSearch(): u32 {
  openBlocks();
  openSymmetry();
  rename();
  if (!openSnapshots() || !openVisited() || !openFrontier() || !openChain() || !openPending() || !openMemo() || !hasRoom()) return SEARCH_OUT_OF_MEMORY;
  if (keepsEdges() && !(openEdges() && noteEdge(loadedPrint, 0, 0))) return SEARCH_OUT_OF_MEMORY;
  usesMemo = !isRenaming() && told(SC_SWITCHES_MOST) == NO_BOUND;
  forgetViolations();
  add(loadedPrint, 0, NO_CHOICE);
  state = 0;
  depth = 0;
  depthEnd = 1;
  status = SEARCH_MORE;
  return status;
}

/** Expands up to `most` states. */
export function explore(most: u32): u32 {
  for (let n: u32 = 0; n < most && status == SEARCH_MORE; n++) status = expandNext();
  tell(SC_STATES, statesSeen());
  tell(SC_EXPANDED, state);
  tell(SC_DEPTH, depth);
  return status;
}

function expandNext(): u32 {
  if (isEmpty() || state == depthEnd || isBlockUsedUp()) {
    if (!flush()) return SEARCH_OUT_OF_MEMORY;
    if (isEmpty()) return SEARCH_DONE;
    if (isBlockUsedUp()) leaveBlock();
    if (state == depthEnd) {
      depth++;
      depthEnd = statesSeen();
    }
  }
  if (depth >= told(SC_DEPTH_MOST)) {
    tell(SC_CUT, CUT_DEPTH);
    return SEARCH_DONE;
  }
  if (statesSeen() >= told(SC_STATES_MOST)) return SEARCH_OUT_OF_STATES;
  const link = oldest();
  take(loadLink(link));
  if (!beginState(link)) return SEARCH_OUT_OF_MEMORY;
  isChecked = ASC_NO_ASSERT == 0 || (state & CHECK_MASK) == 0;
  beginReads();
  const found = expand();
  if (found == SEARCH_MORE) state++;
  return found;
}

/** Tries all choices in the loaded state. */
function expand(): u32 {
  if (told(SC_REDUCTION) != 0 && expandOne()) return status;
  let canMove = false;
  const last = told(SC_SWITCHES_MOST) == NO_BOUND ? NOBODY : load<u32>(hw(0) + hwBounds) - 1;
  lastGoesOn = last != NOBODY && attempt(choiceOf(CHOICE_STEP, last, 0));
  if (lastGoesOn) canMove = true;
  for (let cpu: u32 = 0; cpu < cpus; cpu++) {
    if (cpu != last && attempt(choiceOf(CHOICE_STEP, cpu, 0))) canMove = true;
    if (attempt(choiceOf(CHOICE_INTERRUPT, cpu, 0))) canMove = true;
    const held = buffered(cpu);
    for (let i: u32 = 0; i < held; i++) if (attempt(choiceOf(CHOICE_DRAIN, cpu, i))) canMove = true;
    if (told(SC_BROADCASTS) != 0) {
      for (let from: u32 = 0; from < cpus; from++) if (attempt(choiceOf(CHOICE_BROADCAST, cpu, from))) canMove = true;
    }
  }
  for (let i: u32 = 0; i < told(SC_LIBERTY_COUNT); i++) attempt(choiceOf(CHOICE_LIBERTY, 0, 0) | i);
  if (isChecked) checkLeft();
  if (status != SEARCH_MORE) return status;
  const isEnd = allFinished();
  if (isEnd && keepsEdges() && !noteEdge(0, state, EDGE_TO_SEEN)) return SEARCH_OUT_OF_MEMORY;
  return canMove || isEnd ? SEARCH_MORE : deadlock();
}

/**
 * Tries one choice that stands for all others, if there is one. It does not when it changes nothing, or ends in a violation, behind which
 * nothing is looked at. That it leads to a state that is known is no reason: such choices cannot go round in a circle (reduce.ts).
 */
function expandOne(): bool {
  const enough = ample(0);
  if (enough == NO_AMPLE) return false;
  const cpu = <u32>enough & 255;
  const choice = enough < 256 ? choiceOf(CHOICE_STEP, cpu, 0) : choiceOf(CHOICE_DRAIN, cpu, (<u32>enough >> 8) - 1);
  if (!makeRoom()) {
    status = SEARCH_OUT_OF_MEMORY;
    return true;
  }
  const record = lastRecord();
  const violations = told(SC_VIOLATIONS);
  const isEnabled = attempt(choice);
  assert(isEnabled); // a disabled step is never enough
  if (ASC_NO_ASSERT == 0) checkLeft();
  if (status != SEARCH_MORE) return true;
  if (record == lastRecord()) {
    // It changed nothing, or broke something; it is tried once more with the others.
    if (told(SC_VIOLATIONS) != violations) {
      countDown(SC_TRANSITIONS);
      countDown(SC_VIOLATIONS);
    }
    return false;
  }
  return true;
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

export function allFinished(): bool {
  for (let cpu: u32 = 0; cpu < cpus; cpu++) if (!isFinished(cpu)) return false;
  return true;
}

function deadlock(): u32 {
  countUp(SC_DEADLOCKS);
  if (told(SC_COUNTS) != 0) return SEARCH_MORE;
  return find(NO_CHOICE, SEARCH_DEADLOCK);
}

function find(choice: u32, what: u32): u32 {
  tell(SC_FOUND_STATE, state);
  tell(SC_FOUND_CHOICE, choice);
  return what;
}

/** Tries one choice and leaves the world as it was. Returns whether it was enabled. */
function attempt(choice: u32): bool {
  if (status != SEARCH_MORE) return true;
  if (!usesMemo) return execute(choice, NO_KEY);
  const key = keyOf(choice);
  if (key == REFUSED_KEY && !isChecked) return false;
  if (key <= REFUSED_KEY) return execute(choice, key);
  const place = placeOf(key);
  return isKnown(place) && !isChecked ? repeat(choice, place) : execute(choice, key);
}

/** What a transition of which is known what it does leads to. */
// @ts-ignore: decorator
@inline
function repeat(choice: u32, place: usize): bool {
  const kind = kindAt(place);
  if (kind == MEMO_REFUSED) return false;
  if (!makeRoom()) {
    status = SEARCH_OUT_OF_MEMORY;
    return true;
  }
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
