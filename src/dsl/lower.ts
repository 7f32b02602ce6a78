/** From expression trees to free micro-ops. Temporaries live until the op that consumes them. */

import { ALL_ONES, type BitRange, binary, constant, mask, type Node, type Part } from "./nodes.js";
import type { MicroOp } from "./program.js";
import type { RegisterFile, Slot } from "./registers.js";

type Binary = Extract<Node, { kind: "binary" }>;
type Insert = Extract<Node, { kind: "insert" }>;
type Reduced = Extract<Node, { kind: "constant" | "slot" | "own" | "binary" }>;
type Emit = (op: Emitted) => void;

/** An op without what it does not use. */
export type Emitted = Partial<MicroOp> & Pick<MicroOp, "op">;

/** A value in a register; `release` ends it when it was a temporary. */
export interface InRegister {
  readonly register: number;
  release(): void;
}

const nothing = (): void => {};

export class Lowering {
  readonly #registers: RegisterFile;
  readonly #emit: Emit;

  constructor(registers: RegisterFile, emit: Emit) {
    this.#registers = registers;
    this.#emit = emit;
  }

  /** The value of a node in some register. */
  value(node: Node): InRegister {
    if (node.kind === "slot") {
      return { register: this.#registers.registerOf(node.slot), release: nothing };
    }
    const slot = this.#registers.take();
    this.#intoTemporary(slot, node);
    return { register: slot.register, release: () => this.#registers.release(slot) };
  }

  /** Write the value of a node into `dst`. Only the last op writes it, so the node may read what `dst` held. */
  into(dst: number, node: Node): void {
    const simple = reduced(node);
    switch (simple.kind) {
      case "constant":
        this.#emit({ op: "LI", dst, imm: simple.value });
        break;
      case "slot":
        this.#emit({ op: "MOV", dst, a: this.#registers.registerOf(simple.slot) });
        break;
      case "own":
        this.#emit({ op: simple.op, dst });
        break;
      case "binary":
        this.#binary(dst, simple);
        break;
    }
  }

  /** A register that is zero, or non-zero, exactly when the condition fails; and which of the two. */
  test(condition: Node): InRegister & { readonly failsOn: "zero" | "nonzero" } {
    let negated = false;
    let node = condition;
    for (let inner = comparedWithZero(node); inner !== undefined; inner = comparedWithZero(node)) {
      negated = negated !== inner.equal;
      node = inner.of;
    }
    // A branch tests for zero, so a single bit need not be shifted down.
    if (node.kind === "member") {
      node = binary("AND", node.of, constant(mask(node.bits.width) << BigInt(node.bits.low)));
    }
    return { ...this.value(node), failsOn: negated ? "nonzero" : "zero" };
  }

  #binary(dst: number, node: Binary): void {
    const a = this.value(node.left);
    if (node.right.kind === "constant") {
      this.#emit({ op: node.op, dst, a: a.register, imm: node.right.value });
    } else {
      const b = this.value(node.right);
      this.#emit({ op: node.op, dst, a: a.register, b: b.register });
      b.release();
    }
    a.release();
  }

  /** A temporary serves the whole chain of left operands, so `a.shr(12).and(1).eq(0)` takes one register. */
  #intoTemporary(slot: Slot, node: Node): void {
    const simple = reduced(node);
    if (simple.kind === "binary" && simple.left.kind !== "slot") {
      this.#intoTemporary(slot, simple.left);
      this.#binary(slot.register, { ...simple, left: { kind: "slot", slot } });
    } else {
      this.into(slot.register, simple);
    }
  }
}

/** What is compared with zero in `!x`, `x == 0` or `x != 0`. */
function comparedWithZero(node: Node): { readonly of: Node; readonly equal: boolean } | undefined {
  if (node.kind === "not") return { of: node.of, equal: true };
  if (node.kind !== "binary" || (node.op !== "EQ" && node.op !== "NE")) return undefined;
  if (node.right.kind !== "constant" || node.right.value !== 0n) return undefined;
  return { of: node.left, equal: node.op === "EQ" };
}

/** The node in terms of micro-ops: members, insertions and choices become arithmetic. */
function reduced(node: Node): Reduced {
  switch (node.kind) {
    case "not":
      return reduced(binary("XOR", node.of, constant(1n)));
    case "member":
      return reduced(extracted(node.of, node.bits));
    case "insert":
      return reduced(merged(node));
    case "select":
      return reduced(blended(node.when, node.then, node.otherwise));
    default:
      return node;
  }
}

function extracted(of: Node, bits: BitRange): Node {
  const shifted = binary("SHR", of, constant(BigInt(bits.low)));
  return bits.low + bits.width === 64 ? shifted : binary("AND", shifted, constant(mask(bits.width)));
}

/** Clear all replaced members at once, set the constant ones at once, then each run-time one. */
function merged(node: Insert): Node {
  let cleared = 0n;
  let set = 0n;
  for (const part of node.parts) {
    const low = BigInt(part.low);
    cleared |= mask(part.width) << low;
    if (part.value.kind === "constant") set |= part.value.value << low;
  }
  let word = binary("AND", node.of, constant(ALL_ONES & ~cleared));
  word = binary("OR", word, constant(set));
  for (const part of node.parts) {
    if (part.value.kind !== "constant") word = binary("OR", placed(part), word);
  }
  return word;
}

function placed(part: Part): Node {
  const reachesTop = part.low + part.width === 64;
  const fits = reachesTop || bitsOf(part.value) <= part.width;
  const cut = fits ? part.value : binary("AND", part.value, constant(mask(part.width)));
  return binary("SHL", cut, constant(BigInt(part.low)));
}

/** An upper bound of the bits a value can have. */
function bitsOf(node: Node): number {
  if (node.kind === "member") return node.bits.width;
  if (node.kind === "not") return 1;
  if (node.kind !== "binary") return 64;
  switch (node.op) {
    case "EQ":
    case "NE":
    case "LTU":
    case "LEU":
      return 1;
    case "AND":
      return Math.min(bitsOf(node.left), node.right.kind === "constant" ? width(node.right.value) : 64);
    default:
      return 64;
  }
}

function width(value: bigint): number {
  return value.toString(2).length;
}

/** otherwise ^ ((then ^ otherwise) & mask), where mask is all ones when the condition holds: !when - 1. */
function blended(when: Node, then: Node, otherwise: Node): Node {
  const ones = binary("SUB", binary("XOR", when, constant(1n)), constant(1n));
  return binary("XOR", binary("AND", binary("XOR", then, otherwise), ones), otherwise);
}
