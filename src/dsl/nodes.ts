/** The tree behind an expression. Nodes are immutable and fold constants when they are made. */

import { fail } from "./errors.js";
import type { Slot } from "./registers.js";

export type BinaryOp = "ADD" | "SUB" | "AND" | "OR" | "XOR" | "SHL" | "SHR" | "EQ" | "NE" | "LTU" | "LEU";

/** `width` bits from bit `low` upwards. */
export interface BitRange {
  readonly low: number;
  readonly width: number;
}

export interface Part extends BitRange {
  readonly name: string;
  readonly value: Node;
}

export type Node =
  | { readonly kind: "constant"; readonly value: bigint }
  | { readonly kind: "slot"; readonly slot: Slot }
  | { readonly kind: "own"; readonly op: "CPU" | "TASK" }
  | { readonly kind: "binary"; readonly op: BinaryOp; readonly left: Node; readonly right: Node }
  | { readonly kind: "not"; readonly of: Node }
  | { readonly kind: "member"; readonly of: Node; readonly name: string; readonly bits: BitRange }
  | { readonly kind: "insert"; readonly of: Node; readonly parts: readonly Part[] }
  | { readonly kind: "select"; readonly when: Node; readonly then: Node; readonly otherwise: Node };

export const ALL_ONES = (1n << 64n) - 1n;

export function constant(value: bigint): Node {
  return { kind: "constant", value };
}

/**
 * A constant as an author writes it: an integer from -2^63 to 2^64 - 1; negative ones wrap.
 *
 * Throws: AssembleError for anything else, and for a JS number that is not a safe integer.
 */
export function constantFrom(value: number | bigint): Node {
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    fail(`${value} is not an exact integer`, "write large constants as bigint");
  }
  const exact = BigInt(value);
  if (exact > ALL_ONES || exact < -(1n << 63n)) {
    fail(`the constant ${exact} is wider than a 64-bit word`, "use a value below 2^64");
  }
  return constant(BigInt.asUintN(64, exact));
}

export function mask(width: number): bigint {
  return (1n << BigInt(width)) - 1n;
}

export function binary(op: BinaryOp, left: Node, right: Node): Node {
  if (left.kind === "constant" && right.kind === "constant")
    return constant(fold(op, left.value, right.value));
  if (right.kind === "constant") {
    if (right.value === 0n) {
      if (op === "AND") return right;
      if (op !== "EQ" && op !== "NE" && op !== "LTU" && op !== "LEU") return left;
    }
    if (op === "AND" && right.value === ALL_ONES) return left;
  }
  // The right-hand side is the one that can be an immediate.
  if (left.kind === "constant" && commutes(op)) return binary(op, right, left);
  return { kind: "binary", op, left, right };
}

export function not(of: Node): Node {
  if (of.kind === "constant") return constant(of.value === 0n ? 1n : 0n);
  if (of.kind === "not") return of.of;
  if (of.kind === "binary" && of.op === "EQ") return { ...of, op: "NE" };
  if (of.kind === "binary" && of.op === "NE") return { ...of, op: "EQ" };
  return { kind: "not", of };
}

/** left > right. Only a right-hand side can be an immediate, hence the two forms. */
export function greater(left: Node, right: Node): Node {
  return right.kind === "constant" ? not(binary("LEU", left, right)) : binary("LTU", right, left);
}

/** left >= right. */
export function atLeast(left: Node, right: Node): Node {
  return right.kind === "constant" ? not(binary("LTU", left, right)) : binary("LEU", right, left);
}

export function member(of: Node, name: string, bits: BitRange): Node {
  if (of.kind === "constant") return constant((of.value >> BigInt(bits.low)) & mask(bits.width));
  return { kind: "member", of, name, bits };
}

/** `of` with some members replaced; a run-time value is cut to its member's width. */
export function insert(of: Node, parts: readonly Part[]): Node {
  if (parts.length === 0) return of;
  if (of.kind !== "constant" || parts.some((part) => part.value.kind !== "constant")) {
    return { kind: "insert", of, parts };
  }
  let word = of.value;
  for (const part of parts) {
    const low = BigInt(part.low);
    word = (word & ~(mask(part.width) << low)) | ((part.value as { value: bigint }).value << low);
  }
  return constant(word);
}

export function select(when: Node, then: Node, otherwise: Node): Node {
  if (when.kind === "constant") return when.value === 0n ? otherwise : then;
  return { kind: "select", when, then, otherwise };
}

/** True when evaluating the node twice, however far apart, gives the same value. */
export function isStable(node: Node): boolean {
  return node.kind === "constant" || (node.kind === "slot" && !node.slot.mutable);
}

function commutes(op: BinaryOp): boolean {
  return op === "ADD" || op === "AND" || op === "OR" || op === "XOR" || op === "EQ" || op === "NE";
}

function fold(op: BinaryOp, a: bigint, b: bigint): bigint {
  const truth = (holds: boolean): bigint => (holds ? 1n : 0n);
  switch (op) {
    case "ADD":
      return BigInt.asUintN(64, a + b);
    case "SUB":
      return BigInt.asUintN(64, a - b);
    case "AND":
      return a & b;
    case "OR":
      return a | b;
    case "XOR":
      return a ^ b;
    case "SHL":
      return BigInt.asUintN(64, a << (b & 63n));
    case "SHR":
      return a >> (b & 63n);
    case "EQ":
      return truth(a === b);
    case "NE":
      return truth(a !== b);
    case "LTU":
      return truth(a < b);
    case "LEU":
      return truth(a <= b);
  }
}
