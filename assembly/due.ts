/*
 * Who is next in the weave phase: a winner tree over CPUs. A leaf holds (time << 10 | cpu), or NEVER; an inner node the smaller of its
 * two children, so the root is the next event in (time, CPU) order.
 */
import { dueLeaves, dueTree } from "./layout";

export const NEVER: u64 = u64.MAX_VALUE;

// @ts-ignore: decorator
@inline
function node(index: u32): usize {
  return dueTree + (<usize>index << 3);
}

export function clearDue(): void {
  for (let i: u32 = 1; i < dueLeaves << 1; i++) store<u64>(node(i), NEVER);
}

/** Set by each change of the tree. */
export let dueMoved: bool = false;

export function forgetMoved(): void {
  dueMoved = false;
}

/** No branch but the end of the loop: whether an inner node changes is not predictable, and a store costs nothing. */
function update(cpu: u32, key: u64): void {
  dueMoved = true;
  let least = key;
  let i = dueLeaves + cpu;
  store<u64>(node(i), key);
  while (i > 1) {
    least = min(least, load<u64>(node(i ^ 1)));
    i >>= 1;
    store<u64>(node(i), least);
  }
}

/** The least key of all other CPUs, or NEVER. */
// @ts-ignore: decorator
@inline
export function rivalOf(cpu: u32): u64 {
  let least = NEVER;
  for (let i = dueLeaves + cpu; i > 1; i >>= 1) least = min(least, load<u64>(node(i ^ 1)));
  return least;
}

/** Schedules the next event of a CPU, in place of the one it had. */
export function setDue(cpu: u32, time: u64): void {
  assert(cpu < 1024 && time >> 54 == 0); // both fit into one key
  update(cpu, (time << 10) | <u64>cpu);
}

export function cancelDue(cpu: u32): void {
  update(cpu, NEVER);
}

/** The next event, as time << 10 | cpu, or NEVER. */
// @ts-ignore: decorator
@inline
export function nextDue(): u64 {
  return load<u64>(node(1));
}

export function dueOf(cpu: u32): u64 {
  return load<u64>(node(dueLeaves + cpu));
}
