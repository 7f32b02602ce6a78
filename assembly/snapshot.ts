/*
 * States of a search: loaded into the world, and left by one transition.
 *
 * What can differ between two states is cut into pieces of 16 bytes, of STATE and of the holders that lie behind it. The host lists them
 * (src/engine/state-pieces.ts), in groups that are written together. Two copies lie at fixed distances from the world:
 *
 *   world  | ..... piece ..... |     what the engine works on
 *   loaded | ..... piece ..... |     the loaded state: world and loaded are the same between transitions
 *   first  | ..... piece ..... |     the state that the search began with
 *
 * After a transition leave() looks where world and loaded differ, in the groups that the transition may have written. Each piece that
 * differs is a line of the *change*, and is put back at once. A fingerprint is a sum over all pieces of a hash of piece and place, so
 * that a change has its own difference of fingerprints; bits that are no part of a state are masked off before hashing.
 *
 * What a part of the loaded state is, as far as a transition can see, is the sum of its pieces' hashes (memo.ts looks transitions up by it).
 *
 *   piece    {mask u64, mask u64, salt u64, address u32, its part u32}               PIECE_BYTES
 *   group    {address of its first run u32, runs u32}; run {address u32, pieces u32, number of the first piece u32, 0}
 *   change   lines {16 bytes as they became, hash u64, number u32, address u32}      LINE_BYTES
 */
import { takeSpan } from "./blocks";
import { SC_GROUPS, SC_PIECE_COUNT, SC_PIECE_OF, SC_PIECES, told } from "./control";
import { cpus, frameMeta, holders, hw, stateBase, taskTime } from "./layout";
import { panic, TRAP_SEARCH_LEAK } from "./trap";
import { forgetWrote, wroteAt, wroteCount, WROTE_MOST } from "./wrote";

const PIECE_BYTES: usize = 32;
export const LINE_BYTES: usize = 32;
export const LINE_HASH: usize = 16;
export const LINE_NUMBER: usize = 24;
export const LINE_ADDRESS: usize = 28;
const PIECE_ADDRESS: usize = 24;
const PIECE_PART: usize = 28;
const RUN_BYTES: usize = 16;

// Groups: the kinds of record by number, then these; then OF_CPU for each CPU, from GROUP_CPU on.
export const GROUP_TABLES: u32 = 6;
export const GROUP_FRAMES: u32 = 7;
export const GROUP_RANGES: u32 = 8;
export const GROUP_CACHE: u32 = 9;
export const GROUP_HOLDERS: u32 = 10;
/** Only where switches are bounded. */
export const GROUP_BOUNDS: u32 = 11;
// No groups, but bits of a set: flags, queues and entries of all CPUs; queue, entries and buffered stores of the CPU whose choice it is.
export const GROUP_CPUS: u32 = 12;
export const GROUP_OWN_QUEUE: u32 = 13;
export const GROUP_OWN_ENTRIES: u32 = 14;
export const GROUP_OWN_STORES: u32 = 15;
export const GROUP_CPU: u32 = 16;
/** Of one CPU. What is of the registers is one run each, two registers a piece. */
export const OF_CPU_FLAGS: u32 = 0;
export const OF_CPU_QUEUE: u32 = 1;
export const OF_CPU_ENTRIES: u32 = 2;
export const OF_CPU_STORES: u32 = 3;
export const OF_CPU_TASK: u32 = 4;
export const OF_CPU_HANDLER: u32 = 5;
export const OF_CPU: u32 = 6;
/** Everything but registers, and records, of which is noted what is written. */
export const ALL_GROUPS: u32 = ((1 << GROUP_CPU) - 1) & ~((1 << GROUP_TABLES) - 1);
const SHARED_GROUPS: u32 = (1 << GROUP_CPUS) - 1;

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
/** Of the loaded state: u64 hashes of its pieces, and sums of its parts. */
let hashes: usize = 0;
let parts: usize = 0;
let groups: usize = 0;
let pieceOf: usize = 0;
/** Distances from the world to the copies. */
let toLoaded: usize = 0;
let toFirst: usize = 0;

