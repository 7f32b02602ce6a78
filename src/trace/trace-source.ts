import { type AccessKind, type FeedSink, pageBytes, type TraceSummary } from "../workload/feed.js";
import { CallWriter } from "./call-writer.js";
import { InputError } from "./errors.js";
import { CALL, type CallEvent, type EventBlock, type TraceReader } from "./event.js";
import { KnownPages } from "./known-pages.js";
import type { Numbering } from "./numbering.js";
import { Process, type Thread } from "./process.js";
import { type Copies, joinProcess, RecordWriter, type Writing } from "./record-writer.js";
import { Relocation } from "./relocation.js";
import { Tally } from "./tally.js";

export interface SourceOptions {
  readonly open: () => Promise<TraceReader>;
  readonly file: string;
  readonly copies: Copies;
  /** Most pages touched where a call gives or takes memory, if accesses are not recorded; Infinity for all. */
  readonly touch: number;
  readonly numbering: Numbering;
}

/** One recording on its way into the rings. */
export class TraceSource {
  readonly #options: SourceOptions;
  /** Of each thread. */
  readonly #copies: number;
  readonly #records: RecordWriter;
  #calls!: CallWriter;
  readonly #tally = new Tally();
  readonly #pages: KnownPages;
  readonly #block: EventBlock;
  #reader: TraceReader | undefined;
  #row = 0;
  #processes = 0;
  /** An event that waits for room. */
  #writing: Writing | undefined;
  #isOver = false;

  constructor(options: SourceOptions) {
    const { file, copies } = options;
    this.#options = options;
    this.#copies = copies.replicas * copies.processes;
    const relocation = new Relocation(copies.replicas, file);
    this.#records = new RecordWriter(relocation, copies.processes, (from, to) => {
      this.#pages.forget(from, to);
    });
    this.#pages = new KnownPages(this.#records.threads);
    this.#block = this.#pages.block;
    this.#addThread(0, new Process(options.numbering.mm(this.#processes++)), 0);
  }

  get summary(): TraceSummary | undefined {
    return this.#reader === undefined
      ? undefined
      : (this.#reader.summary ?? this.#tally.summary(this.#reader));
  }

  /**
   * Write what was read. Returns true when `task` has got a record past `position`, when it has ended, or when a ring
   * is full; false when more has to be read first.
   */
  advance(sink: FeedSink, task: number, position: number): boolean {
    this.#records.sink = sink;
    for (;;) {
      if (this.#writing !== undefined) {
        if (this.#writing.next().done !== true) return true;
        this.#writing = undefined;
      } else if (this.#row < this.#block.length) this.#step();
      else return this.#isOver || sink.position(task) > position;
    }
  }

  /** Read the next events, once those before are written. */
  async load(): Promise<void> {
    this.#reader ??= await this.#open();
    this.#row = 0;
    if (await this.#reader.read(this.#block)) {
      if (this.#reader.summary === undefined) this.#tally.add(this.#block);
    } else if (!this.#isOver) {
      this.#isOver = true;
      this.#writing = this.#end();
    }
  }

  close(): void {
    this.#reader?.close();
  }

  owns(task: number): boolean {
    return this.#records.threads.some((thread) => thread.task <= task && task < thread.task + this.#copies);
  }

  async #open(): Promise<TraceReader> {
    const { open, file, touch } = this.#options;
    const reader = await open();
    this.#calls = new CallWriter(file, this.#records, reader.hasAccesses ? 0 : touch);
    return reader;
  }

  #step(): void {
    const row = this.#row;
    if (this.#block.kind[row] === CALL) {
      const event = this.#block.calls[this.#block.address[row]!]!;
      this.#row++;
      this.#writing = this.#call(event);
      return;
    }
    this.#accesses();
    if (this.#row > row) return;
    this.#row++;
    this.#writing = this.#access(row);
  }

  /** Accesses that need no more than a record, from the row on. */
  #accesses(): void {
    const first = this.#row;
    const thread = this.#thread(this.#block.thread[first]!);
    const { task, isAlive } = thread;
    if (!isAlive) throw this.#ended(thread.number);
    const { sink } = this.#records;
    const copies = this.#copies;
    let end = this.#block.length;
    for (let copy = 0; copy < copies; copy++) end = Math.min(end, first + sink.room(task + copy));
    if (end <= first) return;
    const count = this.#pages.rows(first, end, thread.number, sink.position(task));
    if (count === 0) return;
    this.#row = first + count;
    const { records } = this.#pages;
    for (let copy = 0; copy < copies; copy++) {
      sink.accesses(task + copy, this.#records.moved(copy, records, count), count);
    }
  }

  /** An access of any kind: to a page not seen lately, over the border of a page, or with its ring full. */
  *#access(row: number): Writing {
    const { kind, address, size } = this.#block;
    const thread = this.#thread(this.#block.thread[row]!);
    const [start, end, how] = [address[row]!, address[row]! + size[row]!, kind[row] as AccessKind];
    for (let at = start; at < end; ) {
      const page = Math.floor(at / pageBytes);
      yield* this.#records.access(thread, at, how);
      this.#pages.remember(thread, page, this.#records.sink.position(thread.task));
      at = (page + 1) * pageBytes;
    }
  }

  *#call(event: CallEvent): Writing {
    const thread = this.#thread(event.thread);
    if (!thread.isAlive) throw this.#ended(event.thread);
    switch (event.name) {
      case "thread":
        return yield* this.#start(thread, event.child);
      case "fork":
        return yield* this.#fork(thread, event.child);
      case "exit":
        return yield* this.#exit(thread);
      default:
        return yield* this.#calls.memoryCall(thread, event);
    }
  }

  *#start(parent: Thread, number: number): Writing {
    const { process, waitedRank } = joinProcess(parent);
    // Pages that were one thread's own are known without an entry in the book.
    this.#pages.forgetAll();
    const child = this.#addThread(number, process, waitedRank);
    yield* this.#records.start(parent, child, false);
  }

  *#fork(parent: Thread, number: number): Writing {
    const { copies, file, numbering } = this.#options;
    if (copies.replicas > 1) throw cannotReplicate(file);
    const child = this.#addThread(number, parent.process.fork(numbering.mm(this.#processes++)), 0);
    yield* this.#calls.fork(parent, child);
  }

  *#exit(thread: Thread): Writing {
    yield* this.#records.call(thread, "exit", []);
    thread.isAlive = false;
    for (let copy = 0; copy < this.#copies; copy++) this.#records.sink.end(thread.task + copy);
  }

  /** The recording is over for whoever still runs. */
  *#end(): Writing {
    for (const thread of this.#records.threads) if (thread.isAlive) yield* this.#exit(thread);
  }

  #addThread(number: number, process: Process, waitedRank: number): Thread {
    const task = this.#options.numbering.task(number);
    const thread = { number, task, process, waitedRank, isAlive: true };
    this.#records.threads[number] = thread;
    return thread;
  }

  #thread(number: number): Thread {
    return this.#records.threads[number]!;
  }

  #ended(number: number): InputError {
    const place = { file: this.#options.file, line: this.#reader?.counts.lines ?? 0 };
    return new InputError(
      place,
      "nothing more of a thread that has exited",
      `an event of thread ${number + 1}`,
    );
  }
}

export function cannotReplicate(file: string): InputError {
  return new InputError({ file }, "threads only", "a fork: a trace that forks cannot be replicated");
}
