/*
 * What choices lead to, kept for a while, so that the places of many in the table of seen states can be asked for together: most are far
 * away in memory. A record stands for one choice in one state; a record with fingerprint 0 says that what follows it belongs to the next
 * state, which is one link away (chain.ts).
 *
 *   {fingerprint u64, number of the state before u32, choice u32, bytes of the change u32, link u32, 0} change
 */
import { takeSpan } from "./blocks";
import { append, follow } from "./chain";
import { EDGE_TO_SEEN, keepsEdges, noteEdge } from "./edges";
import { changeMost } from "./snapshot";
import { add, hasRoom, statesSeen, touchPlace } from "./visited";

const BATCH: u32 = 32;
const RECORD_STATE: usize = 8;
const RECORD_CHOICE: usize = 12;
const RECORD_LENGTH: usize = 16;
const RECORD_LINK: usize = 20;
/** A record without its change. */
export const RECORD_BYTES: usize = 32;

let first: usize = 0;
let end: usize = 0;
/** Behind this there may be no room for one more record. */
let full: usize = 0;
let count: u32 = 0;
/** Keeps loads alive that are made for their own sake. */
let touched: u64 = 0;

/** Returns false when memory is out. */
export function openPending(): bool {
  const most = <usize>BATCH * (RECORD_BYTES + 1024) + changeMost();
  first = takeSpan(most + RECORD_BYTES + changeMost());
  full = first + most;
  end = first;
  count = 0;
  return first != 0;
}

/** Where the next record goes, its change behind it; 0 when memory is out. */
// @ts-ignore: decorator
@inline
export function nextRecord(): usize {
  return (count == BATCH || end > full) && !flush() ? 0 : end;
}

/** Keeps the record at nextRecord(), whose change ends at `to`. */
// @ts-ignore: decorator
@inline
export function keep(print: u64, state: u32, choice: u32, to: usize): void {
  store<u64>(end, print);
  store<u32>(end, state, RECORD_STATE);
  store<u32>(end, choice, RECORD_CHOICE);
  store<u32>(end, <u32>(to - end - RECORD_BYTES), RECORD_LENGTH);
  end = to;
  count++;
}

/** Whether a record was kept at a place that nextRecord() gave. */
export function isKept(record: usize): bool {
  return end != record;
}

/** What is kept from here on belongs to the state of a link. Returns false when memory is out. */
export function beginState(link: usize): bool {
  if (end > full && !flush()) return false;
  store<u64>(end, 0);
  store<u32>(end, 0, RECORD_LENGTH);
  store<u32>(end, <u32>link, RECORD_LINK);
  end += RECORD_BYTES;
  return true;
}

// @ts-ignore: decorator
@inline
function endOf(record: usize): usize {
  return record + RECORD_BYTES + <usize>load<u32>(record, RECORD_LENGTH);
}

/** Asks for all places at once: what takes long is then on its way together. */
function touchAll(): void {
  let sum: u64 = 0;
  for (let record = first; record < end; record = endOf(record)) sum ^= touchPlace(load<u64>(record));
  touched = sum;
}

/** Adds what is pending to the seen states, and what is new to the chain. Returns false when memory is out. */
export function flush(): bool {
  touchAll();
  for (let record = first; record < end; record = endOf(record)) {
    const print = load<u64>(record);
    if (print == 0) {
      follow(<usize>load<u32>(record, RECORD_LINK));
      continue;
    }
    if (!hasRoom()) return false;
    const before = load<u32>(record, RECORD_STATE);
    const isNew = add(print, before, load<u32>(record, RECORD_CHOICE));
    if (keepsEdges() && !noteEdge(print, before, isNew ? statesSeen() - 1 : EDGE_TO_SEEN)) return false;
    if (isNew && !append(print, record + RECORD_BYTES, endOf(record))) return false;
  }
  end = first;
  count = 0;
  return true;
}
