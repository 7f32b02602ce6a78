/*
 * The bound phase: one CPU runs the accesses of its current task up to a time, touching nothing that another CPU could see but the
 * pending A and D bits, which nobody reads before the weave. Whatever needs others (a fault, a call, a wait) becomes a trap, and ends
 * the CPU's turn.
 */
import { keyOf, PAY_DIRTY, PAY_WRITE } from "./assoc";
import { CFG_RING, config } from "./config";
import { FEED_CALL, FEED_COMPUTE, FEED_WAIT_CALLS, FEED_WAIT_TASK, recordAt, taskAt, watermark } from "./feed";
import { KIND_FETCH, KIND_MODIFY } from "./isa";
import {
  CK_CLOCK, CK_HINTS, CK_TICK, CK_TRAP, CK_TRAP_A, CK_TRAP_B, ckStamps, clk, HINT_BYTES, HW_PCID, HW_TASK, hw, hwKeys, hwPayloads,
  TT_APPENDED, TT_CONSUMED, TT_SEEN,
} from "./layout";
import { price, PRICE_ACCESS } from "./prices";
import { CYCLES_USER, CYCLES_WALK, spend, tally, TLB_ACCESSES, TLB_FAULTS, TLB_L1_HITS } from "./stats";
import { access, extraCycles, extraWalkCycles } from "./tlb";
import { logIsFull } from "./walk";

export const TRAP_NONE: u32 = 0;
export const TRAP_CALL: u32 = 1;
export const TRAP_FAULT: u32 = 2;
/** A wait that may not be over, the start of a task, or its end. */
export const TRAP_CONTROL: u32 = 3;
export const TRAP_DRY: u32 = 4;
export const TRAP_SLICE: u32 = 5;

const TICK_LIMIT: u32 = 0xfffff000;
/** Records handled in one go, so that the tick's wrap-around is checked in time. */
const BATCH: u64 = 2048;

/** Stops the turn; the weave takes it from here. */
function trap(cpu: u32, kind: u32, a: u64, b: u32): void {
  const k = clk(cpu);
  store<u32>(k, kind, CK_TRAP);
  store<u64>(k, a, CK_TRAP_A);
  store<u32>(k, b, CK_TRAP_B);
}

/** Everything but a first-level hit. Returns whether the turn goes on. */
function slow(cpu: u32, task: u32, position: u64, until: u64): bool {
  const k = clk(cpu);
  const t = taskAt(task);
  const at = recordAt(task, position);
  const record = load<u64>(at);
  const kind = <u32>record & 15;
  if (kind <= KIND_MODIFY) {
    const vpn = record >> 12;
    const fault = access(cpu, vpn, kind);
    const walk = <u64>extraWalkCycles;
    spend(cpu, <u64>price(PRICE_ACCESS) + <u64>extraCycles - walk, CYCLES_USER);
    spend(cpu, walk, CYCLES_WALK);
    tally(cpu, TLB_ACCESSES, 1);
    if (fault == 0) {
      store<u64>(t, position + 1, TT_CONSUMED);
      return !logIsFull(k);
    }
    tally(cpu, TLB_FAULTS, 1);
    trap(cpu, TRAP_FAULT, vpn, fault & 0x7fffffff);
    return false;
  }
  if (kind == FEED_COMPUTE) {
    const left = record >> 4;
    const clock = load<u64>(k, CK_CLOCK);
    const now = min(left, until - clock);
    spend(cpu, now, CYCLES_USER);
    if (now < left) {
      // The rest stays in the ring: an interrupt may arrive in the middle of a computation.
      store<u64>(at, ((left - now) << 4) | FEED_COMPUTE);
      return false;
    }
    store<u64>(t, position + 1, TT_CONSUMED);
    return true;
  }
  if (kind == FEED_CALL) {
    trap(cpu, TRAP_CALL, position, 0);
    return false;
  }
  if (kind == FEED_WAIT_CALLS && record >> 4 <= watermark()) {
    store<u64>(t, position + 1, TT_CONSUMED);
    return true;
  }
  if (kind == FEED_WAIT_TASK && load<u64>(taskAt(<u32>(record >> 4)), TT_SEEN) >= load<u64>(recordAt(task, position + 1))) {
    store<u64>(t, position + 2, TT_CONSUMED);
    return true;
  }
  trap(cpu, TRAP_CONTROL, position, kind);
  return false;
}

/** Runs a CPU that is in user mode until its clock reaches `until` or it traps. */
export function boundRun(cpu: u32, until: u64): void {
  const task = load<u32>(hw(cpu), HW_TASK) - 1;
  const t = taskAt(task);
  const k = clk(cpu);
  const limit = load<u64>(t, TT_APPENDED);
  while (load<u64>(k, CK_CLOCK) < until) {
    const from = load<u64>(t, TT_CONSUMED);
    if (from == limit) {
      trap(cpu, TRAP_DRY, 0, 0);
      return;
    }
    const position = hits(cpu, task, from, min(limit, from + BATCH), until);
    if (position == limit || load<u64>(k, CK_CLOCK) >= until || position - from == BATCH) continue;
    if (!slow(cpu, task, position, until)) return;
  }
}

/**
 * The hot loop: accesses that hit the first level through the hint of their page. Returns the position of the first record that does
 * not, or where time or the batch ran out. Statistics and clock are kept in registers and written once.
 */
function hits(cpu: u32, task: u32, from: u64, limit: u64, until: u64): u64 {
  const c = hw(cpu);
  const k = clk(cpu);
  const keys = c + hwKeys;
  const payloads = c + hwPayloads;
  const stamps = k + ckStamps;
  const hints = k + CK_HINTS;
  const pcidKey = keyOf(0, load<u32>(c, HW_PCID), 0);
  const cost = <u64>price(PRICE_ACCESS);
  const clock = load<u64>(k, CK_CLOCK);
  let tick = load<u32>(k, CK_TICK);
  if (tick > TICK_LIMIT) return from;
  let room = until - clock;
  // Accesses that may start before `until`, one price apiece.
  room = cost == 0 ? u64.MAX_VALUE : (room + cost - 1) / cost;
  const end = min(limit, room > u64.MAX_VALUE - from ? limit : from + room);
  const ring = recordAt(task, 0);
  const mask = <usize>(config(CFG_RING) - 1);
  let position = from;
  while (position < end) {
    const record = load<u64>(ring + ((<usize>position & mask) << 3));
    const kind = <u32>record & 15;
    if (kind > KIND_MODIFY) break;
    const vpn = record >> 12;
    const hint = <usize>load<u16>(hints + (kind == KIND_FETCH ? HINT_BYTES : 0) + ((<usize>vpn & 255) << 1));
    if (load<u64>(keys + (hint << 3)) != ((vpn << 15) | pcidKey)) break;
    if ((kind & 1) != 0 && (load<u64>(payloads + (hint << 3)) & (PAY_WRITE | PAY_DIRTY)) != (PAY_WRITE | PAY_DIRTY)) break;
    store<u32>(stamps + (hint << 2), ++tick);
    position++;
  }
  const n = position - from;
  store<u32>(k, tick, CK_TICK);
  if (n != 0) {
    spend(cpu, n * cost, CYCLES_USER);
    tally(cpu, TLB_ACCESSES, n);
    tally(cpu, TLB_L1_HITS, n);
    store<u64>(taskAt(task), position, TT_CONSUMED);
  }
  return position;
}
