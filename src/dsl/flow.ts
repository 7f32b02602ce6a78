/** Where programs go on, and which registers their ops read and write: what analyses of all ops ask for again and again. */

import { NONE, OPS, type OpRoles } from "./isa.js";
import type { MicroOp, OpName } from "./program.js";

/** Where an op can go on, whatever its registers hold: where it jumps to first; nothing for END. */
export function nextOf(op: MicroOp, pc: number): number[] {
  if (op.op === "END") return [];
  if (op.op === "JMP") return [Number(op.imm)];
  return op.op === "BZ" || op.op === "BNZ" ? [Number(op.imm), pc + 1] : [pc + 1];
}

/** No op. */
export const NOWHERE = -1;

/** nextOf() of all ops: the op that each jumps to, and the one that it falls through to; NOWHERE where it does not. */
export interface Flow {
  readonly jump: Int32Array;
  readonly fall: Int32Array;
}

export function flowOf(ops: readonly MicroOp[]): Flow {
  const jump = new Int32Array(ops.length).fill(NOWHERE);
  const fall = new Int32Array(ops.length).fill(NOWHERE);
  for (const [pc, { op, imm }] of ops.entries()) {
    if (op === "JMP" || op === "BZ" || op === "BNZ") jump[pc] = Number(imm);
    if (op !== "END" && op !== "JMP" && pc + 1 < ops.length) fall[pc] = pc + 1;
  }
  return { jump, fall };
}

/** A set of up to 64 registers for each op: bits of the lower 32, and of the others. */
export interface RegisterSets {
  readonly low: Uint32Array;
  readonly high: Uint32Array;
}

export function registerSets(ops: number): RegisterSets {
  return { low: new Uint32Array(ops), high: new Uint32Array(ops) };
}

const OPERANDS = ["dst", "a", "b", "c", "d"] as const;
type Operand = (typeof OPERANDS)[number];

function operandsWith(
  isWanted: (role: string | undefined) => boolean,
): ReadonlyMap<OpName, readonly Operand[]> {
  return new Map(
    Object.entries<OpRoles>(OPS).map(([name, roles]) => [
      name as OpName,
      OPERANDS.filter((operand) => isWanted(roles[operand])),
    ]),
  );
}

const READ = operandsWith((role) => role === "in" || role === "in?");
const WRITTEN = operandsWith((role) => role === "out");

export function readBy(ops: readonly MicroOp[]): RegisterSets {
  return named(ops, READ);
}

export function writtenBy(ops: readonly MicroOp[]): RegisterSets {
  return named(ops, WRITTEN);
}

function named(ops: readonly MicroOp[], operands: ReadonlyMap<OpName, readonly Operand[]>): RegisterSets {
  const { low, high } = registerSets(ops.length);
  for (const [pc, op] of ops.entries()) {
    for (const operand of operands.get(op.op)!) {
      const register = op[operand];
      if (register === NONE) continue;
      if (register < 32) low[pc]! |= 1 << register;
      else high[pc]! |= 1 << (register - 32);
    }
  }
  return { low, high };
}
