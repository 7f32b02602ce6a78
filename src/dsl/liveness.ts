/** Which registers a program may still read: the others are the same to it, whatever they hold. */

import { flowOf, NOWHERE, type RegisterSets, readBy, registerSets, writtenBy } from "./flow.js";
import type { MicroOp } from "./program.js";

/** For each op, a mask of the registers whose values may be read by it or behind it. */
export function liveRegisters(ops: readonly MicroOp[]): bigint[] {
  const { low, high } = liveSets(ops);
  return Array.from(ops, (_, pc) => (BigInt(high[pc]!) << 32n) | BigInt(low[pc]!));
}

/** The same as sets of bits. */
export function liveSets(ops: readonly MicroOp[]): RegisterSets {
  const { jump, fall } = flowOf(ops);
  const read = readBy(ops);
  const written = writtenBy(ops);
  const live = registerSets(ops.length);
  const round = (half: "low" | "high"): boolean => {
    const sets = live[half];
    let changed = false;
    for (let pc = ops.length - 1; pc >= 0; pc--) {
      let behind = 0;
      if (jump[pc] !== NOWHERE) behind |= sets[jump[pc]!]!;
      if (fall[pc] !== NOWHERE) behind |= sets[fall[pc]!]!;
      const before = (read[half][pc]! | (behind & ~written[half][pc]!)) >>> 0;
      if (before === sets[pc]) continue;
      sets[pc] = before;
      changed = true;
    }
    return changed;
  };
  // Values flow backwards, so that one round from the last op settles all but loops.
  for (const half of ["low", "high"] as const) while (round(half));
  return live;
}
