import { FETCH, LOAD, STORE } from "../workload/feed.js";
import {
  type CallEvent,
  type EventBlock,
  ReaderCounts,
  type ReaderOptions,
  type TraceReader,
} from "./event.js";
import type { Lines } from "./lines.js";
import { addressEnd } from "./mm-call.js";
import { actsAtItsEnd, memoryCall } from "./tracepoint-call.js";
import { FAULT_FETCH, FAULT_WRITE } from "./tracepoint-event.js";
import type { LineParser } from "./tracepoint-line.js";
import {
  type Recorded,
  type RecordedCall,
  type RecordedEvent,
  TracepointStream,
} from "./tracepoint-stream.js";

/** Rows that one event can become: a process that comes from nowhere is a fork, an exec, and what it does. */
const rowsMax = 3;

/**
 * Kernel tracepoints: system calls, page faults, forks and exits, by perf or by ftrace.
 *
 * A page fault is an access to its page; accesses that do not fault are in no recording of this kind. CPU numbers, switches
 * of tasks and flushes are for the comparison with what the kernel did (src/engine/enact.ts), not for a replay.
 */
export class TracepointReader implements TraceReader {
  readonly file: string;
  readonly format: string;
  readonly hasAccesses = true;
  readonly counts = new ReaderCounts();
  readonly #stream: TracepointStream;
  readonly #threads = new Map<number, number>();
  /** A thread of each process that is known by its id. */
  readonly #processes = new Map<number, number>();
  #numbered = 0;
  #events: readonly RecordedEvent[] = [];
  #next = 0;

  constructor(lines: Lines, parse: LineParser, format: string, options: ReaderOptions = {}) {
    this.file = lines.file;
    this.format = format;
    this.#stream = new TracepointStream(lines, parse, format, options);
  }

  async read(block: EventBlock): Promise<boolean> {
    block.clear();
    while (block.length === 0) {
      if (this.#next === this.#events.length) {
        const events = await this.#stream.next();
        if (events === undefined) break;
        [this.#events, this.#next] = [events, 0];
      }
      while (this.#next < this.#events.length && block.length <= block.capacity - rowsMax)
        this.#event(this.#events[this.#next++]!, block);
    }
    this.counts.lines = this.#stream.lines;
    this.counts.skipped = this.#stream.skipped;
    this.counts.threads = this.#stream.tids.size;
    return block.length > 0;
  }

  close(): void {
    this.#stream.close();
  }

  #event(event: RecordedEvent, block: EventBlock): void {
    switch (event.kind) {
      case "call":
        this.counts.call(event.name);
        if (!actsAtItsEnd(event.name)) this.#call(event, event, block);
        return;
      case "return":
        if (actsAtItsEnd(event.call.name)) this.#call(event.call, event, block);
        return;
      case "fault": {
        // Faults on other addresses are the kernel's own.
        if (event.address < 0 || event.address >= addressEnd) return;
        const { error } = event;
        const kind = (error & FAULT_FETCH) !== 0 ? FETCH : (error & FAULT_WRITE) !== 0 ? STORE : LOAD;
        block.access(this.#thread(event, block), kind, event.address, 1);
        return;
      }
      case "fork":
        this.#fork(event, event.child, event.isThread, block);
        return;
      case "end": {
        const thread = this.#threads.get(event.tid);
        if (thread === undefined) return;
        block.call({ name: "exit", thread });
        this.#threads.delete(event.tid);
        for (const [pid, member] of this.#processes) if (member === thread) this.#processes.delete(pid);
        return;
      }
      default:
        return;
    }
  }

  #call(call: RecordedCall, at: Recorded, block: EventBlock): void {
    const effect = memoryCall(call);
    if (effect !== undefined) block.call({ ...effect, thread: this.#thread(at, block) } as CallEvent);
    else if (call.result !== undefined && call.result < 0) this.counts.failed++;
  }

  #fork(at: Recorded, child: number, isThread: boolean, block: EventBlock): void {
    const thread = this.#thread(at, block);
    if (this.#threads.has(child)) return;
    block.call({ name: isThread ? "thread" : "fork", thread, child: this.#number(child) });
    if (!isThread && at.pid !== undefined) this.#processes.set(child, this.#threads.get(child)!);
  }

  /** The number of a thread; one that nobody was seen to create joins its process, or begins one of its own. */
  #thread({ tid, pid }: Recorded, block: EventBlock): number {
    const known = this.#threads.get(tid);
    if (known !== undefined) return known;
    const isFirst = this.#numbered === 0;
    const [living] = this.#threads.values();
    const thread = this.#number(tid);
    const member = pid === undefined ? undefined : this.#processes.get(pid);
    if (member === undefined && pid !== undefined) this.#processes.set(pid, thread);
    if (isFirst || living === undefined) return thread;
    if (member !== undefined) block.call({ name: "thread", thread: member, child: thread });
    else {
      block.call({ name: "fork", thread: living, child: thread, isUnseen: true });
      block.call({ name: "exec", thread });
    }
    return thread;
  }

  #number(tid: number): number {
    const thread = this.#numbered++;
    this.#threads.set(tid, thread);
    return thread;
  }
}
