/** What each op may read and write later, as the engine's search wants to know it: see assembly/choose.ts. */

import { flowOf, NOWHERE, type RegisterSets, registerSets, writtenBy } from "../dsl/flow.js";
import { OPS } from "../dsl/isa.js";
import { liveSets } from "../dsl/liveness.js";
import type { MicroOp, OpName, Program } from "../dsl/program.js";
import { looksOf, type OpLooks } from "./op-reads.js";

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

/** By op. */
export interface OpTable {
  /** Registers that the op or one behind it may read. */
  readonly live: RegisterSets;
  /** Registers that the op and the free ops behind it may write. */
  readonly written: RegisterSets;
  /** Groups that these may write, besides those of their own CPU; what leaves the store buffer is not counted. */
  readonly groups: Uint32Array;
  /** What they look at. */
  readonly looks: readonly OpLooks[];
}

/** The engine has one bit for each register in a word. */
export const REGISTERS_MOST = 64;

/** Throws RangeError for a program with more registers than a word has bits. */
export function opTable({ ops, registers }: Program, bits: GroupBits): OpTable {
  if (registers > REGISTERS_MOST)
    throw new RangeError(`a program that is searched has at most ${REGISTERS_MOST} registers`);
  const own = { ...writtenBy(ops), groups: groupsOf(ops, bits) };
  const isStep = ops.map(({ op }) => OPS[op].class === "step");
  const tails = tailsOf(ops, own, isStep);
  const written = registerSets(ops.length);
  const groups = new Uint32Array(ops.length);
  for (let pc = 0; pc < ops.length; pc++) {
    // A step goes on to the next op.
    const tail = isStep[pc] ? pc + 1 : pc;
    written.low[pc] = own.low[pc]! | (tails.low[tail] ?? 0);
    written.high[pc] = own.high[pc]! | (tails.high[tail] ?? 0);
    groups[pc] = own.groups[pc]! | (tails.groups[tail] ?? 0);
  }
  const looks = ops.map(({ op, imm }, pc) =>
    looksOf(op, imm, (tails.groups[isStep[pc] ? pc + 1 : pc] ?? bits.all) !== 0),
  );
  return { live: liveSets(ops), written, groups, looks };
}

interface Writes extends RegisterSets {
  readonly groups: Uint32Array;
}

/** Of each op that is free: what it and the free ops behind it write, up to the next step. */
function tailsOf(ops: readonly MicroOp[], own: Writes, isStep: readonly boolean[]): Writes {
  const { jump, fall } = flowOf(ops);
  const tails: Writes = { ...registerSets(ops.length), groups: new Uint32Array(ops.length) };
  const round = (part: keyof Writes): boolean => {
    const sets = tails[part];
    let changed = false;
    for (let pc = ops.length - 1; pc >= 0; pc--) {
      if (isStep[pc]) continue;
      let all = own[part][pc]!;
      if (jump[pc] !== NOWHERE) all |= sets[jump[pc]!]!;
      if (fall[pc] !== NOWHERE) all |= sets[fall[pc]!]!;
      all >>>= 0;
      if (all === sets[pc]) continue;
      sets[pc] = all;
      changed = true;
    }
    return changed;
  };
  for (const part of ["low", "high", "groups"] as const) while (round(part));
  return tails;
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

function groupsOf(ops: readonly MicroOp[], bits: GroupBits): Uint32Array {
  const known = new Map<OpName, number>();
  return Uint32Array.from(ops, ({ op }) => {
    let groups = known.get(op);
    if (groups === undefined) {
      groups = groupsOfOp(op, bits);
      known.set(op, groups);
    }
    return groups;
  });
}

function groupsOfOp(op: OpName, bits: GroupBits): number {
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
