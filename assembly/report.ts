/*
 * What the oracle found: for each CPU and invariant how often, and the first one. STATS only, so a violation changes no world. A search
 * asks after each choice whether there is one more.
 */
import { CFG_DEVICES, config } from "./config";
import { clk, hw, st } from "./addresses";
import { frameSites } from "./layout";
import { CK_CLOCK, HW_TASK, ST_VIOLATIONS, VIOLATION_BYTES } from "./offsets";
import { FRAME_SITES_BYTES } from "./meta";

// In the order of INVARIANTS of src/dsl/case.ts.
export const STALE_FRAME: u32 = 0;
export const STALE_RIGHT: u32 = 1;
export const LOST_WRITE: u32 = 2;
export const LOST_DIRTY: u32 = 3;
export const STALE_TABLE: u32 = 4;
export const SPLIT_VIEW: u32 = 5;
export const PROGRESS: u32 = 6;
export const STALE_DEVICE: u32 = 7;

// Offsets within a violation record.
export const VIOLATION_COUNT: usize = 0;
export const VIOLATION_TIME: usize = 8;
export const VIOLATION_VPN: usize = 16;
export const VIOLATION_KIND: usize = 24;
export const VIOLATION_TASK: usize = 28;
export const VIOLATION_FRAME: usize = 32;
export const VIOLATION_MADE: usize = 36;
export const VIOLATION_BROKEN: usize = 40;

/** Since forgetViolations(): {u32 violations, u32 a bit for each invariant that they break}. */
const SEEN: usize = 16432;
const DEVICES_MAX: u32 = 64;

/** What reports know about a frame: words at SITE_*. */
// @ts-ignore: decorator
@inline
export function frameSiteAt(pfn: u32): usize {
  return frameSites + <usize>pfn * FRAME_SITES_BYTES;
}

/** A CPU that stands for a device breaks no invariant of CPUs. */
function nameFor(cpu: u32, invariant: u32): u32 {
  if (invariant > LOST_WRITE || cpu >= DEVICES_MAX) return invariant;
  return ((config(CFG_DEVICES + (cpu >> 5)) >> (cpu & 31)) & 1) != 0 ? STALE_DEVICE : invariant;
}

export function report(cpu: u32, invariant: u32, vpn: u64, kind: u32, pfn: u32, made: u32, broken: u32): void {
  const name = nameFor(cpu, invariant);
  atomic.add<u32>(SEEN, 1);
  atomic.or<u32>(SEEN, 1 << name, 4);
  const at = st(cpu) + ST_VIOLATIONS + <usize>name * VIOLATION_BYTES;
  const n = load<u64>(at);
  store<u64>(at, n + 1);
  if (n != 0) return;
  store<u64>(at, load<u64>(clk(cpu), CK_CLOCK), VIOLATION_TIME);
  store<u64>(at, vpn, VIOLATION_VPN);
  store<u32>(at, kind, VIOLATION_KIND);
  store<u32>(at, load<u32>(hw(cpu), HW_TASK), VIOLATION_TASK);
  store<u32>(at, pfn, VIOLATION_FRAME);
  store<u32>(at, made, VIOLATION_MADE);
  store<u32>(at, broken, VIOLATION_BROKEN);
}

/** Violations since the start, or since they were forgotten. */
export function violationsSoFar(): u32 {
  return load<u32>(SEEN);
}

/** Which invariant they break, in the order of their numbers the first; meaningless when there are none. */
export function firstViolation(): u32 {
  return ctz(load<u32>(SEEN, 4));
}

/** Starts counting anew; the records of CPUs stay. */
export function forgetViolations(): void {
  store<u64>(SEEN, 0);
}
