/**
 * The builder `k` that a mechanism writes its steps with.
 *
 * Running a mechanism once, at assembly, is its compilation: every method appends micro-ops. One step is one shared
 * access with one label. The methods come from a chain of classes, one idea each: accesses, hardware, control, locks.
 */

import { RIGHTS, type Rights } from "./isa.js";
import { exprText } from "./listing.js";
import { Locks } from "./locks.js";
import type { Replacement } from "./routine.js";
import { type Expr, type Operand, type U64, u64 } from "./shapes.js";
import { refuseEnded } from "./tokens.js";
import { nodeOf } from "./values.js";

export class Builder extends Locks {
  /** Page-table levels: 3 is the root, 0 holds the PTEs. */
  readonly levels = 4;

  /** CPUs of the machine, known at assembly. */
  get cpus(): number {
    return this.out.assembly.cpus;
  }

  /** Bits of a vpn that each level of the page table consumes, known at assembly. */
  get radixBits(): number {
    return this.out.assembly.radixBits;
  }

  /** The CPU that runs the program. */
  cpu(): Expr<U64> {
    return u64.over({ kind: "own", op: "CPU" }) as Expr<U64>;
  }

  /** The task that runs the program. */
  task(): Expr<U64> {
    return u64.over({ kind: "own", op: "TASK" }) as Expr<U64>;
  }

  /**
   * Ghost: from here on, accesses to [start, end) vpn that these rights do not cover must fault; after "clean", a store must
   * leave a dirty bit in the page table, however often the page was written before.
   */
  promise(
    root: Operand<U64>,
    start: Operand<U64>,
    end: Operand<U64>,
    rights: Rights,
    label = "promise",
  ): void {
    const [a, b, c] = [nodeOf(root), nodeOf(start), nodeOf(end)];
    const range = `${exprText(b)}..${exprText(c)}`;
    const operands = { a, b, c, imm: BigInt(RIGHTS[rights]) };
    this.out.ghost(
      "PROMISE",
      label,
      operands,
      `${label}: promise(root ${exprText(a)}, ${range}, ${rights});`,
    );
  }

  /** Ghost: software takes the frame for clean. From here on a store to it must leave a dirty bit in the entry that it goes through. */
  judgeClean(label: string, pfn: Operand<U64>): void {
    const a = nodeOf(pfn);
    this.out.ghost("CLEAN", label, { a }, `${label}: judge_clean(${exprText(a)});`);
  }

  /** Ghost: it is on record that the frame is dirty; the judgement that it is clean is void. */
  recordDirty(label: string, pfn: Operand<U64>): void {
    const a = nodeOf(pfn);
    this.out.ghost("DIRTY", label, { a }, `${label}: record_dirty(${exprText(a)});`);
  }

  /** Ghost: what comes here may sleep, so neither may a spinlock be held nor interrupts be off. */
  mightSleep(label: string): void {
    this.out.ghost("SLEEP", label, {}, `${label}: might_sleep();`);
  }

  /** Ghost: names the danger between the step before and the step behind. */
  window(text: string): void {
    this.out.ghost("WINDOW", text, { imm: this.out.assembly.windows.index(text) }, `~ window: ${text}`);
  }

  /** Ghost: adds to a counter of the report, 1 by default. */
  count(name: string, amount: Operand<U64> = 1): void {
    const a = nodeOf(amount);
    const once = a.kind === "constant" && a.value === 1n;
    const operands = { ...(once ? {} : { a }), imm: this.out.assembly.counters.index(name) };
    this.out.ghost("COUNT", `count ${name}`, operands, `count(${name}${once ? "" : `, ${exprText(a)}`});`);
  }

  /** Ghost: this CPU starts to make others flush. */
  shootdownBegins(): void {
    this.out.ghost("MARK", "shootdown begins", { imm: 0n }, "mark(shootdown begins);");
  }

  /** Ghost: this CPU has seen the last acknowledgement. */
  shootdownEnds(): void {
    this.out.ghost("MARK", "shootdown ends", { imm: 1n }, "mark(shootdown ends);");
  }

  /** Ghost: this CPU starts to flush its own translations, asked by itself or by another one. */
  flushBegins(): void {
    this.out.ghost("MARK", "flush begins", { imm: 2n }, "mark(flush begins);");
  }

  /** Ghost: it has done so. */
  flushEnds(): void {
    this.out.ghost("MARK", "flush ends", { imm: 3n }, "mark(flush ends);");
  }

  /** What stands in for a routine, by its body; routine() asks. */
  replacementOf(body: object): Replacement | undefined {
    return this.out.assembly.replacements.get(body);
  }

  /** Run a routine's body as a part of this program; routine() calls it. */
  inline<R>(id: object, name: string, args: readonly unknown[], body: () => R): R {
    refuseEnded(args);
    return this.out.inline(id, name, body);
  }
}
