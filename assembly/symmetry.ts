/*
 * One form for what differs only in the numbers of identical CPUs. The host lists the members of a class and where programs may tell them
 * apart (src/engine/symmetry.ts). In a state in which nobody can any more, and all members are in user mode, they are renamed so that
 * what they hold is in ascending order. docs/modelling.md has the argument.
 *
 * Renaming x to y and y to x exchanges their records, their hardware, their bits in all masks, and who is noted to have lost a store.
 */
import { CFG_FRAMES, config } from "./config";
import { SC_SYMMETRY, told } from "./control";
import { frameMetaOf, hw } from "./addresses";
import { cpus, hwBroadcast, hwEntries, hwExcuses, hwQueue, RECORDS, slots } from "./layout";
import { HW_IN_IRQ, HW_IRQ_OFF, HW_LIVE0, HW_LIVE1, HW_PC0, HW_QUEUE_COUNT, HW_REGS, HW_SB_COUNT, HW_SPINS, HW_TASK } from "./offsets";
import { firstIncomplete } from "./broadcast";
import { FM_LOST_CPU } from "./meta";
import { isFaulting, itemNumber } from "./script";

// Offsets within the header; addresses are absolute.
export const SY_MEMBER_COUNT: usize = 0;
export const SY_MEMBERS: usize = 4;
export const SY_MASK_COUNT: usize = 8;
export const SY_MASKS: usize = 12;
/** u8 for each CPU and op, and for each CPU and item: 1 when members can be told apart from there on. */
export const SY_OPS: usize = 16;
export const SY_OP_COUNT: usize = 20;
export const SY_ITEMS: usize = 24;
export const SY_ITEM_COUNT: usize = 28;
/** 1: members look at the task that they run. */
export const SY_USES_TASK: usize = 32;
export const SY_BYTES: usize = 40;

const CPU_RECORDS: usize = 2 << 3;

let tables: usize = 0;

/** A world whose setup left calls behind is not renamed: they may be from members. What members never look at must not make them differ. */
export function openSymmetry(): void {
  tables = <usize>told(SC_SYMMETRY);
  if (tables == 0) return;
  for (let cpu: u32 = 0; cpu < cpus; cpu++) if (load<u32>(hw(cpu), HW_QUEUE_COUNT) != 0) tables = 0;
  if (tables == 0 || load<u32>(tables, SY_USES_TASK) != 0) return;
  for (let i: u32 = 0; i < load<u32>(tables, SY_MEMBER_COUNT); i++) store<u32>(hw(memberAt(i)), 0, HW_TASK);
}

export function isRenaming(): bool {
  return tables != 0;
}

// @ts-ignore: decorator
@inline
function memberAt(index: u32): u32 {
  return load<u32>(<usize>load<u32>(tables, SY_MEMBERS) + (<usize>index << 2));
}

/** Brings the members into order, if nothing can tell them apart. Returns whether anything was exchanged. */
export function rename(): bool {
  if (tables == 0 || !isCalm()) return false;
  const count = load<u32>(tables, SY_MEMBER_COUNT);
  let renamed = false;
  for (let i: u32 = 1; i < count; i++) {
    for (let at = i; at > 0 && compare(memberAt(at), memberAt(at - 1)) < 0; at--) {
      exchange(memberAt(at), memberAt(at - 1));
      renamed = true;
    }
  }
  return renamed;
}

function isCalm(): bool {
  for (let i: u32 = 0; i < load<u32>(tables, SY_MEMBER_COUNT); i++) {
    const c = hw(memberAt(i));
    if ((load<u32>(c, HW_LIVE0) | load<u32>(c, HW_LIVE1) | load<u32>(c, HW_IN_IRQ) | <u32>load<u16>(c, HW_SPINS)) != 0) return false;
    if (firstIncomplete(memberAt(i)) != 0) return false;
  }
  for (let cpu: u32 = 0; cpu < cpus; cpu++) {
    if (load<u32>(hw(cpu), HW_SB_COUNT) != 0 || mayTell(cpu)) return false;
  }
  return true;
}

