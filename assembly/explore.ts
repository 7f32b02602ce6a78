/*
 * The adversary: every state that choices can reach, breadth first, each once; so a first violation is a shortest one.
 *
 * A state is loaded once and each of its choices tried on it: choose() changes the world, leave() takes the difference and puts the world
 * back. What the choices lead to is looked up and kept by pending.ts.
 */
import {
  attempt, attemptAll, attemptLast, beginAttempts, canAttemptAll, CUT_DEPTH, endSearch, find, NO_BOUND, NOBODY, openAttempts, SEARCH_DEADLOCK, SEARCH_DONE, SEARCH_MORE,
  SEARCH_OUT_OF_MEMORY, SEARCH_OUT_OF_STATES, status,
} from "./attempt";
import { openBlocks } from "./blocks";
import { openCanonical, sortEntries } from "./canonical";
import { buffered } from "./cells";
import { loadLink, openChain } from "./chain";
import { CHOICE_BROADCAST, CHOICE_DRAIN, CHOICE_INTERRUPT, CHOICE_LIBERTY, CHOICE_STEP, choiceOf, clearDead, NO_CHOICE } from "./choose";
import {
  countDown, countUp, SC_BROADCASTS, SC_COUNTS, SC_CUT, SC_DEADLOCKS, SC_DEPTH, SC_DEPTH_MOST, SC_EXPANDED, SC_LIBERTY_COUNT, SC_REDUCTION, SC_STATES, SC_STATES_MOST,
  SC_SWITCHES_MOST, SC_TRANSITIONS, SC_VIOLATIONS, tell, told, useControl,
} from "./control";
import { EDGE_TO_SEEN, keepsEdges, noteEdge, openEdges } from "./edges";
import { isBlockUsedUp, isEmpty, leaveBlock, oldest, openFrontier, take } from "./frontier";
import { hw } from "./addresses";
import { cpus, hwBounds } from "./layout";
import { openMemo } from "./memo";
import { beginState, flush, lastRecord, makeRoom, openPending } from "./pending";
import { checkLeft, loadedPrint, openPieces } from "./pieces";
import { ample, NO_AMPLE } from "./reduce";
import { forgetViolations } from "./report";
import { beginItems, isFinished } from "./script";
import { openSnapshots } from "./snapshot";
import { openSymmetry, rename } from "./symmetry";
import { add, hasRoom, openVisited, statesSeen } from "./visited";

/** Of one state in so many it is checked in release builds, too, that no transition was left half, or did not do what was kept of it. */
const CHECK_MASK: u32 = 1023;
/** In the debug build, of all but one in so many. */
const DEBUG_MASK: u32 = 3;

/** Number of the loaded state. */
let state: u32 = 0;
let depth: u32 = 0;
/** Number of the first state of the next depth. */
let depthEnd: u32 = 0;

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
  openSnapshots();
  if (!openPieces() || !openVisited() || !openFrontier() || !openChain() || !openPending() || !openMemo() || !openAttempts() || !hasRoom(1)) return SEARCH_OUT_OF_MEMORY;
  if (keepsEdges() && !(openEdges() && noteEdge(loadedPrint, 0, 0))) return SEARCH_OUT_OF_MEMORY;
  forgetViolations();
  add(loadedPrint, 0, NO_CHOICE);
  state = 0;
  depth = 0;
  depthEnd = 1;
  return SEARCH_MORE;
}

/** Expands up to `most` states. */
export function explore(most: u32): u32 {
  for (let n: u32 = 0; n < most && status == SEARCH_MORE; n++) endSearch(expandNext());
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
  const isChecked = ASC_NO_ASSERT ? (state & CHECK_MASK) == 0 : (state & DEBUG_MASK) != 0;
  beginAttempts(state, isChecked);
  const found = expand(isChecked);
  if (found == SEARCH_MORE) state++;
  return found;
}

/** Tries all choices in the loaded state. */
function expand(isChecked: bool): u32 {
  if (told(SC_REDUCTION) != 0 && expandOne()) return status;
  const canMove = canAttemptAll() ? attemptAll() : attemptEach();
  if (isChecked) checkLeft();
  if (status != SEARCH_MORE) return status;
  const isEnd = allFinished();
  if (isEnd && keepsEdges() && !noteEdge(0, state, EDGE_TO_SEEN)) return SEARCH_OUT_OF_MEMORY;
  return canMove || isEnd ? SEARCH_MORE : deadlock();
}

/** Tries one choice after the other. Returns whether anything but a liberty was enabled. */
function attemptEach(): bool {
  let canMove = false;
  const last = told(SC_SWITCHES_MOST) == NO_BOUND ? NOBODY : load<u32>(hw(0) + hwBounds) - 1;
  if (last != NOBODY && attemptLast(last)) canMove = true;
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
  return canMove;
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
    endSearch(SEARCH_OUT_OF_MEMORY);
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

export function allFinished(): bool {
  for (let cpu: u32 = 0; cpu < cpus; cpu++) if (!isFinished(cpu)) return false;
  return true;
}

function deadlock(): u32 {
  countUp(SC_DEADLOCKS);
  if (told(SC_COUNTS) != 0) return SEARCH_MORE;
  return find(NO_CHOICE, SEARCH_DEADLOCK);
}

