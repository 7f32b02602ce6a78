import { type AccessKind, type FeedSink, LOAD, pageBytes, recordsOf, STORE } from "../workload/feed.js";
import { imageWord, isWritable, moved, type VmaWord } from "../workload/vma-word.js";
import type { Process, Thread } from "./process.js";
import type { Relocation } from "./relocation.js";

/** Pages of the window that an access to memory without a recorded mapping takes from the program's image. */
const imagePages = 16;

/** Writes some records; it stops at each yield, until the ring that was full has room again. */
export type Writing<T = void> = Generator<undefined, T>;

/**
/**
 * An argument of a kernel entry: page numbers move with the copy, all of a call alike, and so does the place of a mapping in its file; `apart`
 * is a page of a range of its own. Every copy has a task of its own, and every process an address space.
 */
export type Argument =
  | { readonly page: number }
  | { readonly apart: number }
  | { readonly word: VmaWord }
  | { readonly task: number }
  | { readonly mm: number }
  | number;

/** How often a recording runs: so many copies in each of so many address spaces. */
export interface Copies {
  readonly replicas: number;
  readonly processes: number;
}

/**
 * Writes records for a thread of a recording and its copies, with the waits that keep the recorded order where it
 * matters.
 *
 * - An access waits for the last call by another thread that mapped, unmapped or protected its page.
 * - A call waits for the calls by other threads that it overlaps in address, and for other threads' accesses to pages
 *   that it changes.
 * All waits are for records that are in a ring already, so the rings can always be drained.
 */
export class RecordWriter {
  /** The recording's threads by number. */
  readonly threads: Thread[] = [];
  sink!: FeedSink;
  readonly relocation: Relocation;
  /** Copies of each thread: those of the first process, then those of the second, and so on. */
  readonly #copies: number;
  readonly #processes: number;
  readonly #forget: (start: number, end: number) => void;
  readonly #imageWord: VmaWord;

  /**
   * `forget` is called when the pages start to end - 1 may have changed hands, so that what was known about them is stale. `image`: what memory is
   * taken for that no recorded call has mapped.
   */
  constructor(
    relocation: Relocation,
    processes: number,
    forget: (start: number, end: number) => void,
    image = imageWord,
  ) {
    this.relocation = relocation;
    this.#processes = processes;
    this.#copies = relocation.copies * processes;
    this.#forget = forget;
    this.#imageWord = image;
  }

  /** One access to one page. */
  *access(thread: Thread, address: number, kind: AccessKind): Writing {
    const page = Math.floor(address / pageBytes);
    const { process } = thread;
    let range = process.space.find(page);
    if (range === undefined || range.word === 0n) {
      yield* this.#imageAround(thread, page);
      range = process.space.find(page)!;
    }
    if (range.caller !== thread.number) yield* this.waitCalls(thread, range.rank);
    yield* this.room(thread, recordsOf.access);
    const { sink } = this;
    for (let copy = 0; copy < this.#copies; copy++) {
      const shift = this.shift(copy, page) * pageBytes;
      sink.access(thread.task + copy, address + shift, kind);
    }
    if (process.threads === 1) return;
    process.book.position[process.book.entry(page, thread.number)] = sink.position(thread.task);
  }

  /** Stands for accesses that were not recorded: the first `count` pages that can be accessed, one access each. */
  *touch(thread: Thread, start: number, end: number, count: number): Writing {
    if (count === 0) return;
    for (const range of thread.process.space.accessible(start, end, count)) {
      const kind = isWritable(range.word) ? STORE : LOAD;
      for (let page = range.start; page < range.end; page++)
        yield* this.access(thread, page * pageBytes, kind);
    }
  }

  /** A call that changes the pages start to end - 1. Returns the rank to wait for. */
  *change(
    thread: Thread,
    entry: string,
    start: number,
    end: number,
    args: readonly Argument[],
  ): Writing<number> {
    yield* this.settle(thread, start, end);
    return yield* this.call(thread, entry, args);
  }

  /** Waits for all that others have to do with the pages start to end - 1 before a call changes them. */
  *settle(thread: Thread, start: number, end: number): Writing {
    const { process } = thread;
    let rank = process.barrierCaller === thread.number ? 0 : process.barrierRank;
    for (const range of process.space.overlapping(start, end)) {
      if (range.caller !== thread.number) rank = Math.max(rank, range.rank);
    }
    yield* this.waitCalls(thread, rank);
    this.#forget(start, end);
    for (const [other, position] of process.book.take(start, end)) {
      if (other !== thread.number) yield* this.#waitThread(thread, this.threads[other]!, position);
    }
  }

