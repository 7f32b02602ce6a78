/*
 * The order in which a bound phase visits CPUs: forth and back in turns, so that those visited last, whose state is in the host's caches still,
 * are the first of the next one. No result depends on it.
 */
import { nextIn } from "./clock";
import { CFG_QUANTUM, config } from "./config";
import { cpus, users } from "./layout";

/** Whether the quantum that ends at `end` visits the last CPU first. */
// @ts-ignore: decorator
@inline
export function isBack(end: u64): bool {
  return ((end / <u64>config(CFG_QUANTUM)) & 1) != 0;
}

/** The CPU at a place of the order, and the place of a CPU. */
// @ts-ignore: decorator
@inline
export function visited(place: u32, back: bool): u32 {
  return back ? cpus - 1 - place : place;
}

/** The next place, from `from` on, of a CPU that executes its task's accesses; as many as there are CPUs when there is none. */
export function nextVisit(from: u32, back: bool): u32 {
  if (!back) return nextIn(users, from);
  if (from >= cpus) return cpus;
  const last = cpus - 1 - from;
  for (let word = <i32>(last >> 6); word >= 0; word--) {
    let bits = load<u64>(users + (<usize>word << 3));
    if (<u32>word == last >> 6) bits &= u64.MAX_VALUE >> <u64>(63 - (last & 63));
    if (bits != 0) return cpus - 1 - ((<u32>word << 6) + 63 - <u32>clz(bits));
  }
  return cpus;
}
