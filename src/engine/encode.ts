/** From a Program to the bytes that the engine runs. The names come from here, the numbers from the engine's exports. */
import type { MicroOp, Program } from "../dsl/program.js";
import type { Instance } from "./load.js";

const NONE = 255;

/** Ops whose `a` (and `b`) address a record field or a page-table entry. */
const isField = (op: string): boolean =>
  /^(LD|ST|XCHG|CAS|FADD|ADDV|ORV|ANDV|LOCK|UNLOCK|TRYLOCK|RLOCK|RUNLOCK|WLOCK|WUNLOCK|DOWNGRADE|TRYRLOCK|AWAIT|MASK_\w+|RAISE)$/.test(
    op,
  );

/** Writes the program at PROGRAM. Throws when an op has no number, or a register does not exist. */
export function encodeProgram(program: Program, instance: Instance): void {
  const numbers = instance.constants("OP_");
  const bytes = instance.value("OP_BYTES");
  const base = instance.value("PROGRAM");
  const view = new DataView(instance.memory.buffer, base, program.ops.length * bytes);
  program.ops.forEach((op, pc) => {
    const number = numbers.get(op.op);
    if (number === undefined) throw new RangeError(`the engine does not know the micro-op ${op.op}`);
    const at = pc * bytes;
    view.setUint8(at, number);
    operands(op, program.registers).forEach((operand, i) => view.setUint8(at + 1 + i, operand));
    view.setBigUint64(at + 8, BigInt.asUintN(64, op.imm), true);
  });
}

/** dst, a, b, c, d; an absent index of a field reads the register that is always zero. */
function operands(op: MicroOp, zero: number): number[] {
  const all = [op.dst, op.a, op.b, op.c, op.d];
  for (const operand of all) {
    if (operand !== NONE && operand >= zero && op.op !== "AWAIT")
      throw new RangeError(`${op.op} names register ${operand} of ${zero}`);
  }
  if (isField(op.op)) {
    if (all[1] === NONE) all[1] = zero;
    if (all[2] === NONE) all[2] = zero;
  }
  return all;
}
