/*
 * Which CPUs ever loaded a root, and so may hold translations of it: a superset that saves the oracle and ideal coherence from looking
 * everywhere. It is never a kernel's mm_cpumask, and no mechanism can see it.
 */
import { holders, maskWords } from "./layout";

// @ts-ignore: decorator
@inline
function wordOf(root: u32, cpu: u32): usize {
  return holders + ((<usize>root * <usize>maskWords + <usize>(cpu >> 6)) << 3);
}

export function insertHolder(root: u32, cpu: u32): void {
  const at = wordOf(root, cpu);
  store<u64>(at, load<u64>(at) | (<u64>1 << <u64>(cpu & 63)));
}

// @ts-ignore: decorator
@inline
export function isHolder(root: u32, cpu: u32): bool {
  return ((load<u64>(wordOf(root, cpu)) >> <u64>(cpu & 63)) & 1) != 0;
}