/** Fingerprint of the loaded state, and what the last leave() makes of it. */
export let loadedPrint: u64 = 0;
export let nextPrint: u64 = 0;

/** Longest change. */
export function changeMost(): usize {
  return <usize>told(SC_PIECE_COUNT) * LINE_BYTES;
}

/** Takes the world as it is for the first state. Returns whether there was room for the copies. */
export function openSnapshots(): bool {
  pieces = <usize>told(SC_PIECES);
  groups = <usize>told(SC_GROUPS);
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
function pieceAt(number: u32): usize {
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
  const number = <u32>load<u16>(pieceOf + ((address - stateBase) >> 2 & ~(<usize>1)));
  return number == NO_PIECE ? 0 : load<u64>(hashes + (<usize>number << 3));
}

/** For one value of either half the hash is a one-to-one function of the other. */
// @ts-ignore: decorator
@inline
function hashOf(piece: usize, value: v128): u64 {
  const salt = load<u64>(piece, 16);
  let h = ((i64x2.extract_lane(value, 0) & load<u64>(piece)) ^ salt) * 0x9fb21c651e98df25;
  h ^= h >> 32;
  h = (h + (i64x2.extract_lane(value, 1) & load<u64>(piece, 8))) * 0xff51afd7ed558ccd;
  h ^= h >> 29;
  h *= 0xc4ceb9fe1a85ec53;
  return h ^ (h >> 32);
}

// @ts-ignore: decorator
@inline
function differs(at: usize): v128 {
  return v128.xor(v128.load(at), v128.load(at + toLoaded));
}

/** Puts back one piece that differs, and appends it to the change that ends at `end`; returns its new end. */
// @ts-ignore: decorator
@inline
function leavePiece(at: usize, number: u32, end: usize): usize {
  const now = v128.load(at);
  const was = v128.load(at + toLoaded);
  const piece = pieceAt(number);
  const hash = hashOf(piece, now);
  nextPrint += hash - load<u64>(hashes + (<usize>number << 3));
  // What is no part of a state does not depend on the way to it.
  v128.store(end, v128.and(now, v128.load(piece)));
  store<u64>(end, hash, LINE_HASH);
  store<u32>(end, number, LINE_NUMBER);
  store<u32>(end, <u32>at, LINE_ADDRESS);
  v128.store(at, was);
  return end + LINE_BYTES;
}

/** The same for all pieces of a group. */
function leaveGroup(group: u32, end: usize): usize {
  const g = groups + (<usize>group << 3);
  let run = <usize>load<u32>(g);
  const lastRun = run + <usize>load<u32>(g, 4) * RUN_BYTES;
  for (; run < lastRun; run += RUN_BYTES) {
    const from = <usize>load<u32>(run);
    const stop = from + (<usize>load<u32>(run, 4) << 4);
    let at = from;
    // Most are as they were: four are looked at as one.
    for (; at + 64 <= stop; at += 64) {
      const four = v128.or(v128.or(differs(at), differs(at + 16)), v128.or(differs(at + 32), differs(at + 48)));
      if (v128.any_true(four)) end = leaveSome(at, at + 64, load<u32>(run, 8) + <u32>((at - from) >> 4), end);
    }
    if (at < stop) end = leaveSome(at, stop, load<u32>(run, 8) + <u32>((at - from) >> 4), end);
  }
  return end;
}

function leaveSome(at: usize, stop: usize, number: u32, end: usize): usize {
  for (; at < stop; at += 16, number++) if (v128.any_true(differs(at))) end = leavePiece(at, number, end);
  return end;
}

/** The same for the pieces that hold `registers`. */
function leaveRegisters(group: u32, registers: u64, end: usize): usize {
  const g = groups + (<usize>group << 3);
  if (load<u32>(g, 4) == 0) return end;
  const run = <usize>load<u32>(g);
  const from = <usize>load<u32>(run);
  const count = <u64>load<u32>(run, 4) << 1;
  const has: u64 = count >= 64 ? u64.MAX_VALUE : (<u64>1 << count) - 1;
  for (let m = (registers | (registers >> 1)) & 0x5555555555555555 & has; m != 0; m &= m - 1) {
    const pair = <u32>ctz(m) >> 1;
    const at = from + (<usize>pair << 4);
    if (v128.any_true(differs(at))) end = leavePiece(at, load<u32>(run, 8) + pair, end);
  }
  return end;
}

/** The same for the flags of a CPU: five pieces, which nearly every choice touches. */
// @ts-ignore: decorator
@inline
function leaveFlags(cpu: u32, end: usize): usize {
  const run = <usize>load<u32>(groups + (<usize>(GROUP_CPU + cpu * OF_CPU + OF_CPU_FLAGS) << 3));
  const number = load<u32>(run, 8);
  const c = hw(cpu);
  if (v128.any_true(differs(c))) end = leavePiece(c, number, end);
  if (v128.any_true(differs(c + 16))) end = leavePiece(c + 16, number + 1, end);
  if (v128.any_true(v128.or(v128.or(differs(c + 32), differs(c + 48)), differs(c + 64)))) end = leaveSome(c + 32, c + 80, number + 2, end);
  return end;
}

/** The same for the words of records and page tables that were written one by one. */
function leaveWritten(end: usize): usize {
  const n = wroteCount();
  forgetWrote();
  if (n > WROTE_MOST) return leaveRecords(end);
  for (let i: u32 = 0; i < n; i++) {
    const word = wroteAt(i) - stateBase;
    assert(word < frameMeta - stateBase);
    const number = <u32>load<u16>(pieceOf + (word >> 2));
    if (number == NO_PIECE) continue;
    const at = <usize>load<u32>(pieceAt(number), PIECE_ADDRESS);
    if (v128.any_true(differs(at))) end = leavePiece(at, number, end);
  }
  return end;
}

function leaveRecords(end: usize): usize {
  for (let group: u32 = 0; group <= GROUP_TABLES; group++) end = leaveGroup(group, end);
  return end;
}

/**
 * Puts the world back to the loaded state. What differed is written to `change`, and its end returned; the fingerprint of the state that is
 * left is in nextPrint. `touched` has a bit for each group that may differ, besides the flags of `cpu` and words that were noted when they
 * were written; `task` and `handler` have one for each register of its contexts.
 */
export function leave(cpu: u32, touched: u32, task: u64, handler: u64, change: usize): usize {
  nextPrint = loadedPrint;
  let end = leaveFlags(cpu, change);
  if (wroteCount() != 0) end = leaveWritten(end);
  const own = GROUP_CPU + cpu * OF_CPU;
  if (touched != 0) {
    for (let bits = touched & SHARED_GROUPS; bits != 0; bits &= bits - 1) end = leaveGroup(<u32>ctz(bits), end);
    const all = touched & (1 << GROUP_CPUS);
    if ((touched & (all | (1 << GROUP_OWN_QUEUE))) != 0) end = leaveGroup(own + OF_CPU_QUEUE, end);
    if ((touched & (all | (1 << GROUP_OWN_ENTRIES))) != 0) end = leaveGroup(own + OF_CPU_ENTRIES, end);
    if ((touched & (1 << GROUP_OWN_STORES)) != 0) end = leaveGroup(own + OF_CPU_STORES, end);
    if (all != 0) end = leaveOthers(cpu, end);
  }
  if (task != 0) end = leaveRegisters(own + OF_CPU_TASK, task, end);
  if (handler != 0) end = leaveRegisters(own + OF_CPU_HANDLER, handler, end);
  if (nextPrint == 0) nextPrint = 1;
  return end;
}

function leaveOthers(cpu: u32, end: usize): usize {
  for (let other: u32 = 0; other < cpus; other++) {
    if (other == cpu) continue;
    const group = GROUP_CPU + other * OF_CPU;
    end = leaveFlags(other, end);
    end = leaveGroup(group + OF_CPU_QUEUE, end);
    end = leaveGroup(group + OF_CPU_ENTRIES, end);
  }
  return end;
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
