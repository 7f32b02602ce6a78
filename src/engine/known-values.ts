/**
 * What is known of registers before anything runs: for each op of a program, as a CPU of a case runs it, the few values that each register
 * can have there. Addresses follow from it: the own record of a CPU, the address space of a task.
 */

import { nextOf } from "../dsl/flow.js";
import { NONE, OPS, type OpRoles } from "../dsl/isa.js";
import { type MicroOp, type Program, RECORD_KINDS, type RecordKind } from "../dsl/program.js";

/** Every value that is possible, at most `MOST`; undefined when any value may be. */
export type Known = readonly bigint[] | undefined;

/** Registers before an op; undefined where the op is never reached. */
export type KnownAt = readonly (readonly Known[] | undefined)[];

/** What a run of an entry starts with, and what it can look at. */
export interface Start {
  readonly pc: number;
  readonly args: readonly Known[];
  readonly cpu: number;
  readonly cpus: number;
  /** Tasks that the CPU can be running. */
  readonly tasks: Known;
  /** How many records of each kind there are: a larger index is never used. */
  readonly records: Readonly<Record<RecordKind, number>>;
  /** What a call queue can give; any CPU, or none, unless said. */
  readonly callers?: Known;
  /** Words that nobody writes while the case runs; undefined for all others. */
  constant(kind: RecordKind, record: bigint, word: bigint): bigint | undefined;
}

/** More values than this are as good as any. */
const MOST = 8;
const WORD = (1n << 64n) - 1n;
const ZERO: Known = [0n];
const BIT: Known = [0n, 1n];

const ARITHMETIC: Readonly<Record<string, (left: bigint, right: bigint) => bigint>> = {
  ADD: (left, right) => left + right,
  SUB: (left, right) => left - right,
  AND: (left, right) => left & right,
  OR: (left, right) => left | right,
  XOR: (left, right) => left ^ right,
  SHL: (left, right) => left << (right & 63n),
  SHR: (left, right) => left >> (right & 63n),
  EQ: (left, right) => (left === right ? 1n : 0n),
  NE: (left, right) => (left === right ? 0n : 1n),
  LTU: (left, right) => (left < right ? 1n : 0n),
  LEU: (left, right) => (left <= right ? 1n : 0n),
};
const COMPARISONS = new Set(["EQ", "NE", "LTU", "LEU"]);

/** Follows an entry through all its branches until nothing new is learnt. */
export function knownValues(program: Program, start: Start): KnownAt {
  const at: (Known[] | undefined)[] = new Array(program.ops.length).fill(undefined);
  const first = Array.from({ length: program.registers }, (_, register) =>
    register < start.args.length ? start.args[register] : ZERO,
  );
  const pending: number[] = [];
  const arrive = (pc: number, registers: readonly Known[]): void => {
    if (merge(at, pc, registers)) pending.push(pc);
  };
  arrive(start.pc, first);
  for (let pc = pending.pop(); pc !== undefined; pc = pending.pop()) {
    const op = program.ops[pc]!;
    for (const [next, registers] of successors(op, pc, at[pc]!, start)) arrive(next, registers);
  }
  return at;
}

/** Index and first word of the record field that an op names. */
export function fieldOf(op: MicroOp): { readonly kind: RecordKind; readonly word: bigint } {
  return { kind: RECORD_KINDS[Number(op.imm >> 32n)]!, word: op.imm & 0xffffffffn };
}

function merge(at: (Known[] | undefined)[], pc: number, registers: readonly Known[]): boolean {
  const before = at[pc];
  if (before === undefined) {
    at[pc] = [...registers];
    return true;
  }
  let changed = false;
  for (const [register, value] of registers.entries()) {
    const joined = join(before[register], value);
    if (joined === before[register]) continue;
    before[register] = joined;
    changed = true;
  }
  return changed;
}

