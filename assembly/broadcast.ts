/*
 * Broadcast invalidation (Arm TLBI and DSB, AMD INVLPGB and TLBSYNC): one instruction tells every CPU to forget a range; it takes effect at
 * each of them at a time of the hardware's choosing, and a second instruction waits until it has at all of them.
 *
 * Of the CPU that asked: {u64 space (tlb.ts), u64 start, u64 end, mask of the CPUs at which it has not taken effect}; all zero when there is none. What
 * is asked for before the first is complete widens the range, and starts again at every CPU.
 *
 * The clock lets it take effect at once. Under the adversary (CFG_FREE_HARDWARE) each effect is a choice.
 */
import { CFG_FREE_HARDWARE, config } from "./config";
import { hw } from "./addresses";
import { cpus, hwBroadcast, maskWords } from "./layout";
import { invalidateAt, invalidateEverywhere } from "./tlb";

const START: usize = 8;
const END: usize = 16;
const MASK: usize = 24;

// @ts-ignore: decorator
@inline
function maskWord(initiator: u32, cpu: u32): usize {
  return hw(initiator) + hwBroadcast + MASK + (<usize>(cpu >> 6) << 3);
}

/** The first word of a CPU's mask that is not empty, or 0. */
export function firstIncomplete(initiator: u32): usize {
  for (let word: u32 = 0; word < maskWords; word++) {
    const at = maskWord(initiator, word << 6);
    if (load<u64>(at) != 0) return at;
  }
  return 0;
}

export function broadcast(initiator: u32, space: u64, start: u64, end: u64): void {
  if (config(CFG_FREE_HARDWARE) == 0) {
    invalidateEverywhere(space, start, end);
    return;
  }
  const at = hw(initiator) + hwBroadcast;
  // One address space at a time: what was asked for another one is complete before this begins.
  if (firstIncomplete(initiator) != 0 && load<u64>(at) != space) for (let cpu: u32 = 0; cpu < cpus; cpu++) complete(cpu, initiator);
  const widens = firstIncomplete(initiator) != 0;
  store<u64>(at, space);
  store<u64>(at, widens ? min(load<u64>(at, START), start) : start, START);
  store<u64>(at, widens ? max(load<u64>(at, END), end) : end, END);
  for (let cpu: u32 = 0; cpu < cpus; cpu++) {
    const word = maskWord(initiator, cpu);
    store<u64>(word, load<u64>(word) | (<u64>1 << <u64>(cpu & 63)));
  }
}

/** Whether what `initiator` asked for has still to take effect at `cpu`. */
export function canComplete(cpu: u32, initiator: u32): bool {
  return ((load<u64>(maskWord(initiator, cpu)) >> <u64>(cpu & 63)) & 1) != 0;
}

/** It takes effect at `cpu`; nothing happens where it has already. */
export function complete(cpu: u32, initiator: u32): void {
  if (!canComplete(cpu, initiator)) return;
  const at = hw(initiator) + hwBroadcast;
  const word = maskWord(initiator, cpu);
  invalidateAt(cpu, load<u64>(at), load<u64>(at, START), load<u64>(at, END));
  store<u64>(word, load<u64>(word) & ~(<u64>1 << <u64>(cpu & 63)));
  // A finished broadcast leaves no trace, or equal states would differ.
  if (firstIncomplete(initiator) == 0) memory.fill(at, 0, MASK);
}
