import type { CallEvent, EventBlock, ReaderCounts } from "./event.js";
import type { StraceCall } from "./strace-call.js";

/** A call in the order of effects. It is open while its result is unknown; without a call it had no effect. */
export interface Entry {
  readonly tid: number;
  call: StraceCall | undefined;
  isOpen: boolean;
}

/** A thread whose creation was not seen yet, and what it did. */
interface Stranger {
  readonly entries: Entry[];
  /** Value of #drained when it appeared. */
  readonly since: number;
}

/** How many entries a stranger waits for the call that made it; then it counts as a thread that was there before. */
const strangerPatience = 1000;
/** How many entries wait behind an open one; then that one is taken for a call without effect. */
const waitingMax = 100_000;

/**
 * Puts calls into an order that a replay may take literally, and numbers the threads.
 *
 * strace prints a call where it began and, in a second half, where it ended; it took effect somewhere between. A call
 * that removes a mapping stands at its beginning here, one that makes a mapping at its end: then a range is always
 * unmapped before its next mmap, however the two overlapped.
 */
export class EffectOrder {
  readonly #counts: ReaderCounts;
  #waiting: Entry[] = [];
  #head = 0;
  /** Entries to go before the waiting ones. */
  #released: Entry[] = [];
  readonly #threads = new Map<number, number>();
  readonly #strangers = new Map<number, Stranger>();
  #drained = 0;
  /** A thread that runs, to be the parent of a stranger. */
  #running = 0;

  constructor(counts: ReaderCounts) {
    this.#counts = counts;
  }

  push(tid: number, call: StraceCall | undefined, isOpen = false): Entry {
    const entry = { tid, call, isOpen };
    this.#waiting.push(entry);
    if (this.#waiting.length - this.#head > waitingMax) this.#waiting[this.#head]!.isOpen = false;
    return entry;
  }

  /** Write to the block what is certain by now, as far as it has room; `isEnd` makes everything certain. */
  drain(block: EventBlock, isEnd: boolean): void {
    while (block.length < block.capacity - 1) {
      const entry = this.#next(isEnd);
      if (entry !== undefined) {
        this.#drained++;
        this.#place(entry, block);
        if (this.#strangers.size === 0) continue;
      }
      if (!this.#adopt(block, isEnd) && entry === undefined) return;
    }
  }

  #next(isEnd: boolean): Entry | undefined {
    const released = this.#released.shift();
    if (released !== undefined) return released;
    const entry = this.#waiting[this.#head];
    if (entry === undefined || (entry.isOpen && !isEnd)) return undefined;
    this.#head++;
    if (this.#head === this.#waiting.length || this.#head === waitingMax) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    return entry;
  }

  #place(entry: Entry, block: EventBlock): void {
    const { tid, call } = entry;
    if (call === undefined) return;
    const thread = this.#threads.get(tid) ?? (this.#counts.threads === 0 ? this.#number(tid) : undefined);
    if (thread === undefined) {
      const stranger = this.#strangers.get(tid);
      if (stranger !== undefined) stranger.entries.push(entry);
      else this.#strangers.set(tid, { entries: [entry], since: this.#drained });
      return;
    }
    this.#running = thread;
    if (call.name === "thread" || call.name === "fork") {
      // Already there: it was taken for a stranger.
      if (this.#threads.has(call.child)) return;
      const childTid = call.child;
      block.call({ ...call, thread, child: this.#number(childTid) });
      this.#release(childTid);
      return;
    }
    block.call({ ...call, thread } as CallEvent);
    if (call.name !== "exit") return;
    this.#threads.delete(tid);
    if (this.#running === thread) this.#running = this.#threads.values().next().value ?? 0;
  }

  #number(tid: number): number {
    const thread = this.#counts.threads++;
    this.#threads.set(tid, thread);
    return thread;
  }

  #release(tid: number): void {
    const stranger = this.#strangers.get(tid);
    if (stranger === undefined) return;
    this.#strangers.delete(tid);
    this.#released.push(...stranger.entries);
  }

  /** Take in the stranger that has waited longest, if it has waited long enough. */
  #adopt(block: EventBlock, isEnd: boolean): boolean {
    const [first] = this.#strangers;
    if (first === undefined) return false;
    const [tid, { since }] = first;
    if (!isEnd && this.#drained - since < strangerPatience) return false;
    if (isEnd && (this.#head < this.#waiting.length || this.#released.length > 0)) return false;
    block.call({ name: "thread", thread: this.#running, child: this.#number(tid) });
    this.#release(tid);
    return true;
  }
}
