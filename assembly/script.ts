/*
 * A case being played: what each CPU's thread does, one item after the other, and what the hardware may do by itself.
 *
 * A call begins together with what ended the item before it; the first items begin before the first state. An access is an event of its
 * own, and so is every new try behind a handled fault.
 *
 *   scripts    one {address of the items u32, items u32} for each CPU
 *   item       {kind u32, what u32, access kind u32, arguments u32, six u64}     ITEM_BYTES; what: the program counter, page or task
 *   liberty    {kind u32, cpu u32, vpn u32, access kind u32}
 */
import { CFG_FAULT_ENTRY, CFG_REGISTERS, CFG_SWITCH_ENTRY, config } from "./config";
import { SC_LIBERTIES, SC_SCRIPTS, told } from "./control";
import { hw } from "./addresses";
import { HW_PLAY, HW_REGS, HW_STATUS0, HW_TASK } from "./offsets";
import { begin, isLive } from "./step";
import { violationsSoFar } from "./report";
import { access as accessPage, evict, isPlainHit, speculate } from "./tlb";
import { mergeLog } from "./walk";

export const ITEM_CALL: u32 = 0;
export const ITEM_ACCESS: u32 = 1;
export const ITEM_SWITCH: u32 = 2;
export const ITEM_BYTES: usize = 64;
export const ITEM_ARGUMENTS_MOST: u32 = 6;
export const LIBERTY_TOUCH: u32 = 0;
export const LIBERTY_FILL: u32 = 1;
export const LIBERTY_EVICT: u32 = 2;
export const LIBERTY_BYTES: usize = 16;
/** In HW_PLAY: the program that runs handles a fault of the item, which is an access. */
const PLAY_FAULT: u32 = 1;
const ITEM_WHAT: usize = 4;
const ITEM_KIND: usize = 8;
const ITEM_COUNT: usize = 12;
const ITEM_ARGS: usize = 16;

// @ts-ignore: decorator
@inline
function scriptOf(cpu: u32): usize {
  return <usize>told(SC_SCRIPTS) + (<usize>cpu << 3);
}

/** The item that a CPU's thread is at; 0 when it has done all. */
// @ts-ignore: decorator
@inline
function itemOf(cpu: u32): usize {
  const at = itemNumber(cpu);
  const script = scriptOf(cpu);
  return at < load<u32>(script, 4) ? <usize>load<u32>(script) + <usize>at * ITEM_BYTES : 0;
}

/** Number of the item that a CPU's thread is at. */
// @ts-ignore: decorator
@inline
export function itemNumber(cpu: u32): u32 {
  return <u32>load<u16>(hw(cpu), HW_PLAY) >> 1;
}

/** Whether the program that a CPU's task runs handles a fault of its item. */
export function isFaulting(cpu: u32): bool {
  return (<u32>load<u16>(hw(cpu), HW_PLAY) & PLAY_FAULT) != 0;
}

export function isFinished(cpu: u32): bool {
  return itemNumber(cpu) == load<u32>(scriptOf(cpu), 4);
}

/** Begins the items from here on, up to one that does something, or to an access. */
export function beginItems(cpu: u32): void {
  for (;;) {
    const item = itemOf(cpu);
    if (item == 0 || load<u32>(item) == ITEM_ACCESS) return;
    const r = hw(cpu) + HW_REGS;
    if (load<u32>(item) == ITEM_CALL) {
      memory.copy(r, item + ITEM_ARGS, <usize>load<u32>(item, ITEM_COUNT) << 3);
      begin(cpu, load<u32>(item, ITEM_WHAT));
    } else {
      store<u64>(r, <u64>load<u32>(item, ITEM_WHAT));
      begin(cpu, config(CFG_SWITCH_ENTRY));
    }
    if (isLive(cpu)) return;
    finishItem(cpu, item);
  }
}

function finishItem(cpu: u32, item: usize): void {
  const c = hw(cpu);
  if (load<u32>(item) == ITEM_SWITCH) store<u32>(c, load<u32>(item, ITEM_WHAT) + 1, HW_TASK);
  store<u16>(c, <u16>((<u32>load<u16>(c, HW_PLAY) | PLAY_FAULT) + 1), HW_PLAY);
}

/** The program of a CPU's task context has ended. */
export function programEnded(cpu: u32): void {
  const c = hw(cpu);
  const item = itemOf(cpu);
  if (item == 0) return;
  const play: u32 = load<u16>(c, HW_PLAY);
  if ((play & PLAY_FAULT) != 0) {
    store<u16>(c, <u16>(play & ~PLAY_FAULT), HW_PLAY);
    // The access is tried again.
    if (load<u64>(c, HW_STATUS0) == 0) return;
  }
  finishItem(cpu, item);
  beginItems(cpu);
}

/** Whether a CPU in user mode has an access to do. */
// @ts-ignore: decorator
@inline
export function hasAccess(cpu: u32): bool {
  const item = itemOf(cpu);
  return item != 0 && load<u32>(item) == ITEM_ACCESS;
}

/** The access that a CPU's thread is at: done, or its fault begins. */
export function doAccess(cpu: u32): void {
  const item = itemOf(cpu);
  const vpn = load<u32>(item, ITEM_WHAT);
  const fault = accessPage(cpu, vpn, load<u32>(item, ITEM_KIND));
  mergeLog(cpu);
  if (fault == 0) {
    finishItem(cpu, item);
    beginItems(cpu);
    return;
  }
  const c = hw(cpu);
  store<u16>(c, <u16>(<u32>load<u16>(c, HW_PLAY) | PLAY_FAULT), HW_PLAY);
  const r = c + HW_REGS;
  store<u64>(r, <u64>vpn);
  store<u64>(r, <u64>(fault & 0x7fffffff), 8);
  begin(cpu, config(CFG_FAULT_ENTRY));
  if (!isLive(cpu)) programEnded(cpu);
}

// @ts-ignore: decorator
@inline
export function libertyAt(index: u32): usize {
  return <usize>told(SC_LIBERTIES) + <usize>index * LIBERTY_BYTES;
}

export function cpuOfLiberty(index: u32): u32 {
  return load<u32>(libertyAt(index), 4);
}

export const LIBERTY_TAKEN: u32 = 0;
/** It is not allowed, or would change nothing; nothing has changed. */
export const LIBERTY_REFUSED: u32 = 1;
/** It is not allowed, and what it did is to be put back. */
export const LIBERTY_SPOILT: u32 = 2;

/** Takes a liberty. */
export function takeLiberty(index: u32): u32 {
  const liberty = libertyAt(index);
  const kind = load<u32>(liberty);
  const cpu = load<u32>(liberty, 4);
  const vpn = <u64>load<u32>(liberty, 8);
  if (kind == LIBERTY_EVICT) return evict(cpu, vpn) ? LIBERTY_TAKEN : LIBERTY_REFUSED;
  if (kind == LIBERTY_TOUCH) {
    const access = load<u32>(liberty, 12);
    if (isLive(cpu) || isPlainHit(cpu, vpn, access)) return LIBERTY_REFUSED;
    return done(cpu, accessPage(cpu, vpn, access) == 0);
  }
  return done(cpu, speculate(cpu, vpn));
}

function done(cpu: u32, isTaken: bool): u32 {
  mergeLog(cpu);
  // A walk through a freed table is an event, whether it ends at a translation or not.
  return isTaken || violationsSoFar() != 0 ? LIBERTY_TAKEN : LIBERTY_SPOILT;
}
