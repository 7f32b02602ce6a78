/**
 * A recording as a schedule for the simulated kernel: every recorded call, fault and switch happens on its CPU, in its order, and
 * what the kernel of the recording flushed is compared with what the simulated one flushes.
 */
import { CallWriter } from "../trace/call-writer.js";
import { Process, type Thread } from "../trace/process.js";
import { joinProcess, RecordWriter, type Writing } from "../trace/record-writer.js";
import { Relocation } from "../trace/relocation.js";
import { actsAtItsEnd, isMemoryCall, type MemoryCall, memoryCall } from "../trace/tracepoint-call.js";
import * as fact from "../trace/tracepoint-event.js";
import type { Recorded, RecordedCall, RecordedEvent } from "../trace/tracepoint-stream.js";
import { FETCH, type FeedSink, LOAD, pageBytes, STORE } from "../workload/feed.js";
import { fileImageWord } from "../workload/vma-word.js";
import { EnactCpus } from "./enact-cpus.js";
import { type Item, ItemTally } from "./enact-items.js";
import { EnactStage, type StageSize } from "./enact-stage.js";
import type { RecordedFlushes } from "./result.js";

type Fault = Extract<RecordedEvent, { kind: "fault" }>;
type Flush = Extract<RecordedEvent, { kind: "flush" }>;
type Switch = Extract<RecordedEvent, { kind: "switch" }>;

