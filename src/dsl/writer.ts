/** One program being written: ops, sites, inline path, registers and the text of the listing. */

import { NONE, type OpName } from "./isa.js";
import type { Layout } from "./layout.js";
import { exprText } from "./listing.js";
import { type Emitted, type InRegister, Lowering } from "./lower.js";
import type { Node } from "./nodes.js";
import { InlinePath } from "./path.js";
import type { MicroOp, Site } from "./program.js";
import { holdsNoRegisters, RegisterFile, type Slot } from "./registers.js";
import type { Replacement } from "./routine.js";
import type { Address } from "./state.js";
import type { SourceLine } from "./where.js";

/** Names in order of first use; an op's immediate is the index. */
export class NameTable {
  readonly names: string[] = [];
  index(name: string): bigint {
    const known = this.names.indexOf(name);
    return BigInt(known >= 0 ? known : this.names.push(name) - 1);
  }
}

/** What all programs of one assembly share. */
export interface Assembly {
  readonly cpus: number;
  readonly radixBits: number;
  readonly layout: Layout;
  readonly ops: MicroOp[];
  readonly sites: Site[];
  readonly windows: NameTable;
  readonly counters: NameTable;
  readonly works: NameTable;
  /** By the body of the routine that each stands in for. */
  readonly replacements: ReadonlyMap<object, Replacement>;
}

/** Operands of a step as trees; the writer puts them into registers. */
export interface StepOperands {
  readonly at?: Address;
  readonly a?: Node;
  readonly b?: Node;
  readonly c?: Node;
  readonly d?: Node;
  /** An operand that is a number in the op itself. */
  readonly relation?: number;
  readonly imm?: bigint;
  /** Registers that the op writes besides dst, as operands b and c. */
  readonly alsoWrites?: { readonly b: Slot; readonly c: Slot };
}

/** Something a program must leave in order: a held lock, interrupts that are off, a loop, a branch. */
export interface Block {
  readonly kind: "lock" | "irqs" | "loop" | "branch";
  readonly name: string;
  /** Ops of a loop that jump behind its end. */
  readonly breaks: number[];
}

export class Writer {
  readonly assembly: Assembly;
  readonly path: InlinePath;
  readonly registers = new RegisterFile();
  readonly text: string[] = [];
  readonly blocks: Block[] = [];
  readonly [holdsNoRegisters] = true;
  readonly #lowering: Lowering;
  #indent = 1;
  #furthestTarget: number;

  constructor(assembly: Assembly, program: string) {
    this.assembly = assembly;
    this.path = new InlinePath(program);
    this.#furthestTarget = this.here();
    this.#lowering = new Lowering(this.registers, (op) => this.#emit(op));
  }

  /** Inline a routine: its own labels, its own registers except those of what it returns. */
  inline<R>(id: object, name: string, body: () => R): R {
    this.path.enter(id, name);
    this.line(`${name} {`);
    const result = this.indented(() => this.scope(body));
    this.line("}");
    this.path.leave();
    return result;
  }

  /** A lexical block whose registers are freed at its end, except those that its result mentions. */
  scope<R>(body: () => R): R {
    this.registers.openBlock();
    const result = body();
    this.registers.closeBlock(result);
    return result;
  }

  /** Run `body` inside a block that the program must leave in order. */
  within<R>(block: Block, body: () => R): R {
    this.blocks.push(block);
    const result = body();
    this.blocks.pop();
    return result;
  }

  indented<R>(body: () => R): R {
    this.#indent++;
    const result = body();
    this.#indent--;
    return result;
  }

  line(text: string): void {
    this.text.push("  ".repeat(this.#indent) + text);
  }

  /** Put the opening line of a loop before the lines that its condition wrote. */
  openLoop(at: number, condition: string): void {
    this.text.splice(at, 0, `${"  ".repeat(this.#indent)}while (${condition}) {`);
  }

  /** Emit one step. `text` is its statement in the listing, `at` its line where that is not near. */
  step(op: OpName, label: string, operands: StepOperands, text: string, at?: SourceLine): void {
    const site = this.#site(label, at);
    this.#withOperands(operands, label, (placed) => {
      // Steps never write over their own temporaries, so the engine may write before it reads.
      const scratch = writesOldValue(op) ? this.registers.take() : undefined;
      this.#emit({ op, ...placed, ...(scratch && { dst: scratch.register }), site });
      if (scratch) this.registers.release(scratch);
    });
    this.line(`${label}: ${text};`);
  }

