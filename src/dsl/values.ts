/** The objects behind Expr: methods that grow the tree. Their types, as authors see them, are in shapes.ts. */

import { fail } from "./errors.js";
import {
  atLeast,
  type BinaryOp,
  type BitRange,
  binary,
  constant,
  constantFrom,
  greater,
  insert,
  mask,
  member,
  type Node,
  not,
  type Part,
  select,
} from "./nodes.js";

export interface AnyExpr {
  readonly node: Node;
  /** Another tree of the same shape. */
  like(node: Node): AnyExpr;
}
export type AnyOperand = AnyExpr | number | bigint | boolean;

/** The tree of an operand. */
export function nodeOf(operand: AnyOperand): Node {
  if (typeof operand === "boolean") return constant(operand ? 1n : 0n);
  if (typeof operand === "object") return operand.node;
  return constantFrom(operand);
}

abstract class Value implements AnyExpr {
  readonly node: Node;
  constructor(node: Node) {
    this.node = node;
  }
  abstract like(node: Node): Value;
  /** Catches `expr + 1` and `expr < 2`; a bare `if (expr)` cannot be caught here. */
  [Symbol.toPrimitive](): never {
    return fail(
      "a run-time value is used as a JS value",
      "use the methods of Expr, and k.if to branch at run time",
    );
  }
  eq(other: AnyOperand): BoolValue {
    return this.compare("EQ", other);
  }
  ne(other: AnyOperand): BoolValue {
    return this.compare("NE", other);
  }
  protected compare(op: BinaryOp, other: AnyOperand): BoolValue {
    return new BoolValue(binary(op, this.node, nodeOf(other)));
  }
}

export class WordValue extends Value {
  override like(node: Node): WordValue {
    return new WordValue(node);
  }
  add(other: AnyOperand): WordValue {
    return this.#calculate("ADD", other);
  }
  sub(other: AnyOperand): WordValue {
    return this.#calculate("SUB", other);
  }
  and(other: AnyOperand): WordValue {
    return this.#calculate("AND", other);
  }
  or(other: AnyOperand): WordValue {
    return this.#calculate("OR", other);
  }
  xor(other: AnyOperand): WordValue {
    return this.#calculate("XOR", other);
  }
  shl(other: AnyOperand): WordValue {
    return this.#calculate("SHL", other);
  }
  shr(other: AnyOperand): WordValue {
    return this.#calculate("SHR", other);
  }
  lt(other: AnyOperand): BoolValue {
    return this.compare("LTU", other);
  }
  le(other: AnyOperand): BoolValue {
    return this.compare("LEU", other);
  }
  gt(other: AnyOperand): BoolValue {
    return new BoolValue(greater(this.node, nodeOf(other)));
  }
  ge(other: AnyOperand): BoolValue {
    return new BoolValue(atLeast(this.node, nodeOf(other)));
  }
  min(other: AnyOperand): WordValue {
    return new WordValue(select(this.lt(other).node, this.node, nodeOf(other)));
  }
  max(other: AnyOperand): WordValue {
    return new WordValue(select(this.lt(other).node, nodeOf(other), this.node));
  }
  #calculate(op: BinaryOp, other: AnyOperand): WordValue {
    return new WordValue(binary(op, this.node, nodeOf(other)));
  }
}

export class BoolValue extends Value {
  override like(node: Node): BoolValue {
    return new BoolValue(node);
  }
  get raw(): WordValue {
    return new WordValue(this.node);
  }
  and(other: AnyOperand): BoolValue {
    return this.compare("AND", other);
  }
  or(other: AnyOperand): BoolValue {
    return this.compare("OR", other);
  }
  not(): BoolValue {
    return new BoolValue(not(this.node));
  }
  /** The result has the shape of the first alternative. */
  select(then: AnyOperand, otherwise: AnyOperand): Value {
    const node = select(this.node, nodeOf(then), nodeOf(otherwise));
    return then instanceof Value ? then.like(node) : new WordValue(node);
  }
}

export abstract class StructValue extends Value {
  get raw(): WordValue {
    return new WordValue(this.node);
  }
  abstract with(values: Readonly<Record<string, AnyOperand | undefined>>): StructValue;
}

/** The class of one struct's values: a getter per member. */
export function structClass(
  name: string,
  members: Readonly<Record<string, BitRange & { readonly type: "bit" | "bits" }>>,
): new (
  node: Node,
) => StructValue {
  class Members extends StructValue {
    override like(node: Node): StructValue {
      return new Members(node);
    }
    override with(values: Readonly<Record<string, AnyOperand | undefined>>): StructValue {
      const parts = Object.entries(values).map(([key, value]) => part(name, members[key], key, value));
      return this.like(insert(this.node, parts));
    }
  }
  for (const [key, bits] of Object.entries(members)) {
    Object.defineProperty(Members.prototype, key, {
      get(this: StructValue) {
        const node = member(this.node, key, bits);
        return bits.type === "bit" ? new BoolValue(node) : new WordValue(node);
      },
    });
  }
  return Members;
}

function part(struct: string, bits: BitRange | undefined, key: string, value: AnyOperand | undefined): Part {
  if (bits === undefined || value === undefined) {
    return fail(`struct "${struct}" has no value for member "${key}"`, "name a member of the struct");
  }
  const node = nodeOf(value);
  if (node.kind === "constant" && node.value > mask(bits.width)) {
    fail(
      `the constant ${node.value} is wider than the ${bits.width} bits of "${struct}.${key}"`,
      "use a smaller value or a wider member",
    );
  }
  return { name: key, low: bits.low, width: bits.width, value: node };
}
