/*
 * States of a search, loaded into the world: which bytes they are, and what is known of the loaded one.
 *
 * What can differ between two states is cut into pieces of 16 bytes, of STATE and of the holders that lie behind it. The host lists them
 * (src/engine/state-pieces.ts). Two copies lie at fixed distances from the world:
 *
 *   world  | ..... piece ..... |     what the engine works on
 *   loaded | ..... piece ..... |     the loaded state: world and loaded are the same between transitions
 *   first  | ..... piece ..... |     the state that the search began with
 *
 * A fingerprint is a sum over all pieces of a hash of piece and place; bits that are no part of a state are masked off before hashing. What
 * a part of the loaded state is, as far as a transition can see, is such a sum too (reads.ts looks transitions up by it).
 *
 *   piece    {mask u64, mask u64, salt u64, address u32, its part u32}               PIECE_BYTES
 */
import { takeSpan } from "./blocks";
import { SC_PIECE_COUNT, SC_PIECE_OF, SC_PIECES, told } from "./control";
import { cpus, holders, stateBase, taskTime } from "./layout";
import { panic, TRAP_SEARCH_LEAK } from "./trap";
import { forgetWrote } from "./wrote";

const PIECE_BYTES: usize = 32;
const PIECE_ADDRESS: usize = 24;
const PIECE_PART: usize = 28;

export const NO_PIECE: u32 = 0xffff;

// Parts: what nobody asks for as a whole; tables; frames; ranges, the page cache and holders; then those of each CPU: what nobody else looks at,
// the flags that others look at, queues, translations.
export const PART_NONE: u32 = 0;
export const PART_TABLES: u32 = 1;
export const PART_FRAMES: u32 = 2;
export const PART_REST: u32 = 3;
export const PART_CPU: u32 = 4;
export const PART_OF_CPU_OWN: u32 = 0;
export const PART_OF_CPU_SEEN: u32 = 1;
export const PART_OF_CPU_QUEUE: u32 = 2;
export const PART_OF_CPU_ENTRIES: u32 = 3;
export const PARTS_OF_CPU: u32 = 4;

let pieces: usize = 0;
let pieceOf: usize = 0;
/** Of the loaded state: u64 hashes of its pieces, and sums of its parts. */
let hashes: usize = 0;
let parts: usize = 0;
/** Distances from the world to the copies. */
export let toLoaded: usize = 0;
let toFirst: usize = 0;

/** Fingerprint of the loaded state. */
export let loadedPrint: u64 = 0;

/** Takes the world as it is for the first state. Returns whether there was room for the copies. */
export function openPieces(): bool {
  pieces = <usize>told(SC_PIECES);
  pieceOf = <usize>told(SC_PIECE_OF);
  const bytes = taskTime - stateBase;
  toLoaded = takeSpan(bytes) - stateBase;
  toFirst = takeSpan(bytes) - stateBase;
  hashes = takeSpan(<usize>told(SC_PIECE_COUNT) << 3);
  const partBytes = <usize>(PART_CPU + PARTS_OF_CPU * cpus) << 3;
  parts = takeSpan(partBytes);
  if (parts == 0) return false;
  assert(holders >= stateBase && holders < taskTime);
  memory.copy(stateBase + toLoaded, stateBase, bytes);
  memory.copy(stateBase + toFirst, stateBase, bytes);
  memory.fill(hashes, 0, <usize>told(SC_PIECE_COUNT) << 3);
  memory.fill(parts, 0, partBytes);
  for (let number: u32 = 0; number < told(SC_PIECE_COUNT); number++) loadPiece(number, v128.load(addressOf(number)));
  loadedPrint = 0x9e3779b97f4a7c15;
  return true;
}

// @ts-ignore: decorator
@inline
export function pieceAt(number: u32): usize {
  return pieces + <usize>number * PIECE_BYTES;
}

// @ts-ignore: decorator
@inline
export function addressOf(number: u32): usize {
  return <usize>load<u32>(pieceAt(number), PIECE_ADDRESS);
}

/** Sum of the hashes of a part of the loaded state. */
// @ts-ignore: decorator
@inline
export function sumOf(part: u32): u64 {
  return load<u64>(parts + (<usize>part << 3));
}

/** Hash of the piece of the loaded state that holds a word of a record or a page table, or of what is known of a table. */
// @ts-ignore: decorator
@inline
export function hashAt(address: usize): u64 {
  const number = numberAt(address);
  return number == NO_PIECE ? 0 : hashBefore(number);
}

/** Hash of a piece of the loaded state by its number. */
// @ts-ignore: decorator
@inline
export function hashBefore(number: u32): u64 {
  return load<u64>(hashes + (<usize>number << 3));
}

/** Number of the piece that holds a word, or NO_PIECE. */
// @ts-ignore: decorator
@inline
export function numberAt(address: usize): u32 {
  return <u32>load<u16>(pieceOf + ((address - stateBase) >> 2 & ~(<usize>1)));
}

/** For one value of either half the hash is a one-to-one function of the other. */
// @ts-ignore: decorator
@inline
export function hashOf(piece: usize, value: v128): u64 {
  const salt = load<u64>(piece, 16);
  let h = ((i64x2.extract_lane(value, 0) & load<u64>(piece)) ^ salt) * 0x9fb21c651e98df25;
  h ^= h >> 32;
  h = (h + (i64x2.extract_lane(value, 1) & load<u64>(piece, 8))) * 0xff51afd7ed558ccd;
  h ^= h >> 29;
  h *= 0xc4ceb9fe1a85ec53;
  return h ^ (h >> 32);
}

/** Makes the world the first state again, from whatever it is. */
export function restart(): void {
  memory.copy(stateBase, stateBase + toFirst, taskTime - stateBase);
  forgetWrote();
}

/** Traps if the world is not the loaded state: a transition wrote what it was not known to write. */
export function checkLeft(): void {
  for (let number: u32 = 0; number < told(SC_PIECE_COUNT); number++) {
    const at = <usize>load<u32>(pieceAt(number), PIECE_ADDRESS);
    if (v128.any_true(v128.xor(v128.load(at), v128.load(at + toLoaded)))) panic(TRAP_SEARCH_LEAK, at);
  }
}

/** Loads one piece of the state that is to be the loaded one. */
// @ts-ignore: decorator
@inline
export function loadPiece(number: u32, value: v128): void {
  const piece = pieceAt(number);
  const at = <usize>load<u32>(piece, PIECE_ADDRESS);
  const hash = hashOf(piece, value);
  const hashAt = hashes + (<usize>number << 3);
  const sumAt = parts + (<usize>load<u32>(piece, PIECE_PART) << 3);
  store<u64>(sumAt, load<u64>(sumAt) + hash - load<u64>(hashAt));
  store<u64>(hashAt, hash);
  v128.store(at, value);
  v128.store(at + toLoaded, value);
}

// @ts-ignore: decorator
@inline
export function setLoadedPrint(print: u64): void {
  loadedPrint = print;
}
