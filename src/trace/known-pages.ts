import { pageBytes } from "../workload/feed.js";
import { Columns } from "./columns.js";
import { EventBlock } from "./event.js";
import type { Thread } from "./process.js";

/** In place of an entry of the page book, which has one more here: none. What nobody touches costs no memory so. */
const none = 0;
/** More slots than this, and all is forgotten at once. */
const slotsAtOnce = 4096;
const high = 2 ** 32;

/**
 * Pages that threads have accessed before, so that they can access them again without a wait, and the rows of a recording that say so.
 *
 * Shape: a slot for a thread and a page (assembly/trace/pages.ts). Where several threads share a process, the position behind the last
 * record of a slot goes to the page book before the slot is given up, so that the book knows it when a call asks for it.
 */
export class KnownPages {
  /** Rows come here. */
  readonly block: EventBlock;
  /** The records that rows() has made: two words each, an address with its kind in place of the lowest four bits. */
  readonly records: Uint32Array;
  readonly #columns = new Columns("PAGES_END");
  readonly #slots: number;
  readonly #salt: number;
  readonly #keys: Uint32Array;
  readonly #positions: Uint32Array;
  /** Entry of each slot in the page book of its process, if that has one. */
  readonly #entries: Int32Array;
  readonly #threads: readonly Thread[];
  /** The first slots that were filled since all were forgotten, and how many there were. */
  readonly #filled = new Uint16Array(slotsAtOnce);
  #filledCount = 0;

  /** `threads`: those of the recording by number, as they come. */
  constructor(threads: readonly Thread[]) {
    this.#threads = threads;
    const columns = this.#columns;
    const rows = columns.value("ROWS");
    this.block = new EventBlock(rows, columns.rows);
    this.records = columns.words("RECORDS", 2 * rows);
    this.#slots = columns.value("SLOTS");
    this.#salt = columns.value("SLOT_SALT");
    this.#keys = columns.words("KEYS", 2 * this.#slots);
    this.#positions = columns.words("POSITIONS", 2 * this.#slots);
    this.#entries = new Int32Array(this.#slots);
  }

  /**
   * How many of the rows from `from` on, and before `to`, are accesses of the thread to pages that are known; their records are in
   * `records`. The first will have the given position.
   */
  rows(from: number, to: number, thread: number, position: number): number {
    return this.#columns.functions.knownRows(from, to, thread, position);
  }

  /** The thread has accessed the page; its records so far end at the position. */
  remember({ number, process }: Thread, page: number, position: number): void {
    const slot = this.#slot(page, number);
    this.#settle(slot);
    if (this.#filledCount < slotsAtOnce) this.#filled[this.#filledCount] = slot;
    this.#filledCount++;
    // The page's address, and one more than the thread.
    this.#keys[2 * slot] = page * pageBytes + number + 1;
    this.#keys[2 * slot + 1] = (page * pageBytes + number + 1) / high;
    this.#positions[2 * slot] = position;
    this.#positions[2 * slot + 1] = position / high;
    this.#entries[slot] = process.threads > 1 ? process.book.entry(page, number) + 1 : none;
  }

  /** What is known of the pages start to end - 1 is stale. */
  forget(start: number, end: number): void {
    const threads = this.#threads.length;
    if ((end - start) * threads > slotsAtOnce) {
      this.forgetAll();
      return;
    }
    for (let page = start; page < end; page++) {
      for (let thread = 0; thread < threads; thread++) this.#drop(this.#slot(page, thread));
    }
  }

  /** Everything is stale. It takes no longer than it took to get to know it. */
  forgetAll(): void {
    if (this.#filledCount <= slotsAtOnce) {
      for (let index = 0; index < this.#filledCount; index++) this.#drop(this.#filled[index]!);
    } else {
      for (let slot = 0; slot < this.#slots; slot++) this.#settle(slot);
      this.#entries.fill(none);
      this.#columns.functions.forgetAll();
    }
    this.#filledCount = 0;
  }

  #slot(page: number, thread: number): number {
    return (page ^ (thread * this.#salt)) & (this.#slots - 1);
  }

  #drop(slot: number): void {
    this.#settle(slot);
    this.#entries[slot] = none;
    this.#keys[2 * slot] = 0;
    this.#keys[2 * slot + 1] = 0;
  }

  /** Tell the page book what it would be asked for. */
  #settle(slot: number): void {
    const entry = this.#entries[slot]!;
    if (entry === none) return;
    const thread = (this.#keys[2 * slot]! - 1) & (pageBytes - 1);
    const { position } = this.#threads[thread]!.process.book;
    position[entry - 1] = this.#positions[2 * slot]! + this.#positions[2 * slot + 1]! * high;
  }
}
