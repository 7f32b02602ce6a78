import { type AccessKind, type FeedSink, pageBytes, recordsOf, type TraceSummary } from "../workload/feed.js";
import { CallWriter } from "./call-writer.js";
import { InputError } from "./errors.js";
import { CALL, type CallEvent, EventBlock, type TraceReader } from "./event.js";
import type { Numbering } from "./numbering.js";
import { Process, type Thread } from "./process.js";
import { type Copies, joinProcess, RecordWriter, type Writing } from "./record-writer.js";
import { Relocation } from "./relocation.js";
import { Tally } from "./tally.js";

/** Pages and threads seen lately: what a page number has in its lower 16 bits, so that neighbours stand beside each other. */
const cacheSize = 65_536;
/** Keys of the cache are page addresses, below this, plus the thread, plus the cache's generation in the bits above. */
const generationUnit = 2 ** 47;
const generations = 64;
/** Spreads what threads do at the same addresses; thread numbers are below the size of a page, so that both make one key. */
const slotSalt = 37;
const pageShift = 12;

/**
 * What the loop over rows works on: constants of this module, as the compiler finds those of objects anew for each row. The cache
 * is of pages that their thread can access without a wait, and their entries in the page book, for the source that worked last.
 */
const pieceRows = 1024;
const kinds = new Uint8Array(pieceRows);
const threads = new Int32Array(pieceRows);
const addresses = new Float64Array(pieceRows);
const sizes = new Uint32Array(pieceRows);
const cacheKeys = new Float64Array(cacheSize).fill(-1);
const cacheEntries = new Int32Array(cacheSize);
/** By slot of the cache, the last row of the piece that hit it, or -1; and the slots where there is one. */
const lastRow = new Int32Array(cacheSize).fill(-1);
const touched = new Uint16Array(cacheSize);
let touchedSlots = 0;
let owner: TraceSource | undefined;
let generation = 0;

/** More than this, and all is forgotten at once. */
const slotsAtOnce = 4096;

/** All that is known about pages is stale. */
function forgetPages(): void {
  generation = (generation + 1) % generations;
  if (generation === 0) cacheKeys.fill(-1);
}

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
  readonly #block = new EventBlock();
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
    this.#records = new RecordWriter(relocation, copies.processes, (from, to) => this.#forget(from, to));
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
    if (owner === this) owner = undefined;
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
    const { kind, thread: threads, address, length } = this.#block;
    const first = this.#row;
    const thread = this.#thread(threads[first]!);
    const { task, process, isAlive } = thread;
    if (!isAlive) throw this.#ended(thread.number);
    const { sink } = this.#records;
    const copies = this.#copies;
    const start = sink.position(task);
    let room = Math.min(length - first, pieceRows);
    for (let copy = 0; copy < copies; copy++) room = Math.min(room, sink.room(task + copy));
    if (owner !== this) {
      owner = this;
      forgetPages();
    }
    const end = first + this.#knownRows(thread, room);
    this.#row = end;
    if (process.threads > 1) {
      const { position } = process.book;
      for (let index = 0; index < touchedSlots; index++) {
        const slot = touched[index]!;
        position[cacheEntries[slot]!] = start + lastRow[slot]! * recordsOf.access + recordsOf.access;
        lastRow[slot] = -1;
      }
    }
    const { replicas } = this.#options.copies;
    for (let copy = 0; copy < copies; copy++) {
      if (replicas === 1) sink.accesses(task + copy, address, kind, first, end);
      else for (let each = first; each < end; each++) this.#copyAccess(task, copy, each);
    }
  }

  /**
   * How many of the next `count` rows are accesses of the thread to pages that it has accessed before. This loop is the speed of a
   * replay.
   */
  #knownRows({ number, process }: Thread, count: number): number {
    const { kind, thread, address, size } = this.#block;
    const [from, to] = [this.#row, this.#row + count];
    kinds.set(kind.subarray(from, to));
    threads.set(thread.subarray(from, to));
    addresses.set(address.subarray(from, to));
    sizes.set(size.subarray(from, to));
    const salt = number * slotSalt;
    const tag = number + generation * generationUnit;
    const isShared = process.threads > 1;
    touchedSlots = 0;
    let slots = 0;
    let row = 0;
    for (; row < count; row++) {
      if (threads[row] !== number || kinds[row] === CALL) break;
      const at = addresses[row]!;
      // In 32 bits as far as possible: the page number alone has more.
      const low = at | 0;
      const offset = low & (pageBytes - 1);
      if (offset + sizes[row]! > pageBytes) break;
      const slot = ((low >>> pageShift) ^ salt) & (cacheSize - 1);
      if (cacheKeys[slot] !== at - offset + tag) break;
      if (!isShared) continue;
      if (lastRow[slot]! < 0) touched[slots++] = slot;
      lastRow[slot] = row;
    }
    touchedSlots = slots;
    return row;
  }

  #copyAccess(task: number, copy: number, row: number): void {
    const address = this.#block.address[row]!;
    const shift = this.#records.shift(copy, Math.floor(address / pageBytes));
    this.#records.sink.access(task + copy, address + shift * pageBytes, this.#block.kind[row] as AccessKind);
  }

  /** An access of any kind: to a page not seen lately, over the border of a page, or with its ring full. */
  *#access(row: number): Writing {
    const { kind, address, size } = this.#block;
    const thread = this.#thread(this.#block.thread[row]!);
    const [start, end, how] = [address[row]!, address[row]! + size[row]!, kind[row] as AccessKind];
    for (let at = start; at < end; ) {
      const page = Math.floor(at / pageBytes);
      yield* this.#records.access(thread, at, how);
      this.#remember(thread, page);
      at = (page + 1) * pageBytes;
    }
  }

  #forget(from: number, to: number): void {
    if (owner !== this) return;
    const { threads: all } = this.#records;
    if ((to - from) * all.length > slotsAtOnce) {
      forgetPages();
      return;
    }
    for (let page = from; page < to; page++) {
      for (let number = 0; number < all.length; number++) {
        cacheKeys[(page ^ (number * slotSalt)) & (cacheSize - 1)] = -1;
      }
    }
  }

  #remember({ number, process }: Thread, page: number): void {
    if (owner !== this) return;
    const slot = (page ^ (number * slotSalt)) & (cacheSize - 1);
    cacheKeys[slot] = page * pageBytes + number + generation * generationUnit;
    if (process.threads > 1) cacheEntries[slot] = process.book.entry(page, number);
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
    if (owner === this) forgetPages();
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
