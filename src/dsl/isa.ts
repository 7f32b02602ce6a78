/**
 * The names of the micro-ops and the roles of their operands.
 *
 * The numbers live in assembly/isa.ts; the engine's loader joins the two by name and refuses to start on a
 * mismatch. A register operand is "in" (read), "out" (written) or "in?" (read, 255 = none). `d` of AWAIT is the
 * relation itself, not a register.
 */

/**
 * How an op behaves under the schedulers: a step is one shared access and one interleaving point, a free op takes no
 * time and is never interleaved, a ghost is free and seen only by the oracle and the statistics.
 */
export type OpClass = "step" | "free" | "ghost";
export type RegisterRole = "in" | "out" | "in?";
/** What `imm` holds. "value?" is the right-hand side of a free op when `b` is 255. */
export type ImmediateRole =
  | "field"
  | "value"
  | "value?"
  | "pc"
  | "fence"
  | "window"
  | "counter"
  | "work"
  | "mark"
  | "rights";

export interface OpRoles {
  readonly class: OpClass;
  readonly dst?: RegisterRole;
  readonly a?: RegisterRole;
  readonly b?: RegisterRole;
  readonly c?: RegisterRole;
  readonly d?: RegisterRole | "relation";
  readonly imm?: ImmediateRole;
}

const step = { class: "step" } as const;
const free = { class: "free" } as const;
const ghost = { class: "ghost" } as const;
/** A declared field: a = record index (255 for global), b = added to the word index, imm = kind << 32 | word. */
const field = { class: "step", a: "in?", b: "in?", imm: "field" } as const;
/** One entry of a page table: a = table number, b = index in the table. */
const entry = { class: "step", a: "in", b: "in" } as const;
const binary = { class: "free", dst: "out", a: "in", b: "in?", imm: "value?" } as const;

export const OPS = {
  LD: { ...field, dst: "out" },
  ST: { ...field, c: "in" },
  XCHG: { ...field, dst: "out", c: "in" },
  CAS: { ...field, dst: "out", c: "in", d: "in" },
  FADD: { ...field, dst: "out", c: "in" },
  ADDV: { ...field, c: "in" },
  ORV: { ...field, c: "in" },
  ANDV: { ...field, c: "in" },
  PTE_LD: { ...entry, dst: "out" },
  PTE_ST: { ...entry, c: "in" },
  PTE_XCHG: { ...entry, dst: "out", c: "in" },
  PTE_CAS: { ...entry, dst: "out", c: "in", d: "in" },
  PTE_AND: { ...entry, dst: "out", c: "in" },
  PTE_OR: { ...entry, dst: "out", c: "in" },
  LOCK: field,
  UNLOCK: field,
  TRYLOCK: { ...field, dst: "out" },
  RLOCK: field,
  RUNLOCK: field,
  WLOCK: field,
  WUNLOCK: field,
  DOWNGRADE: field,
  TRYRLOCK: { ...field, dst: "out" },
  AWAIT: { ...field, dst: "out", c: "in", d: "relation" },
  MASK_SET: { ...field, dst: "out", c: "in" },
  MASK_CLR: { ...field, dst: "out", c: "in" },
  MASK_TEST: { ...field, dst: "out", c: "in" },
  MASK_NEXT: { ...field, dst: "out", c: "in" },
  MASK_ZERO: field,
  MASK_COUNT: { ...field, dst: "out" },
  QPUSH: { ...step, dst: "out", c: "in" },
  QPOP: { ...step, dst: "out" },
  RAISE: field,
  RAISE1: { ...step, c: "in" },
  INVLPG: { ...step, c: "in" },
  FLUSH_PCID: { ...step, c: "in" },
  FLUSH_ALL: step,
  CR3: { ...step, a: "in", b: "in", c: "in" },
  INVAL_EVERYWHERE: { ...step, a: "in", b: "in", c: "in" },
  FALLOC: { ...step, dst: "out", a: "in?" },
  FFREE: { ...step, a: "in", b: "in?" },
  FZERO: { ...step, a: "in" },
  FCOPY: { ...step, a: "in", b: "in", c: "in", d: "in" },
  TALLOC: { ...step, dst: "out", a: "in?", b: "in", c: "in" },
  TFREE: { ...step, a: "in" },
  RFIND: { ...step, dst: "out", a: "in", b: "out", c: "out", d: "in" },
  RSET: { ...step, a: "in", b: "in", c: "in", d: "in" },
  XLOAD: { ...step, dst: "out", c: "in" },
  XSTORE: { ...step, c: "in", d: "in" },
  FENCE: { ...step, imm: "fence" },
  IRQ_OFF: step,
  IRQ_ON: step,
  WORK: { ...step, imm: "work" },
  TLBI: { ...step, a: "in", b: "in", c: "in", d: "in?" },
  DSB: step,

  LI: { ...free, dst: "out", imm: "value" },
  MOV: { ...free, dst: "out", a: "in" },
  ADD: binary,
  SUB: binary,
  AND: binary,
  OR: binary,
  XOR: binary,
  SHL: binary,
  SHR: binary,
  EQ: binary,
  NE: binary,
  LTU: binary,
  LEU: binary,
  JMP: { ...free, imm: "pc" },
  BZ: { ...free, a: "in", imm: "pc" },
  BNZ: { ...free, a: "in", imm: "pc" },
  CPU: { ...free, dst: "out" },
  TASK: { ...free, dst: "out" },

  PROMISE: { ...ghost, a: "in", b: "in", c: "in", imm: "rights" },
  WINDOW: { ...ghost, imm: "window" },
  COUNT: { ...ghost, a: "in?", imm: "counter" },
  MARK: { ...ghost, imm: "mark" },
  CLEAN: { ...ghost, a: "in" },
  DIRTY: { ...ghost, a: "in" },
  SLEEP: ghost,
  END: { ...ghost, a: "in" },
} as const satisfies Record<string, OpRoles>;

export type OpName = keyof typeof OPS;

/** The operand value that means "no register". */
export const NONE = 255;
/** Registers of one CPU. */
export const REGISTER_LIMIT = 64;

/** Relations of AWAIT, as its operand `d` encodes them. */
export const RELATIONS = { eq: 0, ne: 1, lt: 2, ge: 3 } as const;
export type Relation = keyof typeof RELATIONS;

/** Fences, as `imm` of FENCE encodes them. */
export const FENCES = { mb: 0, rmb: 1, wmb: 2, cbar: 3 } as const;
export type FenceKind = keyof typeof FENCES;

/** What remains allowed after a promise, as `imm` of PROMISE encodes it; `clean`: everything, but a store sets D anew. */
export const RIGHTS = { none: 0, read: 1, clean: 2 } as const;
export type Rights = keyof typeof RIGHTS;
