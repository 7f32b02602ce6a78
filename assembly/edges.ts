/*
 * Every transition of a search, and every state in which all threads have finished, for whoever wants to know from which states no end can
 * be reached. In blocks of {u32 next block, u32 end of what is in it, then records}, the first at SC_EDGES:
 *
 *   {fingerprint of the state that is reached u64, number of the state before u32, number of the reached state u32 if it is new}
 *
 * A record with fingerprint 0 says that the state before is an end.
 */
import { BLOCK_BYTES, takeBlock } from "./blocks";
import { SC_EDGES, tell, told } from "./control";

const HEADER: usize = 16;
const EDGE_BYTES: usize = 16;
/** In place of a number: the state was seen before. */
export const EDGE_TO_SEEN: u32 = u32.MAX_VALUE;

let last: usize = 0;
let writeAt: usize = 0;

export function openEdges(): bool {
  const block = takeBlock();
  tell(SC_EDGES, <u32>block);
  return begin(block);
}

function begin(block: usize): bool {
  if (block == 0) return false;
  store<u64>(block, 0);
  last = block;
  writeAt = block + HEADER;
  store<u32>(last, <u32>writeAt, 4);
  return true;
}

// @ts-ignore: decorator
@inline
export function keepsEdges(): bool {
  return told(SC_EDGES) != 0;
}

/** Returns false when memory is out. */
export function noteEdge(print: u64, from: u32, to: u32): bool {
  if (writeAt + EDGE_BYTES > last + BLOCK_BYTES) {
    const block = takeBlock();
    store<u32>(last, <u32>block);
    if (!begin(block)) return false;
  }
  store<u64>(writeAt, print);
  store<u32>(writeAt, from, 8);
  store<u32>(writeAt, to, 12);
  writeAt += EDGE_BYTES;
  store<u32>(last, <u32>writeAt, 4);
  return true;
}