  /** Emit one step that gives a value; it is named after the label. */
  stepValue(
    op: OpName,
    label: string,
    operands: StepOperands,
    text: string,
    into?: Slot,
    at?: SourceLine,
  ): Slot {
    const site = this.#site(label, at);
    const dst = this.#withOperands(operands, label, (placed) => {
      const slot = into ?? this.registers.allocate(identifier(label), false);
      this.#emit({ op, ...placed, dst: slot.register, site });
      return slot;
    });
    // "batch := word" is a labelled step; "i = i + 1" is free.
    const { name } = dst;
    this.line(name === label ? `${label} := ${text};` : `${label}: ${name} = ${text};`);
    return dst;
  }

  /** Emit an op that only the oracle and the statistics see. Its label need not be unique. */
  ghost(op: OpName, label: string, operands: StepOperands, text: string, at?: SourceLine): void {
    const site = this.assembly.sites.push(this.path.site(label, at)) - 1;
    this.#withOperands(operands, label, (placed) => this.#emit({ op, ...placed, site }));
    this.line(text);
  }

  /** End the program with a status. */
  end(status: Node, at?: SourceLine): void {
    this.ghost("END", "return", { a: status }, `return ${exprText(status)};`, at);
  }

  /** True when nothing can come here: the last op ends the program and no jump leads behind it. */
  get hasEnded(): boolean {
    return this.assembly.ops.at(-1)?.op === "END" && this.#furthestTarget < this.here();
  }

  /** Write an expression into a register that the caller owns. */
  assign(slot: Slot, node: Node): void {
    this.#lowering.into(this.registers.registerOf(slot), node);
    this.line(`${slot.name} = ${exprText(node)};`);
  }

  /** A jump to be aimed later; with a condition, it is taken when the condition fails. */
  jumpUnless(condition?: Node): number {
    if (condition === undefined) return this.#emit({ op: "JMP" });
    const tested = this.#lowering.test(condition);
    const op = tested.failsOn === "zero" ? "BZ" : "BNZ";
    const at = this.#emit({ op, a: tested.register });
    tested.release();
    return at;
  }

  /** Aim a jump at `target`, by default at the next op. */
  aim(jump: number, target = this.here()): void {
    const { ops } = this.assembly;
    this.#furthestTarget = Math.max(this.#furthestTarget, target);
    ops[jump] = { ...ops[jump]!, imm: BigInt(target) };
  }

  here(): number {
    return this.assembly.ops.length;
  }

  #withOperands<R>(operands: StepOperands, label: string, use: (placed: Partial<MicroOp>) => R): R {
    const { at, alsoWrites, relation } = operands;
    const field = at === undefined || at.field === "pte" ? undefined : at.field;
    const imm = field === undefined ? (operands.imm ?? 0n) : this.assembly.layout.immediate(field, label);
    const a = this.#placed(at?.base ?? operands.a);
    const b = this.#placed(at?.offset ?? operands.b);
    const c = this.#placed(operands.c);
    const d = this.#placed(operands.d);
    const result = use({
      a: a?.register ?? NONE,
      b: alsoWrites?.b.register ?? b?.register ?? NONE,
      c: alsoWrites?.c.register ?? c?.register ?? NONE,
      d: relation ?? d?.register ?? NONE,
      imm,
    });
    for (const held of [a, b, c, d]) held?.release();
    return result;
  }

  #placed(node: Node | undefined): InRegister | undefined {
    return node && this.#lowering.value(node);
  }

  #emit({ op, dst = NONE, a = NONE, b = NONE, c = NONE, d = NONE, imm = 0n, site = -1 }: Emitted): number {
    return this.assembly.ops.push({ op, dst, a, b, c, d, imm, site }) - 1;
  }

  #site(label: string, at?: SourceLine): number {
    this.path.claim(label);
    return this.assembly.sites.push(this.path.site(label, at)) - 1;
  }
}

/** PTE read-modify-writes always give the old value; a step without a result throws it away. */
function writesOldValue(op: OpName): boolean {
  return op === "PTE_AND" || op === "PTE_OR";
}

/** A label as a name: "old pte" becomes old_pte. */
function identifier(label: string): string {
  return label.replace(/[^A-Za-z0-9]+/g, "_");
}
