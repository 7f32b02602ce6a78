/*
 * A case being played: the machine, and how far each thread has come. A choice says what happens next, as in replay strings.
 *
 * An item that is a call begins together with the choice that ends the item before it; the first items begin before the first choice.
 * An access is a choice of its own, and so is each new try behind a handled fault.
 */
import type { Case, Doing, Liberty } from "../dsl/case.js";
import type { Choice } from "../dsl/choices.js";
import { copyOf } from "./copy.js";
import { argumentOf } from "./setup.js";
import type { SteppableMachine } from "./state.js";

/** One CPU's thread, with its arguments resolved. */
export interface Progress {
  readonly cpu: number;
  readonly does: readonly Doing[];
  /** The item that it is at; does.length when it has done all. */
  at: number;
  /** The program that its CPU runs handles a fault of the access at `at`. */
  isFaulting: boolean;
}

const SUCCESS = 0n;

export class Player<M extends SteppableMachine> {
  readonly machine: M;
  readonly threads: readonly Progress[];
  private readonly play: Case;

  /** Begins the threads, on a machine that has done the case's setup. */
  constructor(machine: M, play: Case) {
    this.machine = machine;
    this.play = play;
    this.threads = play.threads.map(({ cpu, does }) => ({
      cpu,
      does: does.map((item) => this.resolved(item)),
      at: 0,
      isFaulting: false,
    }));
    for (const thread of this.threads) this.begin(thread);
  }

  /** Only for a machine whose classes can be copied. */
  copy(): Player<M> {
    return copyOf(this, [this.play, this.machine.program, this.machine.config]);
  }

  get isFinished(): boolean {
    return this.threads.every(({ at, does }) => at === does.length);
  }

  /** Everything that may be tried in any state; apply() says what is enabled. */
  choices(): Choice[] {
    const { cpus, storeBuffer } = this.machine.config;
    const numbers = (count: number) => Array.from({ length: count }, (_, number) => number);
    return numbers(cpus)
      .flatMap((cpu): Choice[] => [
        { do: "step", cpu },
        { do: "interrupt", cpu },
        ...numbers(storeBuffer).map((index): Choice => ({ do: "drain", cpu, index })),
        ...numbers(cpus).map((index): Choice => ({ do: "broadcast", cpu, index })),
      ])
      .concat(this.play.liberties.map((_, index): Choice => ({ do: "liberty", index })));
  }

  /** False when the choice is not enabled; then nothing has changed, but after a touch that would have faulted the machine is spoilt. */
  apply(choice: Choice): boolean {
    switch (choice.do) {
      case "step":
        return this.goOn(choice.cpu);
      case "interrupt":
        return this.machine.deliver(choice.cpu);
      case "drain":
        return this.machine.drain(choice.cpu, choice.index);
      case "liberty":
        return this.take(this.play.liberties[choice.index]);
      case "broadcast":
        return this.machine.complete(choice.cpu, choice.index);
    }
  }

  private goOn(cpu: number): boolean {
    const running = this.machine.running(cpu);
    if (running === null) return this.access(this.threads.find((thread) => thread.cpu === cpu));
    if (this.machine.step(cpu) === "disabled") return false;
    if (running === "task" && this.machine.running(cpu) === null) {
      const thread = this.threads.find((one) => one.cpu === cpu);
      if (thread !== undefined) this.ended(thread);
    }
    return true;
  }

  /** A CPU in user mode is at an access, or has done all. */
  private access(thread: Progress | undefined): boolean {
    const item = thread?.does[thread.at];
    if (thread === undefined || item === undefined || !("access" in item)) return false;
    const outcome = this.machine.access(thread.cpu, item.vpn, item.access);
    if (outcome === "ok") {
      thread.at++;
      this.begin(thread);
      return true;
    }
    thread.isFaulting = true;
    this.machine.start(thread.cpu, "page_fault", [item.vpn, outcome.fault]);
    if (this.machine.running(thread.cpu) === null) this.ended(thread);
    return true;
  }

  /** Starts the calls from here on, up to one that does something, or to an access. */
  private begin(thread: Progress): void {
    const item = thread.does[thread.at];
    if (item === undefined || "access" in item) return;
    const entry = "call" in item ? item.call : "context_switch";
    const args = "call" in item ? item.args : [item.switchTo];
    this.machine.start(thread.cpu, entry, args as readonly bigint[]);
    if (this.machine.running(thread.cpu) === null) this.ended(thread);
  }

  /** The program that the thread's CPU ran for it has ended. */
  private ended(thread: Progress): void {
    const item = thread.does[thread.at]!;
    if (thread.isFaulting) {
      thread.isFaulting = false;
      // The access is tried again, by a choice of its own.
      if (this.machine.status(thread.cpu) === SUCCESS) return;
    }
    if ("switchTo" in item) this.machine.setTask(thread.cpu, item.switchTo);
    thread.at++;
    this.begin(thread);
  }

  private take(liberty: Liberty | undefined): boolean {
    if (liberty === undefined) return false;
    const { cpu, vpn, kind = 0 } = liberty;
    if (liberty.may === "evict") return this.machine.evict(cpu, vpn);
    if (liberty.may === "touch" && this.machine.running(cpu) !== null) return false;
    const done =
      liberty.may === "fill"
        ? this.machine.speculate(cpu, vpn)
        : this.machine.access(cpu, vpn, kind) === "ok";
    // A walk through a freed table is an event, whether it ends at a translation or not.
    return done || this.machine.state().oracle.violations.length > 0;
  }

  private resolved(item: Doing): Doing {
    if (!("call" in item)) return item;
    return { call: item.call, args: item.args.map((argument) => argumentOf(this.machine, argument)) };
  }
}
