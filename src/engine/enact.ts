/**
 * A recording as a schedule for the simulated kernel: every recorded call, fault and switch happens on its CPU, in its order, and
 * what the kernel of the recording flushed is compared with what the simulated one flushes.
 */
import { basename } from "node:path";
import { Process, type Thread } from "../trace/process.js";
import { joinProcess } from "../trace/record-writer.js";
import { actsAtItsEnd, isMemoryCall } from "../trace/tracepoint-call.js";
import * as fact from "../trace/tracepoint-event.js";
import type { Recorded, RecordedCall, RecordedEvent, RecordedEvents } from "../trace/tracepoint-stream.js";
import { Item, ItemTally } from "./enact-items.js";
import { EnactKernel } from "./enact-kernel.js";
import { EnactMemory } from "./enact-memory.js";
import type { StageSize } from "./enact-stage.js";
import type { RecordedFlushes } from "./result.js";

type Event<K extends RecordedEvent["kind"]> = Extract<RecordedEvent, { kind: K }>;

/** User addresses are below this. */
const addressEnd = 2 ** 47;
const forks: ReadonlySet<string> = new Set(["clone", "clone3", "fork", "vfork"]);
const FORK_ROW = "fork";
const COPY_ROW = "write-protection fault";
const FAULT_ROW = "other page fault";

/** A recorded thread, and what it is in the middle of. */
interface Actor {
  readonly thread: Thread;
  call: Item | undefined;
  /** The call has made a process, so that it counts as a fork. */
  hasForked: boolean;
  /** The fault that it had last, until its next event that is no flush. */
  fault: Item | undefined;
}

/** Takes the events of one recording, in order. */
export class Enactment {
  readonly #file: string;
  readonly #kernel: EnactKernel;
  readonly #memory: EnactMemory;
  readonly #tally = new ItemTally();
  readonly #actors = new Map<number, Actor>();
  /** A process of each id that lines name. */
  readonly #processes = new Map<number, Process>();
  readonly #recorded = { remoteShootdowns: 0, interrupts: 0 };
  #hasFlushes = false;
  #tasks = 0;
  #mms = 0;

  constructor(file: string, size: StageSize) {
    this.#file = file;
    this.#kernel = new EnactKernel(size);
    this.#memory = new EnactMemory(file, this.#kernel);
  }

  event(event: RecordedEvent): void {
    this.#kernel.stage.until(event.time);
    const known = this.#actors.get(event.tid);
    if (event.kind !== "flush" && known?.fault !== undefined) {
      this.#tally.add(known.fault);
      known.fault = undefined;
    }
    switch (event.kind) {
      case "call":
        this.#call(event);
        return;
      case "return":
        this.#return(event, event.call);
        return;
      case "fault":
        this.#fault(event);
        return;
      case "flush":
        this.#flush(event, known);
        return;
      case "switch":
        this.#switch(event, known);
        return;
      case "fork":
        this.#fork(event, event.child, event.isThread);
        return;
      case "end":
        if (known !== undefined) this.#end(event, known);
        return;
      default:
        if (known !== undefined) this.#kernel.cpus.run(event.cpu, known.thread.task);
    }
  }