/** Whether what is left of a CPU's program and thread can tell members apart. */
function mayTell(cpu: u32): bool {
  const c = hw(cpu);
  const isRunning = load<u32>(c, HW_LIVE0) != 0;
  const ops = <usize>load<u32>(tables, SY_OPS) + <usize>(cpu * load<u32>(tables, SY_OP_COUNT));
  if (isRunning && load<u8>(ops + <usize>load<u32>(c, HW_PC0)) != 0) return true;
  // The access whose fault is handled is tried again.
  const item = itemNumber(cpu) + (isRunning && !isFaulting(cpu) ? 1 : 0);
  return load<u8>(<usize>load<u32>(tables, SY_ITEMS) + <usize>(cpu * load<u32>(tables, SY_ITEM_COUNT) + item)) != 0;
}

function recordOf(cpu: u32): usize {
  return <usize>load<u32>(RECORDS + CPU_RECORDS) + <usize>cpu * <usize>load<u32>(RECORDS + CPU_RECORDS, 4);
}

/** Which of two members comes first by what it holds; 0 when they hold the same. Any order will do. */
function compare(x: u32, y: u32): i32 {
  const a = hw(x);
  const b = hw(y);
  let order = memory.compare(a + HW_IRQ_OFF, b + HW_IRQ_OFF, HW_REGS - HW_IRQ_OFF);
  if (order == 0) order = memory.compare(a + hwQueue, b + hwQueue, hwBroadcast - hwQueue);
  if (order == 0) order = memory.compare(a + hwEntries, b + hwEntries, hwExcuses + (<usize>slots << 3) - hwEntries);
  if (order == 0) order = memory.compare(recordOf(x), recordOf(y), <usize>load<u32>(RECORDS + CPU_RECORDS, 4));
  for (let i: u32 = 0; order == 0 && i < load<u32>(tables, SY_MASK_COUNT); i++) {
    const mask = load<u64>(maskAt(i));
    order = <i32>((mask >> <u64>x) & 1) - <i32>((mask >> <u64>y) & 1);
  }
  return order;
}

// @ts-ignore: decorator
@inline
function maskAt(index: u32): usize {
  return <usize>load<u32>(<usize>load<u32>(tables, SY_MASKS) + (<usize>index << 2));
}

function exchange(x: u32, y: u32): void {
  const a = hw(x);
  const b = hw(y);
  exchangeBytes(a, b, HW_REGS);
  exchangeBytes(a + hwQueue, b + hwQueue, hwBroadcast - hwQueue);
  exchangeBytes(a + hwEntries, b + hwEntries, hwExcuses + (<usize>slots << 3) - hwEntries);
  exchangeBytes(recordOf(x), recordOf(y), <usize>load<u32>(RECORDS + CPU_RECORDS, 4));
  for (let i: u32 = 0; i < load<u32>(tables, SY_MASK_COUNT); i++) exchangeBits(maskAt(i), x, y);
  for (let pfn: u32 = 0; pfn < config(CFG_FRAMES); pfn++) {
    const meta = frameMetaOf(pfn);
    const lost = load<u32>(meta, FM_LOST_CPU);
    if (lost == x + 1) store<u32>(meta, y + 1, FM_LOST_CPU);
    else if (lost == y + 1) store<u32>(meta, x + 1, FM_LOST_CPU);
  }
}

function exchangeBits(at: usize, x: u32, y: u32): void {
  const mask = load<u64>(at);
  if ((((mask >> <u64>x) ^ (mask >> <u64>y)) & 1) != 0) store<u64>(at, mask ^ ((<u64>1 << <u64>x) | (<u64>1 << <u64>y)));
}

/** Of multiples of 8 bytes. */
function exchangeBytes(a: usize, b: usize, bytes: usize): void {
  for (let offset: usize = 0; offset < bytes; offset += 8) {
    const value = load<u64>(a + offset);
    store<u64>(a + offset, load<u64>(b + offset));
    store<u64>(b + offset, value);
  }
}
