/** Locks and interrupts are lexical: what a block takes, its end gives back. */

import { Control } from "./control.js";
import type { OpName } from "./isa.js";
import { place } from "./listing.js";
import { type Bool, bool, type Expr } from "./shapes.js";
import type { RwLock, SpinLock } from "./state.js";
import { Held, WriteHeld } from "./tokens.js";
import { callSite, type SourceLine } from "./where.js";
import type { Block } from "./writer.js";

interface Critical {
  readonly acquire: OpName;
  readonly acquireText: string;
  readonly release: OpName;
  readonly releaseText: string;
}

const SPIN: Critical = {
  acquire: "LOCK",
  acquireText: "spin_lock",
  release: "UNLOCK",
  releaseText: "spin_unlock",
};
const READ: Critical = {
  acquire: "RLOCK",
  acquireText: "down_read",
  release: "RUNLOCK",
  releaseText: "up_read",
};
const WRITE: Critical = {
  acquire: "WLOCK",
  acquireText: "down_write",
  release: "WUNLOCK",
  releaseText: "up_write",
};

type AnyLock = SpinLock<string> | RwLock<string>;

export class Locks extends Control {
  /** Run `body` under a spinlock and give its result. The steps are labelled "lock LABEL" and "unlock LABEL". */
  locked<N extends string, R>(lock: SpinLock<N>, body: (held: Held<N>) => R, label: string = lock.name): R {
    const held = new Held<N>(lock.name);
    return this.#critical(lock, SPIN, held, () => body(held), label);
  }

  /** Run `body` under the read side of a semaphore. */
  readLocked<N extends string, R>(
    lock: RwLock<N>,
    body: (held: Held<`${N}:read`>) => R,
    label: string = lock.name,
  ): R {
    const held = new Held<`${N}:read`>(`${lock.name}:read`);
    return this.#critical(lock, READ, held, () => body(held), label);
  }

  /** Run `body` under the write side of a semaphore; `held.downgrade(label)` turns it into the read side. */
  writeLocked<N extends string, R>(
    lock: RwLock<N>,
    body: (held: WriteHeld<N>) => R,
    label: string = lock.name,
  ): R {
    let block: Block | undefined;
    let reading: Held<`${N}:read`> | undefined;
    const held = new WriteHeld<N>(`${lock.name}:write`, (step) => {
      this.#refuseInBranch(block!, step);
      this.out.step("DOWNGRADE", step, { at: lock.address }, `downgrade_write(${place(lock)})`);
      held.end();
      reading = new Held(`${lock.name}:read`);
      return reading;
    });
    const outcome = this.#critical(
      lock,
      WRITE,
      held,
      (own) => {
        block = own;
        return body(held);
      },
      label,
      () => (reading ? READ : WRITE),
    );
    reading?.end();
    return outcome;
  }

  /** Try to take a spinlock: `then` runs under it, `otherwise` without it. Tells whether it was taken. */
  trylock<N extends string>(
    label: string,
    lock: SpinLock<N>,
    then: (held: Held<N>) => void,
    otherwise?: () => void,
  ): Expr<Bool> {
    const text = `spin_trylock(${place(lock)})`;
    const taken = this.value("TRYLOCK", label, bool, { at: lock.address }, text);
    const held = new Held<N>(lock.name);
    this.#afterTry(taken, lock, SPIN, held, () => then(held), label, otherwise);
    return taken;
  }

  /** Try to take the read side of a semaphore, as trylock() does with a spinlock. */
  tryReadLocked<N extends string>(
    label: string,
    lock: RwLock<N>,
    then: (held: Held<`${N}:read`>) => void,
    otherwise?: () => void,
  ): Expr<Bool> {
    const text = `down_read_trylock(${place(lock)})`;
    const taken = this.value("TRYRLOCK", label, bool, { at: lock.address }, text);
    const held = new Held<`${N}:read`>(`${lock.name}:read`);
    this.#afterTry(taken, lock, READ, held, () => then(held), label, otherwise);
    return taken;
  }

  /** Run `body` with this CPU's interrupts off. Inside another such block it does nothing. */
  irqsOff<R>(body: () => R): R {
    const { out } = this;
    if (out.blocks.some((block) => block.kind === "irqs")) return out.scope(body);
    out.step("IRQ_OFF", out.path.automaticLabel("irqs off"), {}, "local_irq_disable()");
    const block: Block = { kind: "irqs", name: "interrupts off", breaks: [] };
    const result = out.within(block, () => out.indented(() => out.scope(body)));
    out.step("IRQ_ON", out.path.automaticLabel("irqs on"), {}, "local_irq_enable()");
    return result;
  }

  #critical<R>(
    lock: AnyLock,
    how: Critical,
    held: Held<string>,
    body: (block: Block) => R,
    label: string,
    releaseAs: () => Critical = () => how,
  ): R {
    const { out } = this;
    out.step(
      how.acquire,
      out.path.automaticLabel(`lock ${label}`),
      { at: lock.address },
      `${how.acquireText}(${place(lock)})`,
    );
    const block: Block = { kind: "lock", name: `lock "${lock.name}"`, breaks: [] };
    const result = out.within(block, () => out.indented(() => out.scope(() => body(block))));
    held.end();
    this.#unlock(lock, releaseAs(), label);
    return result;
  }

  #afterTry(
    taken: Expr<Bool>,
    lock: AnyLock,
    how: Critical,
    held: Held<string>,
    then: () => void,
    label: string,
    otherwise?: () => void,
  ): void {
    const at = callSite();
    const block: Block = { kind: "lock", name: `lock "${lock.name}"`, breaks: [] };
    const under = (): void => {
      this.out.within(block, () => this.out.scope(then));
      held.end();
      this.#unlock(lock, how, label, at);
    };
    this.if(taken, under, otherwise);
  }

  #unlock(lock: AnyLock, how: Critical, label: string, at?: SourceLine): void {
    const { out } = this;
    const text = `${how.releaseText}(${place(lock)})`;
    out.step(how.release, out.path.automaticLabel(`unlock ${label}`), { at: lock.address }, text, at);
  }

  /** A lock downgraded on one path only could not be released rightly behind the join. */
  #refuseInBranch(own: Block, label: string): void {
    const { blocks } = this.out;
    const inner = blocks.slice(blocks.indexOf(own) + 1);
    if (inner.some((block) => block.kind === "branch" || block.kind === "loop")) {
      this.out.path.fail(
        "a lock is downgraded inside a branch or a loop",
        "downgrade directly in the body of k.writeLocked",
        label,
      );
    }
  }
}
