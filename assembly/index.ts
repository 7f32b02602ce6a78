/*
 * The whole export surface. Constants are exported as globals; the host reads them by name and copies no number.
 */
import { clearStamps } from "./assoc";
import { canComplete as mayComplete, complete as completeAt } from "./broadcast";
import { buffered, canDrain as mayDrain, drain as drainOne } from "./cells";
import { clearDue } from "./due";
import { startTask as startTaskAt } from "./feed";
import { canDeliver as mayDeliver, deliver as deliverTo } from "./ipi";
import { planFixed, ROLE_CODE } from "./fixed";
import { missCost as costOfMiss } from "./lines";
import { clk, hw } from "./addresses";
import { cpus, plan as planLayout } from "./layout";
import { CK_HINTS, HINT_BYTES, HW_REGS } from "./offsets";
import { beginQuick, quickAccess } from "./quick";
import { wakeCpuFor } from "./sched";
import { begin as beginAt, execute as executeAt, isLive as isLiveNow, settle, step as stepOnce } from "./step";
import { access as accessPage, evict as evictPage, speculate as speculatePage } from "./tlb";
import { mergeLog } from "./walk";

export * from "./isa";
export { EVENT_ACCESS, EVENT_BEGIN, EVENT_DELIVER, EVENT_DRAIN_ALL, EVENT_STEP, EVENT_TASK } from "./observe";
export * from "./config";
export * from "./layout";
export * from "./offsets";
export * from "./meta";
export * from "./prices";
export * from "./trap";
export * from "./control";
export * from "./stats";
export * from "./report";
export { TASK_ABSENT, TASK_ENDED, TASK_RUNNABLE, TASK_TOP, FEED_COMPUTE, FEED_CALL, FEED_WAIT_CALLS, FEED_WAIT_TASK, FEED_START, FEED_END } from "./feed";
export { fed, now, run, RUN_DONE, RUN_FEED, RUN_LATE, RUN_MORE, RUN_SAMPLES, RUN_STUCK, settleClocks, TASK_DRY, TASK_RING_FULL } from "./clock";
export { CREW_FAILED, CREW_MOST, CREW_PLACE_BYTES, CREW_PLACES, CREW_READY, CREW_SHARES, CREW_SIZE, CREW_SPINS, CREW_STOP, CREW_TURNS, CREW_WANTED, help, meet } from "./crew";
export { POOL_BLOCK_FREE, POOL_FRAME_FREE, POOL_FRAME_TOP, POOL_FRAMES_LIVE, POOL_TABLE_FREE, POOL_TABLE_TOP, POOL_TABLES_LIVE } from "./frames";
export { ENDED } from "./step";
export { BLOCKED } from "./step-memory";
export { WRITER_BITS, WRITER_MASK } from "./lines";
export { CODE_NONE, CODE_WANTED, useCode } from "./compiled";
export {
  CHOICE_BROADCAST, CHOICE_CPU_SHIFT, CHOICE_DRAIN, CHOICE_INDEX_MASK, CHOICE_INTERRUPT, CHOICE_KIND_SHIFT, CHOICE_LIBERTY, CHOICE_LIBERTY_MASK,
  CHOICE_STEP, choose, NO_CHOICE, REFUSED,
} from "./choose";
export {
  CUT_DEPTH, CUT_SWITCHES, SEARCH_DEADLOCK, SEARCH_DONE, SEARCH_MORE, SEARCH_OUT_OF_MEMORY, SEARCH_OUT_OF_STATES, SEARCH_VIOLATION,
} from "./attempt";
export { beginPlay, explore, openSearch } from "./explore";
export {
  GROUP_BOUNDS, GROUP_CACHE, GROUP_CPU, GROUP_CPUS, GROUP_FRAMES, GROUP_HOLDERS, GROUP_OWN_ENTRIES, GROUP_OWN_QUEUE, GROUP_OWN_STORES, GROUP_RANGES, GROUP_TABLES,
  OF_CPU, OF_CPU_ENTRIES, OF_CPU_FLAGS, OF_CPU_HANDLER, OF_CPU_QUEUE, OF_CPU_STORES, OF_CPU_TASK,
} from "./snapshot";
export {
  LOOKS_ANYWHERE, LOOKS_COMMON, LOOKS_COMMON_WORD, LOOKS_ENTRIES, LOOKS_ENTRY, LOOKS_KEEPS, LOOKS_OWN, LOOKS_PUT_ENTRY, LOOKS_PUT_WORD, LOOKS_QUEUE, LOOKS_WORD,
} from "./reads";
export {
  NO_PIECE, PART_CPU, PART_FRAMES, PART_NONE, PART_OF_CPU_ENTRIES, PART_OF_CPU_OWN, PART_OF_CPU_QUEUE, PART_OF_CPU_SEEN, PART_REST, PART_TABLES, PARTS_OF_CPU,
} from "./pieces";
export { ITEM_ACCESS, ITEM_CALL, ITEM_SWITCH, LIBERTY_EVICT, LIBERTY_FILL, LIBERTY_TOUCH } from "./script";
export { choiceBefore, parentOf } from "./visited";
export { openRandomRuns, randomRun, randomRunLength, runRandomly } from "./pct";
export { ample, NO_AMPLE } from "./reduce";
export {
  RC_ANYTIME, RC_BYTES, RC_HANDLER, RC_PENDING, RC_USER_TIME, RD_BYTES, RD_CPU, RD_ENTRY, RD_HELD, RD_ITEMS, RD_LEAF,
  RD_OPS, RD_OWN, RD_REACH, RD_REACH_ENDS, RD_SCRIPT, RD_TAIL, RD_TAIL_ENDS, RD_VIEWS, RD_WORDS,
} from "./others";
export {
  SY_BYTES, SY_ITEM_COUNT, SY_ITEMS, SY_MASK_COUNT, SY_MASKS, SY_MEMBER_COUNT, SY_MEMBERS, SY_OP_COUNT, SY_OPS, SY_USES_TASK,
} from "./symmetry";
export { KEY_GLOBAL, KEY_WATCH, PAY_DIRTY, PAY_EXEC, PAY_WRITE, TABLES_MAX } from "./assoc";

