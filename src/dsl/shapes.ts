/**
 * What a 64-bit word means: a number, a truth value, or a struct of named bits; and expressions over such words.
 *
 * An Expr is a value in registers or a constant, never shared memory. It is a formula, not a copy: an Expr over a
 * k.var sees the variable's value at the place of use; k.copy() takes a snapshot. Evaluating it is free.
 */

import { fail } from "./errors.js";
import { ALL_ONES, type BitRange, constant, type Node } from "./nodes.js";
import { holdsNoRegisters } from "./registers.js";
import { type AnyExpr, BoolValue, nodeOf, structClass, WordValue } from "./values.js";

declare const shapeOf: unique symbol;

export interface Shape {
  readonly shape: "u64" | "bool" | "struct";
  readonly name: string;
  readonly [holdsNoRegisters]: true;
  /** An expression of this shape over a tree; used by the language itself. */
  over(node: Node): object;
}

export interface U64 extends Shape {
  readonly shape: "u64";
  of(value: number | bigint): Expr<U64>;
}

export interface Bool extends Shape {
  readonly shape: "bool";
  of(value: boolean): Expr<Bool>;
}

export interface Bit extends BitRange {
  readonly type: "bit";
}
export interface Bits extends BitRange {
  readonly type: "bits";
}
export type Members = Readonly<Record<string, Bit | Bits>>;

/** Values for some members, as with() and of() take them. */
export type MemberValues<M extends Members> = {
  readonly [K in keyof M]?: M[K] extends Bit ? Operand<Bool> : Operand<U64>;
};

export interface Struct<N extends string = string, M extends Members = Members> extends Shape {
  readonly shape: "struct";
  readonly name: N;
  readonly members: M;
  /** A word with these members, all others 0. */
  of(values: MemberValues<M>): Expr<Struct<N, M>>;
  /** A plain word read as this struct. */
  as(word: Operand<U64>): Expr<Struct<N, M>>;
  readonly zero: Expr<Struct<N, M>>;
  /** All 64 bits set: `pte.ones.with({ write: false })` is the mask that clears one bit. */
  readonly ones: Expr<Struct<N, M>>;
}

interface Typed<T extends Shape> extends AnyExpr {
  readonly [shapeOf]?: T;
}

export type Expr<T extends Shape> = Typed<T> & Operations<T>;

/** What may stand where an Expr is wanted: constants of numbers and truth values, but not of structs. */
export type Operand<T extends Shape> = [T] extends [U64]
  ? Expr<U64> | number | bigint
  : [T] extends [Bool]
    ? Expr<Bool> | boolean
    : Expr<T>;

type Operations<T extends Shape> = [T] extends [U64]
  ? WordOperations
  : [T] extends [Bool]
    ? BoolOperations
    : T extends Struct<infer N, infer M>
      ? StructOperations<Struct<N, M>, M> & {
          readonly [K in keyof M]: M[K] extends Bit ? Expr<Bool> : Expr<U64>;
        }
      : unknown;

/** Unsigned arithmetic mod 2^64; shift counts mod 64. */
interface WordOperations {
  add(other: Operand<U64>): Expr<U64>;
  sub(other: Operand<U64>): Expr<U64>;
  and(other: Operand<U64>): Expr<U64>;
  or(other: Operand<U64>): Expr<U64>;
  xor(other: Operand<U64>): Expr<U64>;
  shl(other: Operand<U64>): Expr<U64>;
  shr(other: Operand<U64>): Expr<U64>;
  min(other: Operand<U64>): Expr<U64>;
  max(other: Operand<U64>): Expr<U64>;
  eq(other: Operand<U64>): Expr<Bool>;
  ne(other: Operand<U64>): Expr<Bool>;
  lt(other: Operand<U64>): Expr<Bool>;
  le(other: Operand<U64>): Expr<Bool>;
  gt(other: Operand<U64>): Expr<Bool>;
  ge(other: Operand<U64>): Expr<Bool>;
}

interface BoolOperations {
  and(other: Operand<Bool>): Expr<Bool>;
  or(other: Operand<Bool>): Expr<Bool>;
  eq(other: Operand<Bool>): Expr<Bool>;
  ne(other: Operand<Bool>): Expr<Bool>;
  not(): Expr<Bool>;
  /** Both sides are formulas, so nothing is skipped: this is arithmetic, not a branch. */
  select<T extends Shape>(then: Expr<T>, otherwise: Operand<NoInfer<T>>): Expr<T>;
  select(then: number | bigint, otherwise: Operand<U64>): Expr<U64>;
  /** The word 0 or 1. */
  readonly raw: Expr<U64>;
}

interface StructOperations<T extends Shape, M extends Members> {
  with(values: MemberValues<M>): Expr<T>;
  eq(other: Expr<T>): Expr<Bool>;
  ne(other: Expr<T>): Expr<Bool>;
  /** The whole word as a number. */
  readonly raw: Expr<U64>;
}

export const u64: U64 = {
  shape: "u64",
  name: "u64",
  [holdsNoRegisters]: true,
  over: (node) => new WordValue(node),
  of: (value) => new WordValue(nodeOf(value)) as unknown as Expr<U64>,
};

export const bool: Bool = {
  shape: "bool",
  name: "bool",
  [holdsNoRegisters]: true,
  over: (node) => new BoolValue(node),
  of: (value) => new BoolValue(nodeOf(value)) as unknown as Expr<Bool>,
};

/** One bit of a struct: an Expr<Bool>. */
export function bit(low: number): Bit {
  return { type: "bit", low, width: 1 };
}

/** `width` bits of a struct from bit `low` upwards: an Expr<U64>. */
export function bits(low: number, width: number): Bits {
  return { type: "bits", low, width };
}

const RESERVED = new Set(["node", "like", "with", "eq", "ne", "raw"]);

/**
 * A 64-bit word with named members.
 *
 * Throws: AssembleError when a member leaves the word, overlaps another or has the name of an operation.
 */
export function struct<const N extends string, const M extends Members>(name: N, members: M): Struct<N, M> {
  let taken = 0n;
  for (const [key, part] of Object.entries(members)) {
    const where = `member "${key}" of struct "${name}"`;
    if (RESERVED.has(key)) fail(`${where} has the name of an operation`, "give it another name");
    if (part.low < 0 || part.width < 1 || part.low + part.width > 64) {
      fail(`${where} does not fit into 64 bits`, "bits(low, width) needs low + width <= 64");
    }
    const own = ((1n << BigInt(part.width)) - 1n) << BigInt(part.low);
    if ((taken & own) !== 0n) fail(`${where} overlaps another member`, "give every member bits of its own");
    taken |= own;
  }
  const StructValue = structClass(name, members);
  const over = (node: Node) => new StructValue(node);
  const typed = (node: Node) => over(node) as unknown as Expr<Struct<N, M>>;
  return {
    shape: "struct",
    name,
    members,
    [holdsNoRegisters]: true,
    over,
    of: (values) => over(constant(0n)).with(values) as unknown as Expr<Struct<N, M>>,
    as: (word) => typed(nodeOf(word)),
    zero: typed(constant(0n)),
    ones: typed(constant(ALL_ONES)),
  };
}
