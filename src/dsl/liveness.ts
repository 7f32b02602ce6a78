/** Which registers a program may still read: the others are the same to it, whatever they hold. */

import { NONE, OPS, type OpRoles } from "./isa.js";
import type { MicroOp } from "./program.js";

/** For each op, a mask of the registers whose values may be read by it or behind it. */
export function liveRegisters(ops: readonly MicroOp[]): bigint[] {
  const live = new Array<bigint>(ops.length).fill(0n);
  // Values flow backwards, so that one round from the last op settles all but loops.
  for (let changed = true; changed; ) {
    changed = false;
    for (let pc = ops.length - 1; pc >= 0; pc--) {
      const op = ops[pc]!;
      const behind = successors(op, pc).reduce((mask, next) => mask | (live[next] ?? 0n), 0n);
      const before = readBy(op) | (behind & ~writtenBy(op));
      if (before === live[pc]) continue;
      live[pc] = before;
      changed = true;
    }
  }
  return live;
}

function successors({ op, imm }: MicroOp, pc: number): number[] {
  if (op === "END") return [];
  if (op === "JMP") return [Number(imm)];
  return op === "BZ" || op === "BNZ" ? [pc + 1, Number(imm)] : [pc + 1];
}

const OPERANDS = ["dst", "a", "b", "c", "d"] as const;

function readBy(op: MicroOp): bigint {
  return maskOf(op, (role) => role === "in" || role === "in?");
}

function writtenBy(op: MicroOp): bigint {
  return maskOf(op, (role) => role === "out");
}

function maskOf(op: MicroOp, wanted: (role: string | undefined) => boolean): bigint {
  const roles: OpRoles = OPS[op.op];
  let mask = 0n;
  for (const operand of OPERANDS) {
    if (wanted(roles[operand]) && op[operand] !== NONE) mask |= 1n << BigInt(op[operand]);
  }
  return mask;
}
