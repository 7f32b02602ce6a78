/*
 * States that are reached and not expanded, first in, first out: as links (chain.ts) in blocks, {u32 next block, u32 end of what is in it,
 * then states}. A state lies in one block. A block goes back when its last state has been taken and `leave` is called.
 */
import { BLOCK_BYTES, giveBlock, takeBlock } from "./blocks";

const HEADER: usize = 16;

let first: usize = 0;
let last: usize = 0;
let readAt: usize = 0;
let writeAt: usize = 0;

export function openFrontier(): bool {
  first = takeBlock();
  last = first;
  if (first == 0) return false;
  store<u64>(first, 0);
  readAt = first + HEADER;
  writeAt = readAt;
  return true;
}

/** Room for a state of up to `most` bytes, or 0 when memory is out. It counts once `put` has said how long it became. */
// @ts-ignore: decorator
@inline
export function room(most: usize): usize {
  return writeAt + most <= last + BLOCK_BYTES ? writeAt : roomInNext();
}

function roomInNext(): usize {
  const block = takeBlock();
  if (block == 0) return 0;
  store<u64>(block, 0);
  store<u32>(last, <u32>block);
  store<u32>(last, <u32>writeAt, 4);
  last = block;
  writeAt = block + HEADER;
  return writeAt;
}

// @ts-ignore: decorator
@inline
export function put(end: usize): void {
  writeAt = (end + 15) & ~(<usize>15);
}

/** The block that holds the oldest state is used up: nobody may still look into it. */
export function isBlockUsedUp(): bool {
  return first != last && readAt == <usize>load<u32>(first, 4);
}

export function leaveBlock(): void {
  assert(isBlockUsedUp());
  const next = <usize>load<u32>(first);
  giveBlock(first);
  first = next;
  readAt = first + HEADER;
}

// @ts-ignore: decorator
@inline
export function isEmpty(): bool {
  return readAt == writeAt;
}

/** The oldest state. */
// @ts-ignore: decorator
@inline
export function oldest(): usize {
  return readAt;
}

/** Takes the oldest state, which ends at `end`. It stays readable until leaveBlock(). */
// @ts-ignore: decorator
@inline
export function take(end: usize): void {
  readAt = (end + 15) & ~(<usize>15);
}
