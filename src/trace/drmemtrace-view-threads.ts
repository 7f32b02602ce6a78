import { MarkedCalls } from "./drmemtrace-calls.js";
import type { CallEvent, EventBlock, ReaderCounts } from "./event.js";

class ViewThread {
  readonly tid: number;
  readonly calls: MarkedCalls;
  /** -1 until it has done something. */
  number = -1;
  hasExited = false;
  /** A call that has returned and takes effect with the next timestamp. */
  atItsEnd: CallEvent | undefined;

  constructor(tid: number, counts: ReaderCounts) {
    this.tid = tid;
    this.calls = new MarkedCalls(counts);
  }

  get isWaiting(): boolean {
    return this.atItsEnd !== undefined;
  }
}

/** Threads of a text in which they alternate, by the ids that it gives them. */
export class ViewThreads {
  readonly #counts: ReaderCounts;
  readonly #threads = new Map<number, ViewThread>();
  #isAarch64 = false;
  /** The last thread has exited; it stays until it is known that no other one comes, for that has to be started. */
  #leaving: ViewThread | undefined;
  /** The thread of the last line. */
  current: ViewThread;

  constructor(counts: ReaderCounts) {
    this.#counts = counts;
    this.current = new ViewThread(Number.NaN, counts);
  }

  set isAarch64(value: boolean) {
    this.#isAarch64 = value;
    for (const { calls } of this.#threads.values()) calls.isAarch64 = value;
  }

  switchTo(tid: number): void {
    if (this.current.tid === tid) return;
    let thread = this.#threads.get(tid);
    if (thread === undefined || thread.hasExited) {
      thread = new ViewThread(tid, this.#counts);
      thread.calls.isAarch64 = this.#isAarch64;
      this.#threads.set(tid, thread);
    }
    this.current = thread;
  }

  /** The number of the current thread, which begins here if it is new. */
  run(block: EventBlock): number {
    const { current } = this;
    if (current.number < 0) this.#start(current, block);
    this.settle(block);
    return current.number;
  }

  /** What the last call of the current thread did has been done by now. */
  settle(block: EventBlock): void {
    const { current } = this;
    if (current.atItsEnd !== undefined) block.call(current.atItsEnd);
    current.atItsEnd = undefined;
  }

  result(value: number, block: EventBlock): void {
    const { current } = this;
    const { isRemoving } = current.calls;
    const thread = this.run(block);
    const call = current.calls.result(value, thread);
    if (!isRemoving) current.atItsEnd = call;
    else if (call !== undefined) block.call(call);
  }

  exit(block: EventBlock): void {
    const { current } = this;
    if (current.number < 0 || current.hasExited) return;
    this.settle(block);
    current.hasExited = true;
    if (this.#running().length === 0) this.#leaving = current;
    else block.call({ name: "exit", thread: current.number });
  }

  /** Whoever has asked for a thread and waited longest for it, or else anybody who runs. */
  #start(thread: ViewThread, block: EventBlock): void {
    const running = this.#running();
    const parent = running.find(({ calls }) => calls.created > 0) ?? running[0] ?? this.#leaving;
    thread.number = this.#counts.threads++;
    if (parent === undefined) return;
    parent.calls.created--;
    block.call({ name: "thread", thread: parent.number, child: thread.number });
    if (this.#leaving === undefined) return;
    block.call({ name: "exit", thread: this.#leaving.number });
    this.#leaving = undefined;
  }

  #running(): ViewThread[] {
    return [...this.#threads.values()].filter(({ number, hasExited }) => number >= 0 && !hasExited);
  }
}
