/*
 * Which calls a promise speaks for. A call promises what it has done itself, and what was done before its first step; what another call
 * does meanwhile is that one's to finish. So a promise excuses a right that became stale after the promising call's first step, by a
 * write of another CPU.
 *
 * Two forms. A canonical world keeps, for each stale right of a slot, the CPUs whose calls excuse it: four masks of 16 CPUs in EXCUSES,
 * cleared when those calls end, so that worlds that behave alike are alike. Any other world keeps in ORDER {maker 16 bits, number of
 * calls begun by then 48 bits}, which costs nothing when a call ends.
 */
import { CANONICAL_CPUS, CFG_CANONICAL, config } from "./config";
import { clk, hw, st } from "./addresses";
import { cpus, hwExcuses, slots, stOrder } from "./layout";
import { CK_CALL, HW_MARKS, HW_STARTED, HW_IN_IRQ } from "./offsets";

/** Calls begun so far. */
const CALLS: usize = 16440;
const RIGHTS: u32 = 4;
const SEEN_SHIFT: u64 = 16;

// @ts-ignore: decorator
@inline
function excusesAt(cpu: u32, slot: u32): usize {
  return hw(cpu) + hwExcuses + (<usize>slot << 3);
}

// @ts-ignore: decorator
@inline
function orderAt(cpu: u32, slot: u32, right: u32): usize {
  return st(cpu) + stOrder + (<usize>slot << 5) + (<usize>right << 3);
}

/** Whether any CPU runs kernel code: a call that has taken a step, or an interrupt handler. */
export function isKernelRunning(): bool {
  for (let cpu: u32 = 0; cpu < cpus; cpu++) if ((load<u32>(hw(cpu), HW_STARTED) | load<u32>(hw(cpu), HW_IN_IRQ)) != 0) return true;
  return false;
}

/** The call in the task context of `cpu` took its first step. */
export function callBegins(cpu: u32): void {
  store<u32>(hw(cpu), 1, HW_STARTED);
  if (config(CFG_CANONICAL) != 0) return;
  const number = load<u64>(CALLS) + 1;
  store<u64>(CALLS, number);
  store<u64>(clk(cpu), number, CK_CALL);
}

/** The call in the task context of `cpu` ended: it will promise nothing more, so nothing is excused for its sake. */
export function callEnds(cpu: u32): void {
  if (load<u32>(hw(cpu), HW_STARTED) == 0) return;
  store<u32>(hw(cpu), 0, HW_STARTED);
  if (config(CFG_CANONICAL) == 0) return;
  const keep = ~(0x0001000100010001 << <u64>cpu);
  for (let other: u32 = 0; other < cpus; other++) {
    if (load<u32>(hw(other), HW_MARKS) == 0) continue;
    for (let slot: u32 = 0; slot < slots; slot++) {
      const at = excusesAt(other, slot);
      store<u64>(at, load<u64>(at) & keep);
    }
  }
}

/** A write of `maker` made `rights` of the slot stale. */
export function becameStale(maker: u32, cpu: u32, slot: u32, rights: u32): void {
  if (config(CFG_CANONICAL) == 0) {
    const order = (load<u64>(CALLS) << SEEN_SHIFT) | <u64>maker;
    for (let right: u32 = 0; right < RIGHTS; right++) if (((rights >> right) & 1) != 0) store<u64>(orderAt(cpu, slot, right), order);
    return;
  }
  let others: u64 = 0;
  for (let other: u32 = 0; other < cpus; other++) {
    if (other != maker && load<u32>(hw(other), HW_STARTED) != 0) others |= <u64>1 << <u64>other;
  }
  const at = excusesAt(cpu, slot);
  store<u64>(at, (load<u64>(at) & ~fields(rights)) | (spread(rights) * others));
}

/** `rights` of the slot are granted again. */
export function noLongerStale(cpu: u32, slot: u32, rights: u32): void {
  if (config(CFG_CANONICAL) == 0) return;
  const at = excusesAt(cpu, slot);
  store<u64>(at, load<u64>(at) & ~fields(rights));
}

/** The lowest bit of each right's field. */
function spread(rights: u32): u64 {
  let low: u64 = 0;
  for (let right: u32 = 0; right < RIGHTS; right++) low |= <u64>((rights >> right) & 1) << <u64>(right * CANONICAL_CPUS);
  return low;
}

function fields(rights: u32): u64 {
  return spread(rights) * 0xffff;
}

/** Of the slot's stale `rights`, those that a promise of `promiser` does not speak for. */
export function excused(promiser: u32, cpu: u32, slot: u32, rights: u32): u32 {
  if (load<u32>(hw(promiser), HW_STARTED) == 0) return 0;
  let found: u32 = 0;
  for (let right: u32 = 0; right < RIGHTS; right++) {
    if (((rights >> right) & 1) != 0 && isExcused(promiser, cpu, slot, right)) found |= 1 << right;
  }
  return found;
}

function isExcused(promiser: u32, cpu: u32, slot: u32, right: u32): bool {
  if (config(CFG_CANONICAL) != 0) return ((load<u64>(excusesAt(cpu, slot)) >> <u64>(right * CANONICAL_CPUS + promiser)) & 1) != 0;
  const order = load<u64>(orderAt(cpu, slot, right));
  return (<u32>order & 0xffff) != promiser && order >> SEEN_SHIFT >= load<u64>(clk(promiser), CK_CALL);
}

/** An entry is refilled from another slot, marks and all. */
export function inheritOrder(cpu: u32, from: u32, to: u32): void {
  if (config(CFG_CANONICAL) != 0) store<u64>(excusesAt(cpu, to), load<u64>(excusesAt(cpu, from)));
  else memory.copy(orderAt(cpu, to, 0), orderAt(cpu, from, 0), <usize>RIGHTS << 3);
}