/** `left` itself when `right` adds nothing. */
function join(left: Known, right: Known): Known {
  if (left === undefined || left === right) return left;
  if (right === undefined) return undefined;
  const fresh = right.filter((value) => !left.includes(value));
  if (fresh.length === 0) return left;
  return left.length + fresh.length > MOST ? undefined : [...left, ...fresh];
}

function* successors(
  op: MicroOp,
  pc: number,
  registers: readonly Known[],
  start: Start,
): Generator<readonly [number, readonly Known[]]> {
  if (op.op !== "BZ" && op.op !== "BNZ") {
    const [next] = nextOf(op, pc);
    if (next !== undefined) yield [next, after(op, registers, start)];
    return;
  }
  const tested = registers[op.a];
  const zero = tested === undefined || tested.includes(0n);
  const rest = tested?.filter((value) => value !== 0n);
  const [jump, on] = nextOf(op, pc) as [number, number];
  if (zero) yield [op.op === "BZ" ? jump : on, withRegister(registers, op.a, ZERO)];
  if (rest === undefined || rest.length > 0)
    yield [op.op === "BZ" ? on : jump, withRegister(registers, op.a, rest)];
}

function withRegister(registers: readonly Known[], register: number, value: Known): readonly Known[] {
  return registers.with(register, value);
}

/** Registers behind an op that goes on to the next one. */
function after(op: MicroOp, registers: readonly Known[], start: Start): readonly Known[] {
  const roles: OpRoles = OPS[op.op];
  const written = (["dst", "a", "b", "c", "d"] as const).filter((role) => roles[role] === "out");
  if (written.every((role) => op[role] === NONE)) return registers;
  const values = [...registers];
  for (const role of written) {
    if (op[role] !== NONE) values[op[role]] = role === "dst" ? result(op, registers, start) : undefined;
  }
  return values;
}

function result(op: MicroOp, registers: readonly Known[], start: Start): Known {
  const value = (operand: number): Known => (operand === NONE ? ZERO : registers[operand]);
  const combine = ARITHMETIC[op.op];
  if (combine !== undefined) {
    const right = op.b === NONE ? [op.imm & WORD] : registers[op.b];
    return combined(op.op, combine, value(op.a), right);
  }
  switch (op.op) {
    case "LI":
      return [op.imm & WORD];
    case "MOV":
      return value(op.a);
    case "CPU":
      return [BigInt(start.cpu)];
    case "TASK":
      return start.tasks;
    case "LD":
      return loaded(op, value(op.a), value(op.b), start);
    case "MASK_TEST":
    case "MASK_SET":
    case "MASK_CLR":
    case "TRYLOCK":
    case "TRYRLOCK":
    case "CAS":
    case "PTE_CAS":
    case "QPUSH":
      return BIT;
    case "QPOP":
      if (start.callers !== undefined) return few(start.callers);
      return few(Array.from({ length: start.cpus + 1 }, (_, cpu) => BigInt(cpu)));
    case "MASK_NEXT":
    case "MASK_COUNT":
      return few(Array.from({ length: start.cpus + 1 }, (_, cpu) => BigInt(cpu)));
    default:
      return undefined;
  }
}

function combined(
  name: string,
  combine: (left: bigint, right: bigint) => bigint,
  left: Known,
  right: Known,
): Known {
  if (left === undefined || right === undefined) return COMPARISONS.has(name) ? BIT : undefined;
  const values = left.flatMap((one) => right.map((other) => combine(one, other) & WORD));
  return few(values);
}

function loaded(op: MicroOp, records: Known, offsets: Known, start: Start): Known {
  if (records === undefined || offsets === undefined) return undefined;
  const { kind, word } = fieldOf(op);
  const values: bigint[] = [];
  for (const record of records.filter((one) => one < BigInt(start.records[kind]))) {
    for (const offset of offsets) {
      const value = start.constant(kind, record, word + offset);
      if (value === undefined) return undefined;
      values.push(value);
    }
  }
  return few(values);
}

function few(values: readonly bigint[]): Known {
  const different = [...new Set(values)];
  return different.length > MOST ? undefined : different;
}
