/*
 * One transition of a search: the state that it leads to, as the difference from the loaded one, and the world put back.
 *
 * leave() looks where the world differs from the loaded state (pieces.ts), in the groups of pieces that the transition may have written. Each
 * piece that differs is a line of the *change*, and is put back at once. A change has its own difference of fingerprints.
 *
 *   group    {address of its first run u32, runs u32}; run {address u32, pieces u32, number of the first piece u32, 0}
 *   change   lines {16 bytes as they became, hash u64, number u32, address u32}      LINE_BYTES
 */
import { SC_GROUPS, SC_PIECE_COUNT, told } from "./control";
import { hw } from "./addresses";
import { cpus, frameMeta, stateBase } from "./layout";
import { addressOf, hashBefore, hashOf, loadedPrint, NO_PIECE, numberAt, pieceAt, toLoaded } from "./pieces";
import { forgetWrote, wroteAt, wroteCount, WROTE_MOST } from "./wrote";

export const LINE_BYTES: usize = 32;
export const LINE_HASH: usize = 16;
export const LINE_NUMBER: usize = 24;
export const LINE_ADDRESS: usize = 28;
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

let groups: usize = 0;
/** Fingerprint of what the last leave() made of the loaded state. */
export let nextPrint: u64 = 0;

/** Behind openPieces(). */
export function openSnapshots(): void {
  groups = <usize>told(SC_GROUPS);
}

/** Longest change. */
export function changeMost(): usize {
  return <usize>told(SC_PIECE_COUNT) * LINE_BYTES;
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
  nextPrint += hash - hashBefore(number);
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
    const word = wroteAt(i);
    assert(word >= stateBase && word < frameMeta);
    const number = numberAt(word);
    if (number == NO_PIECE) continue;
    const at = addressOf(number);
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
