/*
 * Random runs of a case, for spaces that are too large to be seen in full: probabilistic concurrency testing (Burckhardt et al., "A
 * randomized scheduler with probabilistic guarantees of finding bugs", ASPLOS 2010).
 *
 * Every actor has a random priority: a CPU's steps, its interrupts, its store buffer, what it has yet to forget. The first that can act does.
 * At a few random events of a run the one that acted falls behind all others. A bug of depth d in runs of n actors and k events is found
 * with a probability of 1 / (n k^(d-1)) at least. What hardware does by itself comes in between at random.
 */
import { takeSpan } from "./blocks";
import { buffered, canDrain } from "./cells";
import {
  CHOICE_BROADCAST, CHOICE_DRAIN, CHOICE_INTERRUPT, CHOICE_LIBERTY, CHOICE_STEP, choiceOf, choose, NO_CHOICE, REFUSED, REFUSED_SPOILT,
} from "./choose";
import { countUp, SC_BROADCASTS, SC_DEADLOCKS, SC_DEPTH, SC_FOUND_INVARIANT, SC_LIBERTY_COUNT, SC_TRANSITIONS, SC_VIOLATIONS, tell, told } from "./control";
import { SEARCH_DEADLOCK, SEARCH_MORE, SEARCH_OUT_OF_MEMORY, SEARCH_VIOLATION } from "./attempt";
import { allFinished } from "./explore";
import { cpus, stateBase, taskTime } from "./layout";
import { firstViolation, forgetViolations, violationsSoFar } from "./report";
import { restart } from "./pieces";

/** Events of one run at most. */
export const RUN_MOST: u32 = 1 << 16;
/** Events in a row after which an actor that keeps all others waiting falls behind them: it may wait for one of them. */
const STREAK_MOST: u32 = 500;
/** Kinds of actors; there is one of each for every CPU. */
const KINDS: u32 = 4;
const ACTOR_STEP: u32 = 0;
const ACTOR_INTERRUPT: u32 = 1;
const ACTOR_DRAIN: u32 = 2;
/** One event in so many is a liberty, if one can be taken. */
const LIBERTY_ODDS: u64 = 4;
/** Changes of priority that a run can have. */
const CHANGES_MOST: u32 = 64;

let random: u64 = 0;
let changes: u32 = 0;
/** u32 each: priority of every actor, a higher one first; events at which one falls behind. */
let priorities: usize = 0;
let changesAt: usize = 0;
/** The world before an event that may have to be put back. */
let kept: usize = 0;
/** u16 choices of the last run. */
let run: usize = 0;
let runLength: u32 = 0;
/** Events that runs had at most so far. */
let longest: u32 = 0;

/** After openSearch(). Returns SEARCH_MORE, or SEARCH_OUT_OF_MEMORY. */
export function openRandomRuns(seed: u32, changesWanted: u32): u32 {
  random = 0x9e3779b97f4a7c15 ^ (<u64>seed * 0xbf58476d1ce4e5b9);
  if (random == 0) random = 1;
  changes = min(changesWanted, CHANGES_MOST);
  longest = 64;
  priorities = takeSpan(<usize>(KINDS * cpus) << 2);
  changesAt = takeSpan(<usize>CHANGES_MOST << 2);
  kept = takeSpan(taskTime - stateBase);
  run = takeSpan(<usize>RUN_MOST << 1);
  return run == 0 ? SEARCH_OUT_OF_MEMORY : SEARCH_MORE;
}

/** Xorshift64*. */
function draw(): u64 {
  random ^= random >> 12;
  random ^= random << 25;
  random ^= random >> 27;
  return (random * 0x2545f4914f6cdd1d) >> 16;
}

