/** The public door `shootdown/dsl`: the language that mechanisms are written in. */

export { type AssembleInput, assemble } from "./assemble.js";
export type { Builder } from "./builder.js";
export type { Var } from "./control.js";
export { AssembleError } from "./errors.js";
export type { RangeFound, TablePlace } from "./hardware.js";
export { programHash } from "./hash.js";
export type { FenceKind, OpClass, Relation, Rights } from "./isa.js";
export { NONE, OPS, REGISTER_LIMIT } from "./isa.js";
export { listing } from "./listing.js";
export type {
  Entry,
  FieldPlace,
  MicroOp,
  OpName,
  Program,
  RecordKind,
  Site,
  StateLayout,
} from "./program.js";
export { RECORD_KINDS } from "./program.js";
export { type Pte, pte } from "./pte.js";
export { instead, type ProgramSource, program, type Replacement, type Routine, routine } from "./routine.js";
export {
  type Bit,
  type Bits,
  type Bool,
  bit,
  bits,
  bool,
  type Expr,
  type MemberValues,
  type Operand,
  type Shape,
  type Struct,
  struct,
  type U64,
  u64,
} from "./shapes.js";
export {
  type AnyRecord,
  array,
  type CpuMask,
  cpuArray,
  cpumask,
  type Field,
  type FieldArray,
  type Handles,
  maskWord,
  pteAt,
  type RecordDeclaration,
  type RecordHandle,
  type RwLock,
  record,
  rwlock,
  type SpinLock,
  spinlock,
} from "./state.js";
export type { Held, HeldEither, WriteHeld } from "./tokens.js";
