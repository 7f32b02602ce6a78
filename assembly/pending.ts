/*
 * What choices lead to, kept for a while, so that the places of many in the table of seen states can be asked for together: most are far
 * away in memory. A record stands for one choice in one state; a record with fingerprint 0 says that what follows it belongs to the next
 * state, which is one link away (chain.ts). Changes lie in the memo (memo.ts), or behind the records.
 *
 *   {fingerprint u64, number of the state before u32, choice u32, change or link u32, end of the change u32}
 */
import { takeSpan } from "./blocks";
import { append, follow } from "./chain";
import { EDGE_TO_SEEN, keepsEdges, noteEdge } from "./edges";
import { forgetAll, isFull } from "./memo";
import { changeMost, LINE_BYTES } from "./snapshot";
import { add, hasRoom, statesSeen, touchPlace } from "./visited";

const BATCH: u32 = 32;
const CHANGE_BYTES: usize = 1024;
const RECORD_STATE: usize = 8;
const RECORD_CHOICE: usize = 12;
const RECORD_CHANGE: usize = 16;
const RECORD_END: usize = 20;
const RECORD_BYTES: usize = 24;

let first: usize = 0;
let end: usize = 0;
let changes: usize = 0;
let changesEnd: usize = 0;
let count: u32 = 0;
/** Bytes of the batch, as if a record took up a line; behind `full` there is still room for one record and a change of any length. */
let bytes: usize = 0;
let full: usize = 0;
/** Keeps loads alive that are made for their own sake. */
let touched: u64 = 0;

/** Returns false when memory is out. */
export function openPending(): bool {
  full = <usize>BATCH * (LINE_BYTES + CHANGE_BYTES) + changeMost();
  first = takeSpan((full / LINE_BYTES + 2) * RECORD_BYTES);
  changes = takeSpan(full + changeMost());
  forget();
  return changes != 0;
}

function forget(): void {
  end = first;
  changesEnd = changes;
  count = 0;
  bytes = 0;
}

/** Makes room for one more record, and behind the others for its change. Returns false when memory is out. */
// @ts-ignore: decorator
@inline
export function makeRoom(): bool {
  return (count < BATCH && bytes <= full) || flush();
}

/** Where a change of any length goes, behind makeRoom(), that lies nowhere else. */
// @ts-ignore: decorator
@inline
export function nextChange(): usize {
  return changesEnd;
}

/** Behind the last record, to tell whether one was kept. */
// @ts-ignore: decorator
@inline
export function lastRecord(): usize {
  return end;
}

/** Keeps a record, for which there must be room. */
// @ts-ignore: decorator
@inline
export function keep(print: u64, state: u32, choice: u32, change: usize, changeEnd: usize): void {
  store<u64>(end, print);
  store<u32>(end, state, RECORD_STATE);
  store<u32>(end, choice, RECORD_CHOICE);
  store<u32>(end, <u32>change, RECORD_CHANGE);
  store<u32>(end, <u32>changeEnd, RECORD_END);
  end += RECORD_BYTES;
  count++;
  bytes += LINE_BYTES + (changeEnd - change);
  if (change == changesEnd) changesEnd = changeEnd;
}

/** What is kept from here on belongs to the state of a link. Returns false when memory is out. */
export function beginState(link: usize): bool {
  if (bytes > full && !flush()) return false;
  store<u64>(end, 0);
  store<u32>(end, <u32>link, RECORD_CHANGE);
  end += RECORD_BYTES;
  bytes += LINE_BYTES;
  return true;
}

/** Asks for all places at once: what takes long is then on its way together. */
function touchAll(): void {
  let sum: u64 = 0;
  for (let record = first; record < end; record += RECORD_BYTES) sum ^= touchPlace(load<u64>(record));
  touched = sum;
}

/** Adds what is pending to the seen states, and what is new to the chain. Returns false when memory is out. */
export function flush(): bool {
  if (!hasRoom(count)) return false;
  touchAll();
  const keeps = keepsEdges();
  for (let record = first; record < end; record += RECORD_BYTES) {
    const print = load<u64>(record);
    const change = <usize>load<u32>(record, RECORD_CHANGE);
    if (print == 0) {
      follow(change);
      continue;
    }
    const before = load<u32>(record, RECORD_STATE);
    const isNew = add(print, before, load<u32>(record, RECORD_CHOICE));
    if (keeps && !noteEdge(print, before, isNew ? statesSeen() - 1 : EDGE_TO_SEEN)) return false;
    if (isNew && !append(print, change, <usize>load<u32>(record, RECORD_END))) return false;
  }
  forget();
  // Nobody looks into a change of the memo any more.
  if (isFull()) forgetAll();
  return true;
}
