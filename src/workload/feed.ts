/** Kinds of access, as a feed's records number them. */
export type AccessKind = 0 | 1 | 2 | 3;
export const LOAD = 0;
export const STORE = 1;
export const FETCH = 2;
/** A load and a store of the same address in one instruction. */
export const MODIFY = 3;

/** Where a kind stands in an access of two words: in place of the address's lowest bits. */
export const kindBits = 15;

/** Pages that Linux maps at once when a file is read, by default. Source: linux mm/memory.c, fault_around_pages. */
export const linuxFaultAround = 16;

/** Bytes of the smallest page, the unit of every page number in a feed. */
export const pageBytes = 4096;

/** Work for the simulated CPUs: threads, and a way to read what they do, as often as there are runs. */
export interface Workload {
  /** As reports name it. */
  readonly name: string;
  /** Upper bound of the task ids used: they are 0 to tasks - 1. */
  readonly tasks: number;
  /** Upper bound of the mm ids used. */
  readonly mms: number;
  /** Tasks that exist at time 0, in order. Kernel threads have no mm: they make no access and no call. */
  readonly starters: readonly { readonly task: number; readonly mm: number | undefined }[];
  /** Hint: most 4 KiB pages resident at once. */
  readonly pages?: number;
  /**
   * Pages that a fault on a file maps around it, the page included; 1 unless said. Recordings of page faults need what the
   * recorded kernel did: the other pages have no fault because of it.
   */
  readonly faultAround?: number;
  /** A fresh pass over the same work. The same seed gives the same records. */
  open(seed: number): Feed;
}

/** One pass over a workload. */
export interface Feed {
  /**
   * Task `task` has run dry: append records, for it and for others as they come.
   *
   * Returns (or resolves) when the task has records, when `sink.end(task)` was called for it, or when the ring of
   * another task is full; in the last case the caller lets the others run and asks again.
   * Throws: InputError when a recording cannot be read.
   */
  refill(task: number, sink: FeedSink): void | Promise<void>;
  close?(): void | Promise<void>;
  /** What was read so far; complete once every task has ended. */
  readonly summary?: TraceSummary | undefined;
}

/** Where a feed puts its records: a ring of 8-byte records for each task. */
export interface FeedSink {
  /** Records that still fit in the ring of `task`. */
  room(task: number): number;
  /** A memory access at byte address `address` (below 2^47). 1 record. */
  access(task: number, address: number, kind: AccessKind): void;
  /**
   * As access(), `count` times, for which there must be room. Two words each: the lower half of the address, with the kind in place of its
   * lowest four bits, and the upper half.
   */
  accesses(task: number, words: Uint32Array, count: number): void;
  /** User work that touches no memory, in cycles. 1 record. */
  compute(task: number, cycles: number): void;
  /** A call of a kernel entry, at most 6 arguments, page numbers as plain numbers. 8 records. */
  call(task: number, entry: string, args: readonly (number | bigint)[]): void;
  /** Wait until the calls 0 to rank - 1 are done, numbered by the order of `call` over all tasks. 1 record. */
  waitCalls(task: number, rank: number): void;
  /** How many calls have been appended so far. */
  callRank(): number;
  /** Wait until task `other` has consumed this many of its records. 2 records. */
  waitTask(task: number, other: number, records: number): void;
  /** Records appended to `task` so far, control records included. */
  position(task: number): number;
  /** Makes task `child` runnable; it got its mm from a fork call or from thread(). 1 record. */
  start(task: number, child: number): void;
  /** Declares that task `child` runs in `mm`. Immediate, no record. */
  thread(child: number, mm: number): void;
  /** No more records for this task. The feed has appended its exit call before, unless it is a kernel thread. */
  end(task: number): void;
}

/** Records that each method of FeedSink takes from a ring. */
export const recordsOf = { access: 1, compute: 1, call: 8, waitCalls: 1, waitTask: 2, start: 1 } as const;

/** What a recording consists of: lines of text, or binary records. */
export type TraceUnit = "line" | "record";

/** What a recorded trace held: counts of the file, not of the simulation. */
export interface TraceSummary {
  readonly file: string;
  readonly format: string;
  readonly unit: TraceUnit;
  /** Lines or records, whichever the unit is. */
  readonly lines: number;
  /** Access lines. */
  readonly accesses: {
    readonly fetch: number;
    readonly load: number;
    readonly store: number;
    readonly modify: number;
  };
  /** All system calls by name, also those that failed or that mean nothing to the simulation. */
  readonly calls: Readonly<Record<string, number>>;
  /** Calls with an effect that is simulated, had they not failed. */
  readonly failed: number;
  /** Calls recorded in two halves. */
  readonly joined: number;
  readonly threads: number;
  readonly forks: number;
  /** Distinct 4 KiB pages accessed; a page both executed and read counts once here and in both parts. */
  readonly pages: number;
  readonly codePages: number;
  readonly dataPages: number;
  readonly writtenPages: number;
  /** Records that are no event of a simulation, by what they are; with the accesses they add up to all. */
  readonly others: Readonly<Record<string, number>>;
  /** Lines that could not be read and were passed over, in lenient mode. */
  readonly skipped: number;
  /** Where files end that are cut short or damaged inside their packing, and why; in lenient mode, where they are read up to there. */
  readonly damage?: readonly string[];
}