const addressEnd = 2 ** 47;
/** Tries of one access, each behind a handled fault. */
const triesMost = 4;
const forks: ReadonlySet<string> = new Set(["clone", "clone3", "fork", "vfork"]);
export const FORK_ROW = "fork";
export const COPY_ROW = "write-protection fault";
export const FAULT_ROW = "other page fault";

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
  readonly #stage: EnactStage;
  readonly #cpus: EnactCpus;
  readonly #records: RecordWriter;
  readonly #calls: CallWriter;
  readonly #tally = new ItemTally();
  readonly #actors = new Map<number, Actor>();
  /** A process of each id that lines name. */
  readonly #processes = new Map<number, Process>();
  /** What the program on each CPU is run for. */
  readonly #purpose: (Item | undefined)[] = [];
  readonly #counts = { executed: [0, 0], interrupts: [0, 0], unneeded: 0, primed: 0 };
  /** Error code of the fault that is being enacted. */
  #error = 0;
  #hasFlushes = false;
  #tasks = 0;
  #mms = 0;

  constructor(file: string, size: StageSize) {
    this.#file = file;
    const strangers = size.tasks;
    const { cpus } = size;
    this.#stage = new EnactStage(
      { ...size, tasks: size.tasks + cpus, mms: size.mms + cpus },
      {
        flushed: (cpu, inHandler, pages) => this.#flushed(cpu, inHandler, pages),
        interrupted: (cpu) => {
          if (this.#cpus.isRecorded(cpu)) this.#counts.interrupts[1]!++;
        },
      },
    );
    for (let cpu = 0; cpu < cpus; cpu++) this.#stage.place(strangers + cpu, size.mms + cpu);
    this.#cpus = new EnactCpus(this.#stage, strangers);
    this.#records = new RecordWriter(new Relocation(1, file), 1, () => {}, fileImageWord);
    this.#records.sink = this.#sink();
    this.#calls = new CallWriter(file, this.#records, 0);
  }

  event(event: RecordedEvent): void {
    this.#stage.until(event.time);
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
        this.#recorded(event, known);
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
        if (known !== undefined) this.#cpus.run(event.cpu, known.thread.task);
    }
  }

  /** Undefined when the recording has no flush at all: its kernel has told nothing to compare with. */
  result(format: string, lost: number): RecordedFlushes | undefined {
    if (!this.#hasFlushes) return undefined;
    for (const { fault } of this.#actors.values()) if (fault !== undefined) this.#tally.add(fault);
    const { executed, interrupts, unneeded, primed } = this.#counts;
    const pair = ([recorded, predicted]: readonly number[]) => ({
      recorded: recorded!,
      predicted: predicted!,
    });
    return {
      ...{ file: this.#file, format, rows: this.#tally.rows },
      remoteShootdowns: pair(executed),
      interrupts: pair(interrupts),
      faults: { unneeded, primed },
      lost,
      violations: this.#stage.violations.reduce((sum, { count }) => sum + count, 0),
      disagreements: this.#tally.examples,
    };
  }

  #call(call: RecordedCall): void {
    const actor = this.#actor(call);
    const { name, line } = call;
    actor.hasForked = false;
    const isForking = forks.has(name);
    const item = { name: isForking ? FORK_ROW : name, line, recorded: [], predicted: [] };
    actor.call = isForking || isMemoryCall(name) ? item : undefined;
    if (!actsAtItsEnd(name)) this.#effect(actor, memoryCall(call));
  }

  #return(at: Recorded, call: RecordedCall): void {
    const actor = this.#actor(at);
    if (actsAtItsEnd(call.name)) this.#effect(actor, memoryCall(call));
    this.#stage.finish(at.cpu);
    const { call: item } = actor;
    actor.call = undefined;
    if (item !== undefined && (item.name !== FORK_ROW || actor.hasForked)) this.#tally.add(item);
  }

  /** Begins what the call does; it goes on while others wait for something, and until it returns. */
  #effect({ thread, call }: Actor, effect: MemoryCall | undefined): void {
    if (effect === undefined) return;
    this.#for(this.#cpus.of(thread.task), call);
    toEnd(this.#calls.memoryCall(thread, { ...effect, thread: thread.number }));
  }

  #fault(event: Fault): void {
    if (event.address < 0 || event.address >= addressEnd) return;
    const actor = this.#actor(event);
    const { error, line } = event;
    const isCopy = (error & fact.FAULT_PRESENT) !== 0 && (error & fact.FAULT_WRITE) !== 0;
    actor.fault = { name: isCopy ? COPY_ROW : FAULT_ROW, line, recorded: [], predicted: [] };
    this.#for(event.cpu, actor.fault);
    this.#error = error;
    const kind = (error & fact.FAULT_FETCH) !== 0 ? FETCH : (error & fact.FAULT_WRITE) !== 0 ? STORE : LOAD;
    toEnd(this.#records.access(actor.thread, event.address, kind));
    this.#for(event.cpu, actor.call);
  }

  /** The access that faulted. Where the recording says that an entry was there, and there is none, it is made first. */
  #access(task: number, vpn: number, kind: 0 | 1 | 2): void {
    const cpu = this.#cpus.of(task);
    const first = this.#stage.access(cpu, vpn, kind);
    if (first === "ok") {
      this.#counts.unneeded++;
      return;
    }
    if ((this.#error & fact.FAULT_PRESENT) !== 0 && !first.isPresent) {
      this.#counts.primed++;
      this.#stage.begin(cpu, "page_fault", [vpn, 0]);
    } else this.#stage.begin(cpu, "page_fault", [vpn, first.faults]);
    for (let tries = 1; tries < triesMost; tries++) {
      const again = this.#stage.access(cpu, vpn, kind);
      if (again === "ok") return;
      this.#stage.begin(cpu, "page_fault", [vpn, again.faults]);
      this.#stage.finish(cpu);
    }
  }

  /** It moves nobody to its CPU: a flush is what is to be predicted. */
  #recorded({ pages, reason }: Flush, actor: Actor | undefined): void {
    this.#hasFlushes = true;
    if (reason === fact.FLUSH_REMOTE) this.#counts.executed[0]!++;
    if (reason === fact.FLUSH_REMOTE || reason === fact.FLUSH_WRONG_CPU) this.#counts.interrupts[0]!++;
    if (reason === fact.FLUSH_LOCAL || reason === fact.FLUSH_LOCAL_BATCH)
      (actor?.fault ?? actor?.call)?.recorded.push(pages);
  }

  #flushed(cpu: number, inHandler: boolean, pages: number): void {
    if (inHandler) this.#counts.executed[1]!++;
    else this.#purpose[cpu]?.predicted.push(pages);
  }

  #switch(event: Switch, prev: Actor | undefined): void {
    const { cpu, next, nextComm } = event;
    if (prev !== undefined) this.#cpus.run(cpu, prev.thread.task);
    this.#stage.finish(cpu);
    const actor = this.#actors.get(next);
    this.#for(cpu, undefined);
    if (actor === undefined) this.#cpus.leave(cpu, next, nextComm);
    else {
      this.#cpus.run(cpu, actor.thread.task);
      this.#for(cpu, actor.call);
    }
  }

  #fork(at: Recorded, child: number, isThread: boolean): void {
    const parent = this.#actor(at);
    if (this.#actors.has(child)) return;
    if (isThread) {
      const { process } = joinProcess(parent.thread);
      const { task } = this.#add(child, process).thread;
      this.#stage.place(task, process.mm);
      return;
    }
    parent.hasForked = true;
    const process = parent.thread.process.fork(this.#mms++);
    const { task } = this.#add(child, process).thread;
    this.#processes.set(child, process);
    this.#for(at.cpu, parent.call);
    this.#stage.begin(at.cpu, "fork", [process.mm, task]);
    this.#stage.finish(at.cpu);
  }

  #end(at: Recorded, actor: Actor): void {
    this.#cpus.run(at.cpu, actor.thread.task);
    this.#for(at.cpu, undefined);
    this.#stage.begin(at.cpu, "exit", []);
    this.#stage.finish(at.cpu);
    actor.thread.isAlive = false;
    this.#actors.delete(at.tid);
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
      this.#stage.place(actor.thread.task, process.mm);
    }
    this.#cpus.run(cpu, actor.thread.task);
    return actor;
  }

  #add(tid: number, process: Process): Actor {
    const number = this.#tasks++;
    const thread = { number, task: number, process, waitedRank: 0, isAlive: true };
    this.#records.threads[number] = thread;
    const actor = { thread, call: undefined, hasForked: false, fault: undefined };
    this.#actors.set(tid, actor);
    return actor;
  }

  #for(cpu: number, item: Item | undefined): void {
    this.#stage.finish(cpu);
    this.#purpose[cpu] = item;
  }

  /** What the writers of records put into rings happens here at once. Waits are for those who come in another order. */
  #sink(): FeedSink {
    const nothing = (): void => {};
    return {
      room: () => Number.POSITIVE_INFINITY,
      position: () => 0,
      callRank: () => 0,
      access: (task, address, kind) => this.#access(task, Math.floor(address / pageBytes), kind as 0 | 1 | 2),
      call: (task, entry, args) => {
        const cpu = this.#cpus.of(task);
        this.#stage.begin(cpu, entry, args);
        if (entry === "image") this.#stage.finish(cpu);
      },
      ...{
        compute: nothing,
        waitCalls: nothing,
        waitTask: nothing,
        start: nothing,
        thread: nothing,
        end: nothing,
      },
    };
  }
}

function toEnd(writing: Writing<unknown>): void {
  while (writing.next().done !== true);
}