  /** Undefined when the recording has no flush at all: its kernel has told nothing to compare with. */
  result({ name, format, lost }: Omit<RecordedEvents, "next" | "close">): RecordedFlushes | undefined {
    if (!this.#hasFlushes) return undefined;
    for (const { fault } of this.#actors.values()) if (fault !== undefined) this.#tally.add(fault);
    const pair = (name: "remoteShootdowns" | "interrupts") => ({
      recorded: this.#recorded[name],
      predicted: this.#kernel.counts[name],
    });
    return {
      ...{ file: name ?? basename(this.#file), format, rows: this.#tally.rows },
      remoteShootdowns: pair("remoteShootdowns"),
      interrupts: pair("interrupts"),
      faults: { ...this.#memory.counts },
      lost,
      violations: this.#kernel.violations.reduce((sum, { count }) => sum + count, 0),
      disagreements: this.#tally.examples,
    };
  }

  #call(call: RecordedCall): void {
    const actor = this.#actor(call);
    const { name, line } = call;
    actor.hasForked = false;
    const isForking = forks.has(name);
    const item = new Item(isForking ? FORK_ROW : name, line);
    actor.call = isForking || isMemoryCall(name) ? item : undefined;
    if (!actsAtItsEnd(name)) this.#effect(actor, call);
  }

  #return(at: Recorded, call: RecordedCall): void {
    const actor = this.#actor(at);
    if (actsAtItsEnd(call.name)) this.#effect(actor, call);
    this.#kernel.stage.finish(at.cpu);
    const { call: item } = actor;
    actor.call = undefined;
    if (item !== undefined && (item.name !== FORK_ROW || actor.hasForked)) this.#tally.add(item);
  }

  /** Begins what the call does; it goes on as time does, and at the latest until it returns. */
  #effect({ thread, call: item }: Actor, call: RecordedCall): void {
    this.#kernel.for(this.#kernel.cpus.of(thread.task), item);
    this.#memory.begin(thread, call);
  }

  #fault(event: Event<"fault">): void {
    const { address, error, line, cpu } = event;
    if (address < 0 || address >= addressEnd) return;
    const actor = this.#actor(event);
    const isCopy = (error & fact.FAULT_PRESENT) !== 0 && (error & fact.FAULT_WRITE) !== 0;
    actor.fault = new Item(isCopy ? COPY_ROW : FAULT_ROW, line);
    this.#kernel.for(cpu, actor.fault);
    this.#memory.fault(actor.thread, event);
    this.#kernel.for(cpu, actor.call);
  }

  /** It moves nobody to its CPU: a flush is what is to be predicted. */
  #flush({ pages, reason }: Event<"flush">, actor: Actor | undefined): void {
    this.#hasFlushes = true;
    if (reason === fact.FLUSH_REMOTE) this.#recorded.remoteShootdowns++;
    if (reason === fact.FLUSH_REMOTE || reason === fact.FLUSH_WRONG_CPU) this.#recorded.interrupts++;
    const item = actor?.fault ?? actor?.call;
    if (reason === fact.FLUSH_SEND) item?.recordedFlush(pages, true);
    if (reason === fact.FLUSH_LOCAL || reason === fact.FLUSH_LOCAL_BATCH) item?.recordedFlush(pages, false);
  }

  #switch(event: Event<"switch">, prev: Actor | undefined): void {
    const { cpu, next, nextComm } = event;
    const { cpus } = this.#kernel;
    if (prev !== undefined) cpus.run(cpu, prev.thread.task);
    const actor = this.#actors.get(next);
    this.#kernel.for(cpu, undefined);
    if (actor === undefined) cpus.leave(cpu, next, nextComm);
    else {
      cpus.run(cpu, actor.thread.task);
      this.#kernel.for(cpu, actor.call);
    }
  }

  #fork(at: Recorded, child: number, isThread: boolean): void {
    const parent = this.#actor(at);
    if (this.#actors.has(child)) return;
    if (isThread) {
      const { process } = joinProcess(parent.thread);
      const { task } = this.#add(child, process).thread;
      this.#kernel.stage.place(task, process.mm);
      return;
    }
    parent.hasForked = true;
    const process = parent.thread.process.fork(this.#mms++);
    const { task } = this.#add(child, process).thread;
    this.#processes.set(child, process);
    this.#kernel.for(at.cpu, parent.call);
    this.#kernel.run(at.cpu, "fork", [process.mm, task]);
  }

  #end(at: Recorded, actor: Actor): void {
    const { thread } = actor;
    this.#kernel.cpus.run(at.cpu, thread.task);
    this.#kernel.for(at.cpu, undefined);
    this.#kernel.run(at.cpu, "exit", []);
    thread.isAlive = false;
    this.#actors.delete(at.tid);
    // Its number may be given to another process later.
    const isLast = [...this.#actors.values()].every((other) => other.thread.process !== thread.process);
    for (const [pid, process] of this.#processes)
      if (isLast && process === thread.process) this.#processes.delete(pid);
  }

  /** The thread of an event, on the event's CPU; one that nobody was seen to create begins here. */
  #actor({ tid, pid, cpu }: Recorded): Actor {
    let actor = this.#actors.get(tid);
    if (actor === undefined) {
      const known = pid === undefined ? undefined : this.#processes.get(pid);
      const process = known ?? new Process(this.#mms++);
      if (known !== undefined) process.threads++;
      actor = this.#add(tid, process);
      if (pid !== undefined) this.#processes.set(pid, process);
      this.#kernel.stage.place(actor.thread.task, process.mm);
    }
    this.#kernel.cpus.run(cpu, actor.thread.task);
    return actor;
  }

  #add(tid: number, process: Process): Actor {
    const number = this.#tasks++;
    const thread = { number, task: number, process, waitedRank: 0, isAlive: true };
    this.#memory.add(thread);
    const actor = { thread, call: undefined, hasForked: false, fault: undefined };
    this.#actors.set(tid, actor);
    return actor;
  }
}