/** Lays the memory out; the first thing to call. Returns the bytes that are needed, which the host must have provided. */
export function plan(): usize {
  const bytes = planLayout();
  planFixed();
  return bytes;
}

/** Brings fresh, zeroed memory to the state before the first step. Once per world, whatever the number of instances. */
export function init(): void {
  clearDue();
  const code = load<u32>(ROLE_CODE);
  for (let cpu: u32 = 0; cpu < cpus; cpu++) {
    clearStamps(cpu);
    beginQuick(cpu);
    // A hint that was never set must not name a data slot for an instruction page.
    for (let i: usize = 0; i < HINT_BYTES; i += 4) store<u32>(clk(cpu) + CK_HINTS + HINT_BYTES + i, code);
  }
}

/** Makes a task exist at the start; it runs from cycle `ready` on. */
export function startTask(task: u32, ready: u32): void {
  startTaskAt(task, ready);
  wakeCpuFor(task);
}

// The world one step at a time: what the adversary, the differential tests and the timing tests use.

/** Sets an argument of the program that begin() is about to start; 64 bits in two halves. */
export function setRegister(cpu: u32, register: u32, low: u32, high: u32): void {
  store<u64>(hw(cpu) + HW_REGS + (<usize>register << 3), (<u64>high << 32) | <u64>low);
}

export function begin(cpu: u32, pc: u32): void {
  beginAt(cpu, pc);
}

export function isLive(cpu: u32): bool {
  return isLiveNow(cpu);
}

/** One step and the free ops behind it. Returns the price, BLOCKED or ENDED. */
export function step(cpu: u32): i32 {
  const cost = stepOnce(cpu);
  if (cost >= 0) settle(cpu);
  return cost;
}

/** One access in user mode: 0, or a fault's error code with bit 31 set. A and D bits are set at once. */
export function access(cpu: u32, vpn: u64, kind: u32): u32 {
  const fault = quickAccess(cpu, vpn, kind) ? 0 : accessPage(cpu, vpn, kind);
  mergeLog(cpu);
  return fault;
}

export function speculate(cpu: u32, vpn: u64): bool {
  const filled = speculatePage(cpu, vpn);
  mergeLog(cpu);
  return filled;
}

export function canComplete(cpu: u32, initiator: u32): bool {
  return mayComplete(cpu, initiator);
}

export function complete(cpu: u32, initiator: u32): void {
  completeAt(cpu, initiator);
}

export function evict(cpu: u32, vpn: u64): bool {
  return evictPage(cpu, vpn);
}

export function canDeliver(cpu: u32): bool {
  return mayDeliver(cpu);
}

export function deliver(cpu: u32): void {
  deliverTo(cpu);
  settle(cpu);
}

export function storesBuffered(cpu: u32): u32 {
  return buffered(cpu);
}

export function canDrain(cpu: u32, index: u32): bool {
  return mayDrain(cpu, index);
}

export function drain(cpu: u32, index: u32): void {
  drainOne(cpu, index);
}

/** The step at `pc` alone, for compiled programs: its price, or BLOCKED. */
export function execute(cpu: u32, r: usize, pc: u32): i32 {
  return executeAt(cpu, r, pc);
}

/** What a line costs that the CPU has not, for compiled programs. */
export function missCost(cpu: u32, info: u32): u32 {
  return costOfMiss(cpu, info);
}
