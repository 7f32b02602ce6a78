/* Ops that no other CPU can notice: arithmetic, jumps, and ghosts for the oracle and for statistics. */
import { NONE, type Running } from "./running.js";

/** Returns the next pc when it is not the following one. */
export type FreeOp = (run: Running) => number | undefined;

export const LI: FreeOp = (run) => give(run, run.op.imm);
export const MOV: FreeOp = (run) => give(run, run.value(run.op.a));
export const ADD: FreeOp = (run) => combine(run, (left, right) => left + right);
export const SUB: FreeOp = (run) => combine(run, (left, right) => left - right);
export const AND: FreeOp = (run) => combine(run, (left, right) => left & right);
export const OR: FreeOp = (run) => combine(run, (left, right) => left | right);
export const XOR: FreeOp = (run) => combine(run, (left, right) => left ^ right);
export const SHL: FreeOp = (run) => combine(run, (left, right) => left << (right & 63n));
export const SHR: FreeOp = (run) => combine(run, (left, right) => left >> (right & 63n));
export const EQ: FreeOp = (run) => combine(run, (left, right) => left === right);
export const NE: FreeOp = (run) => combine(run, (left, right) => left !== right);
export const LTU: FreeOp = (run) => combine(run, (left, right) => left < right);
export const LEU: FreeOp = (run) => combine(run, (left, right) => left <= right);

export const JMP: FreeOp = (run) => Number(run.op.imm);
export const BZ: FreeOp = (run) => (run.value(run.op.a) === 0n ? Number(run.op.imm) : undefined);
export const BNZ: FreeOp = (run) => (run.value(run.op.a) !== 0n ? Number(run.op.imm) : undefined);

export const CPU: FreeOp = (run) => give(run, run.cpu.id);
export const TASK: FreeOp = (run) => give(run, run.cpu.task);

export const PROMISE: FreeOp = (run) => {
  const { a, b, c, imm } = run.op;
  run.world.oracle.promised(run.number(a), run.value(b), run.value(c), imm, run.origin);
  return undefined;
};

export const WINDOW: FreeOp = (run) => {
  const window = Number(run.op.imm);
  run.world.windows[window] = (run.world.windows[window] ?? 0) + 1;
  return undefined;
};

export const COUNT: FreeOp = (run) => {
  const counter = Number(run.op.imm);
  const amount = run.op.a === NONE ? 1n : run.value(run.op.a);
  run.world.counters[counter] = (run.world.counters[counter] ?? 0n) + amount;
  return undefined;
};

/** Begin and end of a shootdown: only the clock cares. */
export const MARK: FreeOp = () => undefined;

export const CLEAN: FreeOp = (run) => {
  run.world.oracle.judgedClean(run.number(run.op.a), run.op.site);
  return undefined;
};

export const DIRTY: FreeOp = (run) => {
  run.world.oracle.recordedDirty(run.number(run.op.a));
  return undefined;
};

export const SLEEP: FreeOp = (run) => {
  run.world.oracle.mightSleep(run.cpu, run.op.site);
  return undefined;
};

function give(run: Running, value: bigint | number | boolean): undefined {
  run.set(run.op.dst, value);
}

function combine(run: Running, operation: (left: bigint, right: bigint) => bigint | boolean): undefined {
  const right = run.op.b === NONE ? BigInt.asUintN(64, run.op.imm) : run.value(run.op.b);
  give(run, operation(run.value(run.op.a), right));
}
