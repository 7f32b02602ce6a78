/** What each op may read and write later, as the engine's search wants to know it: see assembly/choose.ts. */

import { NONE, OPS, type OpRoles } from "../dsl/isa.js";
import { liveRegisters } from "../dsl/liveness.js";
import type { MicroOp, OpName, Program } from "../dsl/program.js";

/** Sets of groups of pieces, as bits; the numbers are the engine's. */
export interface GroupBits {
  readonly tables: number;
  readonly frames: number;
  readonly ranges: number;
  readonly cache: number;
  readonly holders: number;
  /** Flags, queues and entries of all CPUs; queue and entries of one's own. */
  readonly cpus: number;
  readonly queue: number;
  readonly entries: number;
  readonly all: number;
}

export interface OpInfo {
  /** Registers that the op or one behind it may read. */
  readonly live: bigint;
  /** Registers that the op and the free ops behind it may write. */
  readonly written: bigint;
  /** Groups that these may write, besides those of their own CPU; what leaves the store buffer is not counted. */
  readonly groups: number;
}

/** The engine has one bit for each register in a word. */
export const REGISTERS_MOST = 64;

/** Throws RangeError for a program with more registers than a word has bits. */
export function opInfos(program: Program, bits: GroupBits): OpInfo[] {
  if (program.registers > REGISTERS_MOST)
    throw new RangeError(`a program that is searched has at most ${REGISTERS_MOST} registers`);
  const { ops } = program;
  const live = program.live ?? liveRegisters(ops);
  const tails = tailsOf(ops, bits);
  return ops.map((op, pc) => {
    const tail = OPS[op.op].class === "step" ? tails[pc + 1] : tails[pc];
    return {
      live: live[pc]!,
      written: writtenBy(op) | (tail?.written ?? 0n),
      groups: groupsOf(op, bits) | (tail?.groups ?? 0),
    };
  });
}

interface Tail {
  readonly written: bigint;
  readonly groups: number;
}

/** Of each op that is free: what it and the free ops behind it write, up to the next step. */
function tailsOf(ops: readonly MicroOp[], bits: GroupBits): readonly Tail[] {
  const tails: Tail[] = ops.map(() => ({ written: 0n, groups: 0 }));
  for (let changed = true; changed; ) {
    changed = false;
    for (let pc = ops.length - 1; pc >= 0; pc--) {
      const op = ops[pc]!;
      if (OPS[op.op].class === "step") continue;
      let written = writtenBy(op);
      let groups = groupsOf(op, bits);
      for (const next of behind(op, pc)) {
        written |= tails[next]?.written ?? 0n;
        groups |= tails[next]?.groups ?? 0;
      }
      if (written === tails[pc]!.written && groups === tails[pc]!.groups) continue;
      tails[pc] = { written, groups };
      changed = true;
    }
  }
  return tails;
}

function behind({ op, imm }: MicroOp, pc: number): number[] {
  if (op === "END") return [];
  if (op === "JMP") return [Number(imm)];
  return op === "BZ" || op === "BNZ" ? [pc + 1, Number(imm)] : [pc + 1];
}

const OPERANDS = ["dst", "a", "b", "c", "d"] as const;

function writtenBy(op: MicroOp): bigint {
  const roles: OpRoles = OPS[op.op];
  let mask = 0n;
  for (const operand of OPERANDS) {
    if (roles[operand] === "out" && op[operand] !== NONE) mask |= 1n << BigInt(op[operand]);
  }
  return mask;
}

/** Steps that write nothing but registers, their own CPU's flags and its store buffer. */
const OWN: ReadonlySet<OpName> = new Set([
  "LD",
  "PTE_LD",
  "AWAIT",
  "MASK_TEST",
  "MASK_NEXT",
  "MASK_COUNT",
  "FZERO",
  "RFIND",
  "XLOAD",
  "FENCE",
  "IRQ_OFF",
  "IRQ_ON",
  "WORK",
]);
const FIELDS =
  /^(ST|XCHG|CAS|FADD|ADDV|ORV|ANDV|LOCK|UNLOCK|TRYLOCK|RLOCK|RUNLOCK|WLOCK|WUNLOCK|DOWNGRADE|TRYRLOCK|MASK_SET|MASK_CLR|MASK_ZERO)$/;
const SILENT: ReadonlySet<OpName> = new Set(["WINDOW", "COUNT", "MARK", "SLEEP"]);

function groupsOf({ op }: MicroOp, bits: GroupBits): number {
  if (OWN.has(op) || SILENT.has(op)) return 0;
  // A word of a record or a page table is noted when it is written; the oracle writes more.
  if (FIELDS.test(op)) return 0;
  if (/^PTE_/.test(op)) return bits.frames | bits.cpus;
  if (/^(INVLPG|FLUSH_PCID|FLUSH_ALL)$/.test(op)) return bits.frames | bits.entries;
  if (op === "FALLOC") return bits.frames;
  if (op === "QPOP") return bits.queue;
  if (/^(QPUSH|RAISE|RAISE1)$/.test(op)) return bits.cpus;
  if (/^(TALLOC|TFREE)$/.test(op)) return bits.tables | bits.frames | bits.cpus;
  if (/^(PROMISE|CLEAN|DIRTY)$/.test(op)) return bits.frames | bits.cpus;
  if (op === "CR3") return bits.holders | bits.frames | bits.entries;
  if (op === "RSET") return bits.ranges;
  if (op === "XSTORE") return bits.cache;
  if (OPS[op].class === "free") return 0;
  // Those that only the oracle sees, the end of a program, and any step that nobody has described here.
  return bits.all;
}
