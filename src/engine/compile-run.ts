/**
 * One function of a compiled program: the step that it starts with, if it does, and the free ops up to the next step, on every way. Ways
 * are not joined again: a function is a tree of branches, and each way ends by naming the op to go on with. What is no arithmetic and no
 * branch, a way back, or one op too many, ends a way too; the interpreter goes on from there.
 *
 * A function returns {next op 20 bits, ops run 11 bits, whether that op is a step, price of the step 32 bits}, or BLOCKED as the price.
 */
import type { MicroOp, Program } from "../dsl/program.js";
import { FunctionCode, PARAMETER, SCRATCH } from "./compile-code.js";
import type { Places } from "./compile-places.js";
import { compileStep } from "./compile-step.js";
import { W } from "./wasm-bytes.js";

/** Ops in one function, on all ways together; on one way fewer than fit into 11 bits. */
const OPS_MOST = 96;
const NONE = 255;
/** Programs with more ops are not compiled. */
export const PROGRAM_MOST = 1 << 20;
const RAN_SHIFT = 20n;
const STEP_NEXT = 1n << 31n;

const arithmetic: Partial<Record<MicroOp["op"], readonly number[]>> = {
  ADD: [W.i64Add],
  SUB: [W.i64Sub],
  AND: [W.i64And],
  OR: [W.i64Or],
  XOR: [W.i64Xor],
  SHL: [W.i64Shl],
  SHR: [W.i64ShrU],
  EQ: [W.i64Eq, W.i64Extend],
  NE: [W.i64Ne, W.i64Extend],
  LTU: [W.i64LtU, W.i64Extend],
  LEU: [W.i64LeU, W.i64Extend],
};

export type IsStep = (op: MicroOp["op"]) => boolean;

class RunCompiler {
  readonly #ops: readonly MicroOp[];
  readonly #places: Places;
  readonly #isStep: IsStep;
  readonly #code = new FunctionCode();
  #withStep = false;
  #written = 0;

  constructor(program: Program, places: Places, isStep: IsStep) {
    this.#ops = program.ops;
    this.#places = places;
    this.#isStep = isStep;
  }

  body(pc: number): Uint8Array | undefined {
    const first = this.#ops[pc]!;
    if (this.#isStep(first.op)) {
      this.#withStep = true;
      compileStep(this.#code, first, pc, this.#places);
      this.#way(pc + 1, 0, new Set());
    } else {
      this.#way(pc, 0, new Set());
      if (this.#written === 0) return undefined;
    }
    return this.#code.body();
  }

  /** Writes the way from an op on, which was reached after `ran` free ops. */
  #way(from: number, ran: number, passed: Set<number>): void {
    let pc = from;
    let count = ran;
    while (!passed.has(pc) && this.#written < OPS_MOST) {
      const op = this.#ops[pc];
      if (op === undefined) break;
      passed.add(pc);
      if (op.op === "JMP") pc = Number(op.imm);
      else if (op.op === "BZ" || op.op === "BNZ") {
        const target = Number(op.imm);
        this.#code.read(op.a).op(W.i64Eqz, W.if, W.noResult);
        const known = new Set(this.#code.known);
        this.#way(op.op === "BZ" ? target : pc + 1, count + 1, new Set(passed));
        this.#code.known = known;
        this.#code.op(W.end);
        pc = op.op === "BZ" ? pc + 1 : target;
      } else if (this.#plain(op)) pc++;
      else break;
      this.#written++;
      count++;
    }
    this.#leave(pc, count);
  }

  #leave(pc: number, count: number): void {
    const next = this.#ops[pc];
    const step = next !== undefined && this.#isStep(next.op) ? STEP_NEXT : 0n;
    this.#code.i64(BigInt(pc) | (BigInt(count) << RAN_SHIFT) | step);
    if (this.#withStep) this.#code.get(SCRATCH.cost).op(W.i64Extend).i64(32n).op(W.i64Shl, W.i64Or);
    this.#code.op(W.return);
  }

  /** Code for an op that only writes a register, or counts; false when it is none. */
  #plain(op: MicroOp): boolean {
    const code = this.#code;
    const apply = arithmetic[op.op];
    if (apply !== undefined) {
      code.write(op.dst, () => {
        code.read(op.a);
        if (op.b === NONE) code.i64(op.imm);
        else code.read(op.b);
        code.op(...apply);
      });
    } else if (op.op === "LI") code.write(op.dst, () => code.i64(op.imm));
    else if (op.op === "MOV") code.write(op.dst, () => code.read(op.a));
    else if (op.op === "CPU") code.write(op.dst, () => code.get(PARAMETER.cpu).op(W.i64Extend));
    else if (op.op === "TASK") {
      const task = () =>
        code.get(PARAMETER.hw).memory(W.i32Load, this.#places.task).i32(1).op(W.i32Sub, W.i64Extend);
      code.write(op.dst, task);
    } else if (op.op === "COUNT") {
      const at = this.#places.counters + Number(op.imm) * 8;
      code.get(PARAMETER.st).get(PARAMETER.st).memory(W.i64Load, at);
      if (op.a === NONE) code.i64(1n);
      else code.read(op.a);
      code.op(W.i64Add).memory(W.i64Store, at);
    } else return false;
    return true;
  }
}

/** The function that starts at op `pc`, as the code section has it; undefined when there is nothing to compile. */
export function compileRun(
  program: Program,
  pc: number,
  places: Places,
  isStep: IsStep,
): Uint8Array | undefined {
  return new RunCompiler(program, places, isStep).body(pc);
}