  /** A call that changes no page. Returns the rank to wait for. */
  *call(thread: Thread, entry: string, args: readonly Argument[]): Writing<number> {
    yield* this.room(thread, recordsOf.call);
    for (let copy = 0; copy < this.#copies; copy++) {
      this.sink.call(thread.task + copy, entry, this.#argumentsOf(copy, args));
    }
    thread.process.lastRank = this.sink.callRank();
    return thread.process.lastRank;
  }

  /** `child` may run from here on; one that a fork has not given an address space to gets the one of its process. */
  *start(parent: Thread, child: Thread, isForked: boolean): Writing {
    yield* this.room(parent, recordsOf.start);
    const { sink } = this;
    for (let copy = 0; copy < this.#copies; copy++) {
      if (!isForked) sink.thread(child.task + copy, child.process.mm + this.processOf(copy));
      sink.start(parent.task + copy, child.task + copy);
    }
  }

  *waitCalls(thread: Thread, rank: number): Writing {
    if (rank <= thread.waitedRank) return;
    thread.waitedRank = rank;
    yield* this.room(thread, recordsOf.waitCalls);
    for (let copy = 0; copy < this.#copies; copy++) {
      // Ranks of one call's copies follow each other, and a process need not wait for the others' copies.
      const others = this.relocation.copies === 1 ? this.#processes - 1 - copy : 0;
      this.sink.waitCalls(thread.task + copy, rank - others);
    }
  }

  /** A call that succeeded on memory without a recorded mapping shows that it was there. */
  *imageOver(thread: Thread, start: number, end: number): Writing {
    for (const hole of thread.process.space.holes(start, end))
      yield* this.#image(thread, hole.start, hole.end);
  }

  /** Wait until the rings of the thread and its copies have room; what they have, they keep, for all is written here. */
  *room(thread: Thread, records: number): Writing {
    for (let copy = 0; copy < this.#copies; copy++) {
      while (this.sink.room(thread.task + copy) < records) yield;
    }
  }

  /** The mapping around a page that no recorded call has made. */
  *#imageAround(thread: Thread, page: number): Writing {
    let start = page - (page % imagePages);
    let end = start + imagePages;
    // Only what is as unknown as the page itself: its neighbours may be other mappings, or unmapped on purpose.
    for (const range of thread.process.space.overlapping(start, end)) {
      if (range.start <= page && page < range.end) {
        start = Math.max(start, range.start);
        end = Math.min(end, range.end);
      } else if (range.end <= page) start = Math.max(start, range.end);
      else end = Math.min(end, range.start);
    }
    // What lies behind the end of the heap is nothing yet: the kernel would refuse to let the heap grow over it.
    const heapEnd = Math.ceil((thread.process.heapEnd ?? Number.POSITIVE_INFINITY) / pageBytes);
    if (page < heapEnd) end = Math.min(end, heapEnd);
    yield* this.#image(thread, start, end);
  }

  *#image(thread: Thread, start: number, end: number): Writing {
    this.relocation.cover(start, end);
    const args = [{ page: start }, { page: end }, { word: this.#imageWord }];
    const rank = yield* this.change(thread, "image", start, end, args);
    thread.process.space.set(start, end, this.#imageWord, rank, thread.number);
  }

  /** Copies write the same records, so a position in the ring of the first is one in the rings of all. */
  *#waitThread(thread: Thread, other: Thread, position: number): Writing {
    yield* this.room(thread, recordsOf.waitTask);
    for (let copy = 0; copy < this.#copies; copy++) {
      this.sink.waitTask(thread.task + copy, other.task + copy, position);
    }
  }

  /** Pages by which `copy` has moved the page; processes are not moved against each other. */
  shift(copy: number, page: number): number {
    return this.relocation.shift(copy % this.relocation.copies, page);
  }

  /** The words of accesses (FeedSink), of which there are `count`, as `copy` has moved them. Valid until the next call. */
  moved(copy: number, words: Uint32Array, count: number): Uint32Array {
    const { relocation } = this;
    return relocation.copies === 1 ? words : relocation.moved(copy % relocation.copies, words, count);
  }

  /** By how much the number of an address space is larger for `copy`. */
  processOf(copy: number): number {
    return Math.floor(copy / this.relocation.copies);
  }

  #argumentsOf(copy: number, args: readonly Argument[]): (number | bigint)[] {
    let first = Number.POSITIVE_INFINITY;
    for (const argument of args) {
      if (typeof argument !== "number" && "page" in argument) first = Math.min(first, argument.page);
    }
    // The pages of one call are in one piece, and the first is in it; the other may be the end, behind it.
    const shift = Number.isFinite(first) ? this.shift(copy, first) : 0;
    return args.map((argument) => {
      if (typeof argument === "number") return argument;
      if ("apart" in argument) return argument.apart + this.shift(copy, argument.apart);
      if ("task" in argument) return argument.task + copy;
      if ("mm" in argument) return argument.mm + this.processOf(copy);
      return "word" in argument ? moved(argument.word, shift) : argument.page + shift;
    });
  }
}

/** The process that a new thread of `parent` runs in, and what it need not wait for. */
export function joinProcess(parent: Thread): { process: Process; waitedRank: number } {
  const { process } = parent;
  // All calls so far were the parent's own: they are done when it starts the new thread.
  const waitedRank = process.threads === 1 ? process.lastRank : parent.waitedRank;
  process.threads++;
  return { process, waitedRank };
}