/** One run from the first state to where nothing is left to do, or to a violation. Its choices are at randomRun(). */
export function runRandomly(): u32 {
  restart();
  forgetViolations();
  for (let i: u32 = 0; i < KINDS * cpus; i++) store<u32>(priorities + (<usize>i << 2), 0x40000000 + (<u32>draw() & 0x3fffffff));
  for (let i: u32 = 0; i < changes; i++) store<u32>(changesAt + (<usize>i << 2), <u32>(draw() % <u64>longest));
  runLength = 0;
  let behind: u32 = 0x3fffffff;
  let streak: u32 = 0;
  let before: u32 = NO_CHOICE;
  while (runLength < RUN_MOST) {
    if (told(SC_LIBERTY_COUNT) != 0 && draw() % LIBERTY_ODDS == 0 && takeAny()) {
      if (violationsSoFar() != 0) return ended(SEARCH_VIOLATION);
      continue;
    }
    const actor = act();
    if (actor == NO_CHOICE) return ended(allFinished() ? SEARCH_MORE : SEARCH_DEADLOCK);
    if (violationsSoFar() != 0) return ended(SEARCH_VIOLATION);
    streak = actor == before ? streak + 1 : 0;
    before = actor;
    if (streak == STREAK_MOST || isChange(runLength - 1)) store<u32>(priorities + (<usize>actor << 2), behind--);
  }
  return ended(SEARCH_MORE);
}

function ended(found: u32): u32 {
  if (runLength > longest) longest = runLength;
  tell(SC_DEPTH, longest);
  if (found == SEARCH_VIOLATION) {
    countUp(SC_VIOLATIONS);
    tell(SC_FOUND_INVARIANT, firstViolation());
  }
  if (found == SEARCH_DEADLOCK) countUp(SC_DEADLOCKS);
  forgetViolations();
  return found;
}

function isChange(event: u32): bool {
  for (let i: u32 = 0; i < changes; i++) if (load<u32>(changesAt + (<usize>i << 2)) == event) return true;
  return false;
}

function note(choice: u32): void {
  store<u16>(run + (<usize>runLength << 1), <u16>choice);
  runLength++;
  countUp(SC_TRANSITIONS);
}

function takeAny(): bool {
  const choice = choiceOf(CHOICE_LIBERTY, 0, 0) | <u32>(draw() % <u64>told(SC_LIBERTY_COUNT));
  memory.copy(kept, stateBase, taskTime - stateBase);
  const done = choose(choice);
  if (done == REFUSED) return false;
  if (done == REFUSED_SPOILT) {
    memory.copy(stateBase, kept, taskTime - stateBase);
    forgetViolations();
    return false;
  }
  note(choice);
  return true;
}

/** The first actor that can act does. Returns it, or NO_CHOICE when none can. */
function act(): u32 {
  let above: u32 = u32.MAX_VALUE;
  for (let n: u32 = 0; n < KINDS * cpus; n++) {
    let actor: u32 = NO_CHOICE;
    let best: u32 = 0;
    // The next one by priority; two with the same one are told apart by their numbers well enough.
    for (let i: u32 = 0; i < KINDS * cpus; i++) {
      const priority = load<u32>(priorities + (<usize>i << 2));
      if (priority < above && priority > best) {
        best = priority;
        actor = i;
      }
    }
    if (actor == NO_CHOICE) return NO_CHOICE;
    above = best;
    if (actAs(actor / cpus, actor % cpus)) return actor;
  }
  return NO_CHOICE;
}

function actAs(kind: u32, cpu: u32): bool {
  if (kind == ACTOR_STEP) return does(choiceOf(CHOICE_STEP, cpu, 0));
  if (kind == ACTOR_INTERRUPT) return does(choiceOf(CHOICE_INTERRUPT, cpu, 0));
  if (kind == ACTOR_DRAIN) return drainOne(cpu);
  if (told(SC_BROADCASTS) == 0) return false;
  for (let from: u32 = 0; from < cpus; from++) if (does(choiceOf(CHOICE_BROADCAST, cpu, from))) return true;
  return false;
}

/** One of the stores that may become visible. */
function drainOne(cpu: u32): bool {
  const held = buffered(cpu);
  if (held == 0) return false;
  const first = <u32>(draw() % <u64>held);
  for (let i: u32 = 0; i < held; i++) {
    const index = (first + i) % held;
    if (canDrain(cpu, index)) return does(choiceOf(CHOICE_DRAIN, cpu, index));
  }
  return false;
}

function does(choice: u32): bool {
  if (choose(choice) == REFUSED) return false;
  note(choice);
  return true;
}

/** Address and number of the choices of the last run. */
export function randomRun(): usize {
  return run;
}

export function randomRunLength(): u32 {
  return runLength;
}
