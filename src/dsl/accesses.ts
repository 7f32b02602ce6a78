/** Steps on shared words, page-table entries and CPU masks. Every method is one access and one label. */

import type { OpName } from "./isa.js";
import { RELATIONS, type Relation } from "./isa.js";
import { exprText, place } from "./listing.js";
import { ALL_ONES, type Node } from "./nodes.js";
import { type Bool, bool, type Expr, type Operand, type Shape, type U64, u64 } from "./shapes.js";
import type { CpuMask, Field } from "./state.js";
import { nodeOf } from "./values.js";
import type { StepOperands, Writer } from "./writer.js";

/** A mask of bits for and/or: a number, or a struct's own bits. */
export type BitsOperand<T extends Shape> = Operand<U64> | Expr<T>;

const RELATION_TEXT: Readonly<Record<Relation, string>> = { eq: "==", ne: "!=", lt: "<", ge: ">=" };

export class Accesses {
  protected readonly out: Writer;

  constructor(out: Writer) {
    this.out = out;
  }

  read<T extends Shape>(label: string, field: Field<T>): Expr<T> {
    return this.value(pick(field, "LD", "PTE_LD"), label, field.shape, { at: field.address }, place(field));
  }

  /** A plain store: it goes through the store buffer when the memory model has one. */
  write<T extends Shape>(label: string, field: Field<T>, value: Operand<NoInfer<T>>): void {
    const c = nodeOf(value);
    this.out.step(
      pick(field, "ST", "PTE_ST"),
      label,
      { at: field.address, c },
      `${place(field)} = ${exprText(c)}`,
    );
  }

  /** Exchange; gives the old value. Full fence. */
  xchg<T extends Shape>(label: string, field: Field<T>, value: Operand<NoInfer<T>>): Expr<T> {
    const c = nodeOf(value);
    const text = `xchg(${place(field)}, ${exprText(c)})`;
    return this.value(pick(field, "XCHG", "PTE_XCHG"), label, field.shape, { at: field.address, c }, text);
  }

  /** Compare and exchange; tells whether it swapped. Full fence. */
  cmpxchg<T extends Shape>(
    label: string,
    field: Field<T>,
    expected: Operand<NoInfer<T>>,
    next: Operand<NoInfer<T>>,
  ): Expr<Bool> {
    const operands = { at: field.address, c: nodeOf(expected), d: nodeOf(next) };
    const text = `cmpxchg(${place(field)}, ${exprText(operands.c)}, ${exprText(operands.d)})`;
    return this.value(pick(field, "CAS", "PTE_CAS"), label, bool, operands, text);
  }

