/** Branches, loops and variables of a run-time program. JS `if` and `for` choose at assembly time instead. */

import { Hardware } from "./hardware.js";
import { exprText, place } from "./listing.js";
import { binary, constant, isStable, type Node, not } from "./nodes.js";
import type { Slot } from "./registers.js";
import { type Bool, bool, type Expr, type Operand, type Shape, type U64, u64 } from "./shapes.js";
import type { CpuMask } from "./state.js";
import { type AnyOperand, nodeOf } from "./values.js";
import { callSite, type SourceLine } from "./where.js";
import type { Block, Writer } from "./writer.js";

/** A register that can change. get() is a formula over it: it shows the value at the place of use. */
export class Var<T extends Shape> {
  readonly slot: Slot;
  readonly #out: Writer;
  readonly #value: Expr<T>;

  constructor(out: Writer, slot: Slot, value: Expr<T>) {
    this.#out = out;
    this.slot = slot;
    this.#value = value;
  }

  get(): Expr<T> {
    return this.#value;
  }

  set(value: Operand<T>): void {
    this.#out.assign(this.slot, nodeOf(value));
  }
}

export class Control extends Hardware {
  readonly #atEnds: (() => void)[] = [];

  /** A variable of the enclosing block. `name` is what the listing calls it. */
  var(init: number | bigint, name?: string): Var<U64>;
  var(init: boolean, name?: string): Var<Bool>;
  var<T extends Shape>(init: Expr<T>, name?: string): Var<T>;
  var(init: AnyOperand, name = "v"): Var<Shape> {
    const slot = this.out.registers.allocate(name, true);
    this.out.assign(slot, nodeOf(init));
    const example =
      typeof init === "object" ? init : typeof init === "boolean" ? bool.of(init) : u64.of(init);
    return new Var(this.out, slot, example.like({ kind: "slot", slot }) as Expr<Shape>);
  }

  /** The value that an expression has here, kept for the rest of the block. */
  copy<T extends Shape>(value: Expr<T>, name = "copy"): Expr<T> {
    const slot = this.out.registers.allocate(name, false);
    this.out.assign(slot, value.node);
    return value.like({ kind: "slot", slot }) as Expr<T>;
  }

  /** Branch at run time. A condition that is constant at assembly costs nothing. */
  if(condition: Expr<Bool>, then: () => void, otherwise?: () => void): void {
    const { node } = condition;
    if (node.kind === "constant") {
      const taken = node.value === 0n ? otherwise : then;
      if (taken) this.out.scope(() => void taken());
      return;
    }
    const toElse = this.out.jumpUnless(node);
    this.out.line(`if (${exprText(node)}) {`);
    this.#branch(then);
    if (otherwise) {
      const toEnd = this.out.jumpUnless();
      this.out.aim(toElse);
      this.out.line("} else {");
      this.#branch(otherwise);
      this.out.aim(toEnd);
    } else {
      this.out.aim(toElse);
    }
    this.out.line("}");
  }

  /** Loop while the condition holds. It is evaluated before every turn and may contain steps. */
  while(condition: () => Expr<Bool>, body: () => void): void {
    this.#loop(() => condition().node, body);
  }

  /** Leave the innermost loop if the condition holds. */
  breakIf(condition: Expr<Bool>): void {
    const { out } = this;
    const { node } = condition;
    const at = out.blocks.findLastIndex((block) => block.kind === "loop");
    const loop = out.blocks[at];
    if (loop === undefined) {
      return void out.path.fail("breakIf stands outside a loop", "use it in the body of k.while");
    }
    this.#refuseIfHolding(at, "breakIf jumps");
    if (node.kind !== "constant") loop.breaks.push(out.jumpUnless(not(node)));
    else if (node.value !== 0n) loop.breaks.push(out.jumpUnless());
    else return;
    out.line(`if (${exprText(node)}) break;`);
  }

  /** Count from `start` to `end` (exclusive) by `step`; all three are taken once, before the first turn. */
  forRange(
    start: Operand<U64>,
    end: Operand<U64>,
    step: Operand<U64>,
    body: (i: Expr<U64>) => void,
    name = "i",
  ): void {
    this.out.scope(() => {
      const limit = this.#stable(nodeOf(end), `${name}_end`);
      const stride = this.#stable(nodeOf(step), `${name}_step`);
      const i = this.var(u64.over(nodeOf(start)) as Expr<U64>, name);
      const { node } = i.get();
      this.#loop(
        () => binary("LTU", node, limit),
        () => body(i.get()),
        () => this.out.assign(i.slot, binary("ADD", node, stride)),
      );
    });
  }

  /** Visit the CPUs of a mask in rising order. Every turn reads the mask anew, as for_each_cpu() does. */
  forEachCpu(label: string, mask: CpuMask, body: (cpu: Expr<U64>) => void): void {
    const at = callSite();
    this.out.scope(() => {
      const cpu = this.var(0, "cpu");
      const c = cpu.get().node;
      const text = `cpumask_next(${place(mask)}, ${exprText(c)})`;
      this.#loop(
        () => {
          this.out.stepValue("MASK_NEXT", label, { at: mask.address, c }, text, cpu.slot, at);
          return binary("LTU", c, constant(BigInt(this.out.assembly.cpus)));
        },
        () => body(cpu.get()),
        () => this.out.assign(cpu.slot, binary("ADD", c, constant(1n))),
      );
    });
  }

  /** End the program with this status: 0 done, 1 SIGSEGV. */
  return(status: Operand<U64>): void {
    this.#refuseIfHolding(0, "the program returns");
    for (const body of this.#atEnds) body();
    this.out.end(nodeOf(status));
  }

  /** Where the body of a program ends without having said so. */
  finish(at: SourceLine): void {
    for (const body of this.#atEnds) body();
    this.out.end(constant(0n), at);
  }

  /** What the program does last, wherever it ends; `body` is a routine's call, because it may be emitted several times. */
  atEnd(body: () => void): void {
    this.#atEnds.push(body);
  }

  #branch(body: () => void): void {
    const block: Block = { kind: "branch", name: "if", breaks: [] };
    this.out.indented(() => this.out.within(block, () => this.out.scope(() => void body())));
  }

  #loop(condition: () => Node, body: () => void, next?: () => void): void {
    const { out } = this;
    const block: Block = { kind: "loop", name: "loop", breaks: [] };
    const top = out.here();
    const opening = out.text.length;
    out.scope(() =>
      out.within(block, () => {
        const node = out.indented(condition);
        if (node.kind === "constant" && node.value === 0n) return;
        if (node.kind !== "constant") block.breaks.push(out.jumpUnless(node));
        const hasSteps = out.text.length > opening;
        out.openLoop(opening, hasSteps ? "true" : exprText(node));
        out.indented(() => {
          if (hasSteps && node.kind !== "constant") out.line(`if (${exprText(not(node))}) break;`);
          body();
          next?.();
        });
        out.line("}");
        out.aim(out.jumpUnless(), top);
      }),
    );
    for (const jump of block.breaks) out.aim(jump);
  }

  #refuseIfHolding(from: number, what: string): void {
    const held = this.out.blocks.slice(from).find((block) => block.kind === "lock" || block.kind === "irqs");
    if (held) {
      this.out.path.fail(
        `${what} out of a block that holds ${held.name}`,
        "keep the outcome in a k.var and leave after the block",
      );
    }
  }

  /** The node itself when it cannot change, else a copy in the current block. */
  #stable(node: Node, name: string): Node {
    return isStable(node) ? node : this.copy(u64.over(node) as Expr<U64>, name).node;
  }
}
