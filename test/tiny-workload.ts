/* A workload written as a list of records: for tests that need a certain order of a few calls and accesses. */
import { type AccessKind, type FeedSink, pageBytes, type Workload } from "../src/workload/feed.js";

/** What one task does. Every method appends to its records. */
export class Script {
  readonly task: number;
  readonly sink: FeedSink;

  constructor(task: number, sink: FeedSink) {
    this.task = task;
    this.sink = sink;
  }

  /** Gives the number of the call that is next, for those who wait until this one is over. */
  call(entry: string, ...args: readonly (number | bigint)[]): number {
    this.sink.call(this.task, entry, args);
    return this.sink.callRank();
  }

  access(page: number, kind: AccessKind): this {
    this.sink.access(this.task, page * pageBytes, kind);
    return this;
  }

  /** An access every few cycles, for about as long as this. */
  keepUsing(page: number, kind: AccessKind, cycles: number): this {
    const pause = 40;
    for (let time = 0; time < cycles; time += pause) this.access(page, kind).compute(pause);
    return this;
  }

  compute(cycles: number): this {
    this.sink.compute(this.task, cycles);
    return this;
  }

  /** Until the calls before this number are over. */
  waitCalls(rank: number): this {
    this.sink.waitCalls(this.task, rank);
    return this;
  }

  /** Starts a task that has been forked, or one that is given its address space here. */
  start(child: number, mm?: number): this {
    if (mm !== undefined) this.sink.thread(child, mm);
    this.sink.start(this.task, child);
    return this;
  }
}

/**
 * Tasks 0, 1, ... that run in these address spaces; null is a task that another one starts. `write` appends
 * all that they do, calls in the order in which they are numbered; every task exits behind it.
 */
export function scripted(
  name: string,
  spaces: readonly (number | null)[],
  write: (tasks: readonly Script[]) => void,
): Workload {
  return {
    name,
    tasks: spaces.length,
    mms: spaces.length,
    starters: spaces.flatMap((mm, task) => (mm === null ? [] : [{ task, mm }])),
    pages: 1024,
    open: () => {
      let isWritten = false;
      return {
        refill: (_, sink) => {
          if (isWritten) throw new Error("a script is given once");
          isWritten = true;
          const tasks = spaces.map((_, task) => new Script(task, sink));
          write(tasks);
          for (const { task } of tasks) {
            sink.call(task, "exit", []);
            sink.end(task);
          }
        },
      };
    },
  };
}