  /** Add; gives the new value. Full fence. */
  addReturn<T extends Shape>(label: string, field: Field<T>, amount: Operand<U64>): Expr<T> {
    const c = nodeOf(amount);
    const text = `add_return(${place(field)}, ${signedText(c)})`;
    return this.value(this.#word(label, field, "FADD"), label, field.shape, { at: field.address, c }, text);
  }

  /** Add without a result: orders nothing in the `weak` memory model. */
  add<T extends Shape>(label: string, field: Field<T>, amount: Operand<U64>): void {
    const c = nodeOf(amount);
    const text = `${place(field)} += ${signedText(c)}`;
    this.out.step(this.#word(label, field, "ADDV"), label, { at: field.address, c }, text);
  }

  /** Set bits without a result. On a page-table entry: a full fence. */
  or<T extends Shape>(label: string, field: Field<T>, mask: BitsOperand<T>): void {
    const c = nodeOf(mask as Operand<U64>);
    const text = `${place(field)} |= ${exprText(c)}`;
    this.out.step(pick(field, "ORV", "PTE_OR"), label, { at: field.address, c }, text);
  }

  /** Keep only the bits of `mask`, without a result. On a page-table entry: a full fence. */
  and<T extends Shape>(label: string, field: Field<T>, mask: BitsOperand<T>): void {
    const c = nodeOf(mask as Operand<U64>);
    const text = `${place(field)} &= ${exprText(c)}`;
    this.out.step(pick(field, "ANDV", "PTE_AND"), label, { at: field.address, c }, text);
  }

  /** Set bits of a page-table entry; gives the old entry. */
  fetchOr<T extends Shape>(label: string, field: Field<T>, mask: BitsOperand<T>): Expr<T> {
    const c = nodeOf(mask as Operand<U64>);
    const text = `fetch_or(${place(field)}, ${exprText(c)})`;
    return this.value(this.#pte(label, field, "PTE_OR"), label, field.shape, { at: field.address, c }, text);
  }

  /** Keep only the bits of `mask` in a page-table entry; gives the old entry. */
  fetchAnd<T extends Shape>(label: string, field: Field<T>, mask: BitsOperand<T>): Expr<T> {
    const c = nodeOf(mask as Operand<U64>);
    const text = `fetch_and(${place(field)}, ${exprText(c)})`;
    return this.value(this.#pte(label, field, "PTE_AND"), label, field.shape, { at: field.address, c }, text);
  }

  /** Wait, as a disabled step and not a loop, until the word stands in this relation to `value`; gives the word. */
  await<T extends Shape>(
    label: string,
    field: Field<T>,
    relation: Relation,
    value: Operand<NoInfer<T>>,
  ): Expr<T> {
    const c = nodeOf(value);
    const operands = { at: field.address, c, relation: RELATIONS[relation] };
    const text = `await(${place(field)} ${RELATION_TEXT[relation]} ${exprText(c)})`;
    return this.value(this.#word(label, field, "AWAIT"), label, field.shape, operands, text);
  }

  /** Set one CPU's bit; gives the old bit. Full fence. */
  maskSet(label: string, mask: CpuMask, cpu: Operand<U64>): Expr<Bool> {
    return this.#maskBit("MASK_SET", "test_and_set", label, mask, cpu);
  }

  /** Clear one CPU's bit; gives the old bit. Full fence. */
  maskClear(label: string, mask: CpuMask, cpu: Operand<U64>): Expr<Bool> {
    return this.#maskBit("MASK_CLR", "test_and_clear", label, mask, cpu);
  }

  maskTest(label: string, mask: CpuMask, cpu: Operand<U64>): Expr<Bool> {
    return this.#maskBit("MASK_TEST", "test", label, mask, cpu);
  }

  /** The smallest CPU in the mask that is `from` or more; `k.cpus` when there is none. */
  maskNext(label: string, mask: CpuMask, from: Operand<U64>): Expr<U64> {
    const c = nodeOf(from);
    const text = `cpumask_next(${place(mask)}, ${exprText(c)})`;
    return this.value("MASK_NEXT", label, u64, { at: mask.address, c }, text);
  }

  maskZero(label: string, mask: CpuMask): void {
    this.out.step("MASK_ZERO", label, { at: mask.address }, `${place(mask)} = 0`);
  }

  maskCount(label: string, mask: CpuMask): Expr<U64> {
    return this.value("MASK_COUNT", label, u64, { at: mask.address }, `cpumask_weight(${place(mask)})`);
  }

  protected value<T extends Shape>(
    op: OpName,
    label: string,
    shape: T,
    operands: StepOperands,
    text: string,
  ): Expr<T> {
    const slot = this.out.stepValue(op, label, operands, text);
    return shape.over({ kind: "slot", slot }) as Expr<T>;
  }

  #maskBit(op: OpName, verb: string, label: string, mask: CpuMask, cpu: Operand<U64>): Expr<Bool> {
    const c = nodeOf(cpu);
    return this.value(op, label, bool, { at: mask.address, c }, `${verb}(${exprText(c)}, ${place(mask)})`);
  }

  #word(label: string, field: Field<Shape>, op: OpName): OpName {
    if (field.address.field !== "pte") return op;
    return this.out.path.fail(`there is no ${op} on page-table entries`, "use xchg, cmpxchg, and, or", label);
  }

  #pte(label: string, field: Field<Shape>, op: OpName): OpName {
    if (field.address.field === "pte") return op;
    return this.out.path.fail(`${op} works on page-table entries only`, "use and, or, cmpxchg", label);
  }
}

function pick(field: Field<Shape>, word: OpName, entry: OpName): OpName {
  return field.address.field === "pte" ? entry : word;
}

/** Amounts wrap, so a huge constant is meant as a negative one. */
function signedText(amount: Node): string {
  if (amount.kind !== "constant" || amount.value <= ALL_ONES >> 1n) return exprText(amount);
  return `${BigInt.asIntN(64, amount.value)}`;
}
