/*
 * What transitions do, kept by what they look at: a choice that finds the same again does the same. A place of the table holds
 *
 *   {key u64, difference of fingerprints u64, kind u32, window + 1 u32, change u32, end of the change u32}      PLACE_BYTES
 *
 * The key is a sum of hashes (reads.ts); an empty place has key 0. Two keys that are the same by chance have odds like those of two states
 * (visited.ts), and there are far fewer of them. A change lies in blocks, and stays where it is until all is forgotten.
 */
import { BLOCK_BYTES, giveSpan, takeBlock, takeSpan } from "./blocks";
import { changeMost, LINE_BYTES, LINE_HASH, LINE_NUMBER } from "./snapshot";
import { panic, TRAP_SEARCH_LEAK } from "./trap";

/** The choice is refused; is refused and has to be put back; changes nothing; leads on. */
export const MEMO_REFUSED: u32 = 0;
export const MEMO_SPOILT: u32 = 1;
export const MEMO_SAME: u32 = 2;
export const MEMO_LEADS: u32 = 3;

const PLACE_BYTES: usize = 32;
const MEMO_DIFFERENCE: usize = 8;
const MEMO_KIND: usize = 16;
const MEMO_WINDOW: usize = 20;
const MEMO_CHANGE: usize = 24;
const MEMO_END: usize = 28;
/** The debug build, which is there to try everything, has to forget all the time. */
const FIRST_BITS: u32 = ASC_NO_ASSERT ? 11 : 4;
const BITS_MOST: u32 = ASC_NO_ASSERT ? 16 : 9;
const BLOCKS_MOST: u32 = 32;

let table: usize = 0;
let bits: u32 = 0;
let used: u32 = 0;
/** u32 addresses of blocks, how many there are, and which one is being filled. */
let directory: usize = 0;
let blocks: u32 = 0;
let filling: u32 = 0;
let at: usize = 0;
let blockEnd: usize = 0;

/** Returns false when memory is out. */
export function openMemo(): bool {
  bits = FIRST_BITS;
  used = 0;
  blocks = 0;
  filling = 0;
  at = 0;
  blockEnd = 0;
  directory = takeSpan(<usize>BLOCKS_MOST << 2);
  table = takeSpan(PLACE_BYTES << bits);
  if (table == 0) return false;
  memory.fill(table, 0, PLACE_BYTES << bits);
  return true;
}

// @ts-ignore: decorator
@inline
function homeOf(key: u64): usize {
  return <usize>(key >> (64 - <u64>bits)) * PLACE_BYTES;
}

/** Asks for the place of a key, so that it is near when it is looked at. */
// @ts-ignore: decorator
@inline
export function touchPlaceOf(key: u64): u64 {
  return load<u64>(table + homeOf(key));
}

/** The place of a key, or the empty one where it would go. */
// @ts-ignore: decorator
@inline
export function placeOf(key: u64): usize {
  const last = (PLACE_BYTES << bits) - PLACE_BYTES;
  let offset = homeOf(key);
  let there = load<u64>(table + offset);
  while (there != key && there != 0) {
    offset = (offset + PLACE_BYTES) & last;
    there = load<u64>(table + offset);
  }
  return table + offset;
}

// @ts-ignore: decorator
@inline
export function isKnown(place: usize): bool {
  return load<u64>(place) != 0;
}

// @ts-ignore: decorator
@inline
export function kindAt(place: usize): u32 {
  return load<u32>(place, MEMO_KIND);
}

// @ts-ignore: decorator
@inline
export function differenceAt(place: usize): u64 {
  return load<u64>(place, MEMO_DIFFERENCE);
}

/** The window that the transition enters, + 1. */
// @ts-ignore: decorator
@inline
export function windowAt(place: usize): u32 {
  return load<u32>(place, MEMO_WINDOW);
}

// @ts-ignore: decorator
@inline
export function changeAt(place: usize): usize {
  return <usize>load<u32>(place, MEMO_CHANGE);
}

// @ts-ignore: decorator
@inline
export function changeEndAt(place: usize): usize {
  return <usize>load<u32>(place, MEMO_END);
}

/** Whether all has to be forgotten before one more transition is kept. Nobody may look into a change any more then. */
export function isFull(): bool {
  return (bits == BITS_MOST && used * 2 >= 1 << bits) || (at + changeMost() > blockEnd && filling == BLOCKS_MOST);
}

export function forgetAll(): void {
  memory.fill(table, 0, PLACE_BYTES << bits);
  used = 0;
  filling = 0;
  at = 0;
  blockEnd = 0;
}

/** Room for a change of any length; 0 when memory is out. */
export function roomForChange(): usize {
  if (at + changeMost() <= blockEnd) return at;
  if (changeMost() > BLOCK_BYTES || filling == BLOCKS_MOST) return 0;
  if (filling == blocks) {
    const block = takeBlock();
    if (block == 0) return 0;
    store<u32>(directory + (<usize>blocks << 2), <u32>block);
    blocks++;
  }
  at = <usize>load<u32>(directory + (<usize>filling << 2));
  blockEnd = at + BLOCK_BYTES;
  filling++;
  return at;
}

/** Keeps a transition whose change was written to roomForChange(). */
export function memorize(key: u64, difference: u64, kind: u32, window: u32, change: usize, end: usize): void {
  if (used * 2 >= 1 << bits && !grow()) return;
  const place = placeOf(key);
  store<u64>(place, key);
  store<u64>(place, difference, MEMO_DIFFERENCE);
  store<u32>(place, kind, MEMO_KIND);
  store<u32>(place, window, MEMO_WINDOW);
  store<u32>(place, <u32>change, MEMO_CHANGE);
  store<u32>(place, <u32>end, MEMO_END);
  used++;
}

/** What was written to roomForChange() stays. */
// @ts-ignore: decorator
@inline
export function keepChange(change: usize, end: usize): void {
  if (change == at) at = end;
}

function grow(): bool {
  if (bits == BITS_MOST) return false;
  const old = table;
  const bytes = PLACE_BYTES << bits;
  const fresh = takeSpan(bytes << 1);
  if (fresh == 0) return false;
  memory.fill(fresh, 0, bytes << 1);
  table = fresh;
  bits++;
  for (let from = old; from < old + bytes; from += PLACE_BYTES) {
    if (load<u64>(from) != 0) memory.copy(placeOf(load<u64>(from)), from, PLACE_BYTES);
  }
  giveSpan(old, bytes);
  return true;
}

/** Traps if a transition did not do what was kept for its key: it looked at more than the key says. */
export function mustAgree(place: usize, difference: u64, kind: u32, window: u32, change: usize, end: usize): void {
  let same = kind == kindAt(place) && window == windowAt(place);
  if (same && kind == MEMO_LEADS) {
    same = difference == differenceAt(place) && end - change == changeEndAt(place) - changeAt(place);
    for (let offset: usize = 0; same && change + offset < end; offset += LINE_BYTES) {
      const kept = changeAt(place) + offset;
      same = load<u32>(kept, LINE_NUMBER) == load<u32>(change + offset, LINE_NUMBER) && load<u64>(kept, LINE_HASH) == load<u64>(change + offset, LINE_HASH);
    }
  }
  if (!same) panic(TRAP_SEARCH_LEAK, load<u64>(place));
}
