import { CallWriter } from "../trace/call-writer.js";
import type { Thread } from "../trace/process.js";
import { RecordWriter, type Writing } from "../trace/record-writer.js";
import { Relocation } from "../trace/relocation.js";
import { findsRoom, type MemoryCall, memoryCall } from "../trace/tracepoint-call.js";
import { FAULT_FETCH, FAULT_PRESENT, FAULT_WRITE } from "../trace/tracepoint-event.js";
import type { RecordedCall, RecordedEvent } from "../trace/tracepoint-stream.js";
import { FETCH, type FeedSink, LOAD, pageBytes, STORE } from "../workload/feed.js";
import { fileImageWord } from "../workload/vma-word.js";
import type { EnactKernel } from "./enact-kernel.js";

type Fault = Extract<RecordedEvent, { kind: "fault" }>;

const MADV_DONTNEED = 4;
/** Tries of one access, each behind a handled fault. */
const triesMost = 4;

/**
 * What calls and faults of a recording do to memory. Which entries are present is what the recorded faults say: those that were
 * there are made before the fault, and those that were not are taken away.
 */
export class EnactMemory {
  /** Recorded faults on pages that were mapped already, and entries that had to be made. */
  readonly counts = { unneeded: 0, primed: 0 };
  readonly #kernel: EnactKernel;
  readonly #records: RecordWriter;
  readonly #calls: CallWriter;
  /** The fault that is being enacted had found an entry. */
  #wasPresent = false;

  constructor(file: string, kernel: EnactKernel) {
    this.#kernel = kernel;
    this.#records = new RecordWriter(new Relocation(1, file), 1, () => {}, fileImageWord);
    this.#records.sink = this.#sink();
    this.#calls = new CallWriter(file, this.#records, 0);
  }

  /** Who can make a call. */
  add(thread: Thread): void {
    this.#records.threads[thread.number] = thread;
  }

  /** Begins what a call does, on the CPU of its thread. */
  begin(thread: Thread, call: RecordedCall): void {
    const effect = memoryCall(call);
    if (effect === undefined) return;
    if (findsRoom(call)) this.#makeRoom(thread, effect);
    toEnd(this.#calls.memoryCall(thread, { ...effect, thread: thread.number }));
  }

  fault(thread: Thread, { address, error }: Fault): void {
    this.#wasPresent = (error & FAULT_PRESENT) !== 0;
    const kind = (error & FAULT_FETCH) !== 0 ? FETCH : (error & FAULT_WRITE) !== 0 ? STORE : LOAD;
    toEnd(this.#records.access(thread, address, kind));
  }

  /** The kernel has found a place where nothing was mapped: what was taken for mapped there was not. */
  #makeRoom(thread: Thread, effect: MemoryCall): void {
    if (effect.name !== "mmap") return;
    const first = Math.floor(effect.start / pageBytes);
    const end = Math.ceil((effect.start + effect.length) / pageBytes);
    const taken = thread.process.space.overlapping(first, end).filter(({ word }) => word !== 0n);
    for (const range of taken) {
      const [from, to] = [Math.max(first, range.start), Math.min(end, range.end)];
      this.#kernel.correct(this.#kernel.cpus.of(thread.task), "munmap", [from, to]);
      thread.process.space.set(from, to, 0n, 0, thread.number);
    }
  }

  /** The access that faulted, until it succeeds. */
  #access(task: number, vpn: number, kind: 0 | 1 | 2): void {
    const { stage, cpus } = this.#kernel;
    const cpu = cpus.of(task);
    const first = stage.access(cpu, vpn, kind);
    if (!this.#wasPresent && (first === "ok" || first.isPresent)) {
      this.counts.unneeded++;
      this.#kernel.correct(cpu, "madvise", [vpn, vpn + 1, MADV_DONTNEED]);
    } else if (this.#wasPresent && first !== "ok" && !first.isPresent) {
      this.counts.primed++;
      this.#kernel.correct(cpu, "page_fault", [vpn, 0]);
    }
    for (let tries = 0; tries < triesMost; tries++) {
      const outcome = stage.access(cpu, vpn, kind);
      if (outcome === "ok") return;
      this.#kernel.run(cpu, "page_fault", [vpn, outcome.faults]);
    }
  }

  /** What the writers of records put into rings happens here at once. Waits are for those who come in another order. */
  #sink(): FeedSink {
    const nothing = (): void => {};
    const { stage, cpus } = this.#kernel;
    return {
      room: () => Number.POSITIVE_INFINITY,
      position: () => 0,
      callRank: () => 0,
      access: (task, address, kind) => this.#access(task, Math.floor(address / pageBytes), kind as 0 | 1 | 2),
      call: (task, entry, args) => {
        const cpu = cpus.of(task);
        stage.begin(cpu, entry, args);
        if (entry === "image") stage.finish(cpu);
      },
      // Rows of accesses come from the reader of a recording alone; here they come one by one.
      ...{ accesses: nothing, compute: nothing, waitCalls: nothing, waitTask: nothing },
      ...{ start: nothing, thread: nothing, end: nothing },
    };
  }
}

function toEnd(writing: Writing<unknown>): void {
  while (writing.next().done !== true);
}
