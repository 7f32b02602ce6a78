/** Runs one program alone on one CPU, with shared state as a map: just enough to see what assembled code computes. */

import { type MicroOp, NONE, OPS, type Program } from "../src/dsl/index.js";

const WORD = (1n << 64n) - 1n;
const STEPS_MAX = 100_000;

export interface Outcome {
  readonly status: bigint;
  /** Labels of the steps that ran, in order. */
  readonly steps: readonly string[];
  readonly registers: readonly bigint[];
}

/** Shared words by place: op immediate, record index and offset. */
export type Words = Map<string, bigint>;

/** The key of a field's word: `kind` and `word` as in Program.layout. */
export function wordKey(kind: number, word: number, base = 0n, offset = 0n): string {
  return `${(BigInt(kind) << 32n) | BigInt(word)}/${base}/${offset}`;
}

export function runAlone(program: Program, name: string, args: readonly bigint[], words: Words): Outcome {
  const entry = program.entries.find((candidate) => candidate.name === name)!;
  const registers = new Array<bigint>(program.registers).fill(0n);
  for (const [i, value] of args.entries()) registers[i] = value;
  const steps: string[] = [];
  let pc = entry.pc;
  for (let count = 0; count < STEPS_MAX; count++) {
    const op = program.ops[pc++]!;
    const read = (index: number): bigint => (index === NONE ? 0n : registers[index]!);
    if (OPS[op.op].class === "step") steps.push(program.sites[op.site]!.label);
    switch (op.op) {
      case "END":
        return { status: read(op.a), steps, registers };
      case "JMP":
        pc = Number(op.imm);
        break;
      case "BZ":
        if (read(op.a) === 0n) pc = Number(op.imm);
        break;
      case "BNZ":
        if (read(op.a) !== 0n) pc = Number(op.imm);
        break;
      default: {
        const result = OPS[op.op].class === "free" ? free(op, read) : shared(program, op, read, words);
        if (result !== undefined) registers[op.dst] = result & WORD;
      }
    }
  }
  throw new Error(`${name} did not end`);
}

function free(op: MicroOp, read: (index: number) => bigint): bigint {
  const a = read(op.a);
  const b = op.b === NONE ? op.imm : read(op.b);
  const calculations: Record<string, () => bigint> = {
    LI: () => op.imm,
    MOV: () => a,
    ADD: () => a + b,
    SUB: () => a - b,
    AND: () => a & b,
    OR: () => a | b,
    XOR: () => a ^ b,
    SHL: () => a << (b & 63n),
    SHR: () => a >> (b & 63n),
    EQ: () => BigInt(a === b),
    NE: () => BigInt(a !== b),
    LTU: () => BigInt(a < b),
    LEU: () => BigInt(a <= b),
    CPU: () => 0n,
    TASK: () => 0n,
  };
  return calculations[op.op]!();
}

function shared(
  program: Program,
  op: MicroOp,
  read: (index: number) => bigint,
  words: Words,
): bigint | undefined {
  const key = `${op.imm}/${read(op.a)}/${read(op.b)}`;
  const old = words.get(key) ?? 0n;
  const c = read(op.c);
  const put = (value: bigint) => void words.set(key, value & WORD);
  switch (op.op) {
    case "LD":
    case "PTE_LD":
    case "AWAIT":
      return old;
    case "ST":
    case "PTE_ST":
      put(c);
      return undefined;
    case "XCHG":
    case "PTE_XCHG":
      put(c);
      return old;
    case "CAS":
      if (old !== c) return 0n;
      put(read(op.d));
      return 1n;
    case "FADD":
      put(old + c);
      return old + c;
    case "ADDV":
      put(old + c);
      return undefined;
    case "MASK_SET":
      put(old | (1n << c));
      return (old >> c) & 1n;
    case "MASK_NEXT": {
      const cpus = BigInt(program.layout.cpus);
      let cpu = c;
      while (cpu < cpus && ((old >> cpu) & 1n) === 0n) cpu++;
      return cpu;
    }
    case "TRYLOCK":
      return BigInt(old === 0n);
    default:
      return undefined;
  }
}
