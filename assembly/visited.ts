/*
 * Which states were seen, and how each was first reached.
 *
 * Seen states are 64-bit fingerprints in a table with open addressing; 0 is an empty place. A place is found by a fingerprint's upper bits,
 * so that a larger table has everything in the same order, and growing is one pass over both. Two states with one fingerprint are
 * taken for one: with n states the odds that this happened anywhere are n^2 / 2^65.
 *
 * States are numbered as they are found. HISTORY has for each {u32 number of the state before it, u32 choice}, in blocks.
 */
import { BLOCK_BYTES, giveSpan, takeBlock, takeSpan } from "./blocks";

const FIRST_BITS: u32 = 15;
const HISTORY_BYTES: usize = 8;
const PER_BLOCK: u32 = <u32>(BLOCK_BYTES / HISTORY_BYTES);
/** Blocks that all states of the largest memory need. */
const BLOCKS_MOST: usize = 16384;

let table: usize = 0;
let bits: u32 = 0;
let states: u32 = 0;
let directory: usize = 0;
/** States for which HISTORY has blocks. */
let historyMost: u32 = 0;

/** Returns whether there is room to begin. */
export function openVisited(): bool {
  bits = FIRST_BITS;
  states = 0;
  historyMost = 0;
  directory = takeSpan(BLOCKS_MOST << 2);
  table = takeSpan(<usize>8 << bits);
  if (table == 0) return false;
  memory.fill(table, 0, <usize>8 << bits);
  return true;
}

export function statesSeen(): u32 {
  return states;
}

// @ts-ignore: decorator
@inline
function homeOf(print: u64): usize {
  return <usize>(print >> (64 - <u64>bits)) << 3;
}

/** Asks for the place of a fingerprint, so that it is near when it is looked at. */
// @ts-ignore: decorator
@inline
export function touchPlace(print: u64): u64 {
  return load<u64>(table + homeOf(print));
}

/** Place of a fingerprint, or the empty one where it would go. */
// @ts-ignore: decorator
@inline
function placeOf(print: u64): usize {
  const last = (<usize>8 << bits) - 8;
  let offset = homeOf(print);
  let there = load<u64>(table + offset);
  while (there != print && there != 0) {
    offset = (offset + 8) & last;
    there = load<u64>(table + offset);
  }
  return table + offset;
}

/** Makes room for so many states more. Returns false when memory is out. */
// @ts-ignore: decorator
@inline
export function hasRoom(more: u32): bool {
  return (<u64>(states + more) * 5 < <u64>3 << <u64>bits && states + more <= historyMost) || makeRoom(states + more);
}

function makeRoom(most: u32): bool {
  while (<u64>most * 5 >= <u64>3 << <u64>bits) if (!grow()) return false;
  while (most > historyMost) {
    const block = takeBlock();
    if (block == 0) return false;
    store<u32>(directory + (<usize>(historyMost / PER_BLOCK) << 2), <u32>block);
    historyMost += PER_BLOCK;
  }
  return true;
}

/** The new place of an entry is never before that of the one before it, but for those that were pushed round the end. */
function grow(): bool {
  const old = table;
  const bytes = <usize>8 << bits;
  const fresh = takeSpan(bytes << 1);
  if (fresh == 0) return false;
  memory.fill(fresh, 0, bytes << 1);
  table = fresh;
  bits++;
  for (let offset: usize = 0; offset < bytes; offset += 8) {
    const print = load<u64>(old + offset);
    if (print != 0) store<u64>(placeOf(print), print);
  }
  giveSpan(old, bytes);
  return true;
}

/** Adds a state, for which there must be room; returns whether it is new. */
// @ts-ignore: decorator
@inline
export function add(print: u64, parent: u32, choice: u32): bool {
  const place = placeOf(print);
  if (load<u64>(place) != 0) return false;
  store<u64>(place, print);
  store<u64>(historyOf(states), <u64>parent | (<u64>choice << 32));
  states++;
  return true;
}

function historyOf(state: u32): usize {
  return <usize>load<u32>(directory + (<usize>(state / PER_BLOCK) << 2)) + <usize>(state % PER_BLOCK) * HISTORY_BYTES;
}

/** Number of the state before it on the way that reached it first; of the first state, itself. */
export function parentOf(state: u32): u32 {
  return load<u32>(historyOf(state));
}

/** The choice that led to it. */
export function choiceBefore(state: u32): u32 {
  return load<u32>(historyOf(state), 4);
}
