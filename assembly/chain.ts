/*
 * States that wait to be expanded, each as what differs from the one that was appended before it: states that are found one after the other
 * are much alike, six or seven pieces of some forty that differ from the first state.
 *
 *   link   {fingerprint u64, lines u32, 0} lines {16 bytes, number of the piece u32}
 *
 * Two more copies of the world lie at fixed distances from it. *behind* is the state whose successors are being appended, and *last* the
 * one that was appended last. Where the two may differ is in a list: at the change that led to last, and wherever behind moved since.
 */
import { takeSpan } from "./blocks";
import { put, room } from "./frontier";
import { stateBase, taskTime } from "./layout";
import { addressOf, loadedPrint, loadPiece, setLoadedPrint } from "./pieces";
import { LINE_ADDRESS, LINE_BYTES, LINE_NUMBER } from "./snapshot";
import { SC_PIECE_COUNT, told } from "./control";

const LINK_COUNT: usize = 8;
const LINK_HEADER: usize = 16;
const LINK_LINE: usize = 20;
const LINK_NUMBER: usize = 16;

let toBehind: usize = 0;
let toLast: usize = 0;
/** u32 numbers of pieces, how many, and where the next list goes. */
let listed: usize = 0;
let listedCount: u32 = 0;
let listedNext: usize = 0;
/** {u32 turn in which it was listed last, u32 turn in which it was changed last} for each piece. */
let turns: usize = 0;
let turn: u32 = 0;
/** Longest link. */
let linkMost: usize = 0;

/** Takes the world as it is for the first state, and appends it. Returns false when memory is out. */
export function openChain(): bool {
  const bytes = taskTime - stateBase;
  const pieces = <usize>told(SC_PIECE_COUNT);
  toBehind = takeSpan(bytes) - stateBase;
  toLast = takeSpan(bytes) - stateBase;
  listed = takeSpan(pieces << 2);
  listedNext = takeSpan(pieces << 2);
  turns = takeSpan(pieces << 3);
  linkMost = LINK_HEADER + pieces * LINK_LINE;
  const to = room(linkMost);
  if (turns == 0 || to == 0) return false;
  memory.copy(stateBase + toBehind, stateBase, bytes);
  memory.copy(stateBase + toLast, stateBase, bytes);
  memory.fill(turns, 0, pieces << 3);
  listedCount = 0;
  turn = 1;
  store<u64>(to, loadedPrint);
  store<u64>(to, 0, LINK_COUNT);
  put(to + LINK_HEADER);
  return true;
}

// @ts-ignore: decorator
@inline
function endOf(link: usize): usize {
  return link + LINK_HEADER + <usize>load<u32>(link, LINK_COUNT) * LINK_LINE;
}

/** Makes the world the next state, which is one link away from it. Returns the link's end. */
export function loadLink(link: usize): usize {
  setLoadedPrint(load<u64>(link));
  const end = endOf(link);
  for (let line = link + LINK_HEADER; line < end; line += LINK_LINE) {
    loadPiece(load<u32>(line, LINK_NUMBER), v128.load(line));
  }
  return end;
}

// @ts-ignore: decorator
@inline
function turnsOf(number: u32): usize {
  return turns + (<usize>number << 3);
}

// @ts-ignore: decorator
@inline
function list(number: u32): void {
  const mark = turnsOf(number);
  if (load<u32>(mark) == turn) return;
  store<u32>(mark, turn);
  store<u32>(listed + (<usize>listedCount << 2), number);
  listedCount++;
}

/** Successors of the next state are appended from here on. */
export function follow(link: usize): void {
  const end = endOf(link);
  for (let line = link + LINK_HEADER; line < end; line += LINK_LINE) {
    const number = load<u32>(line, LINK_NUMBER);
    v128.store(addressOf(number) + toBehind, v128.load(line));
    list(number);
  }
}

/** Appends the state that a change (lines of snapshot.ts up to `end`) makes of the one behind. Returns false when memory is out. */
// @ts-ignore: decorator
@inline
export function append(print: u64, change: usize, end: usize): bool {
  const link = room(linkMost);
  if (link == 0) return false;
  const marks = turns;
  const last = toLast;
  const now = turn;
  let out = link + LINK_HEADER;
  let next = listedNext;
  // Whether a piece differs is hard to foresee: each line is written, and counts if it does.
  for (let line = change; line < end; line += LINE_BYTES) {
    const number = load<u32>(line, LINE_NUMBER);
    const at = <usize>load<u32>(line, LINE_ADDRESS) + last;
    const value = v128.load(line);
    const differs = <usize>v128.any_true(v128.xor(value, v128.load(at)));
    store<u64>(marks + (<usize>number << 3), (<u64>now << 32) | <u64>(now + 1));
    v128.store(at, value);
    v128.store(out, value);
    store<u32>(out, number, LINK_NUMBER);
    store<u32>(next, number);
    out += differs * LINK_LINE;
    next += 4;
  }
  out = appendListed(out, marks, last, now);
  store<u64>(link, print);
  store<u64>(link, <u64>(out - link - LINK_HEADER) / LINK_LINE, LINK_COUNT);
  put(out);
  const list = listed;
  listed = listedNext;
  listedNext = list;
  listedCount = <u32>((next - listed) >> 2);
  turn = now + 1;
  return true;
}

/** The same for listed pieces that the change leaves as they are behind. */
// @ts-ignore: decorator
@inline
function appendListed(out: usize, marks: usize, last: usize, now: u32): usize {
  const behind = toBehind;
  const stop = listed + (<usize>listedCount << 2);
  for (let at = listed; at < stop; at += 4) {
    const number = load<u32>(at);
    const piece = addressOf(number);
    const isChanged = load<u32>(marks + (<usize>number << 3), 4) == now;
    const before = v128.load(piece + last);
    const value = isChanged ? before : v128.load(piece + behind);
    const differs = <usize>v128.any_true(v128.xor(value, before));
    v128.store(piece + last, value);
    v128.store(out, value);
    store<u32>(out, number, LINK_NUMBER);
    out += differs * LINK_LINE;
  }
  return out;
}
