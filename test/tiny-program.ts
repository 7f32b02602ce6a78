/* Programs written op by op, for tests of machines that must not depend on the language. */
import {
  type MicroOp,
  type OpName,
  type Program,
  RECORD_KINDS,
  type RecordKind,
} from "../src/dsl/program.js";

export const NONE = 255;

type Operands = Partial<Omit<MicroOp, "op" | "imm">> & { readonly imm?: bigint | number };

/** One op; operands that are not given name no register. */
export function op(name: OpName, operands: Operands = {}): MicroOp {
  const { imm = 0n, ...rest } = operands;
  return { op: name, dst: NONE, a: NONE, b: NONE, c: NONE, d: NONE, site: -1, ...rest, imm: BigInt(imm) };
}

/** The `imm` of a field operand. */
export function at(kind: RecordKind, word: number): bigint {
  return (BigInt(RECORD_KINDS.indexOf(kind)) << 32n) | BigInt(word);
}

export interface TinyEntry {
  readonly args?: readonly string[];
  /** Jumps name ops of the entry itself, from 0. An END with status 0 follows. */
  readonly ops: readonly MicroOp[];
}

/** Assembles entries one behind the other. The site of an op is its place in the program, its label "entry.index". */
export function tinyProgram(
  words: Partial<Record<RecordKind, number>>,
  entries: Readonly<Record<string, TinyEntry>>,
): Program {
  const ops: MicroOp[] = [];
  const placed = Object.entries(entries).map(([name, entry]) => {
    const pc = ops.length;
    for (const one of [...entry.ops, op("END")]) {
      const isJump = one.op === "JMP" || one.op === "BZ" || one.op === "BNZ";
      ops.push({ ...one, imm: isJump ? one.imm + BigInt(pc) : one.imm, site: ops.length });
    }
    return { name, pc, args: entry.args ?? [] };
  });
  const sites = ops.map((_, index) => {
    const entry = placed.findLast(({ pc }) => pc <= index)!;
    const label = `${index - entry.pc}`;
    return { routine: entry.name, path: `${entry.name}.${label}`, label, file: "test", line: index };
  });
  const none = Object.fromEntries(RECORD_KINDS.map((kind) => [kind, 0])) as Record<RecordKind, number>;
  return {
    ops,
    sites,
    entries: placed,
    windows: ["window"],
    counters: ["counter"],
    works: ["work"],
    layout: { cpus: 2, words: { ...none, ...words }, fields: [] },
    registers: 48,
  };
}
