import type { AccessKind, TraceSummary, TraceUnit } from "../workload/feed.js";

/**
 * What a recording says, in an order that a replay may take literally. Threads are numbered densely from 0 in order of
 * appearance; addresses and lengths are bytes as recorded (not rounded to pages).
 */
export type TraceEvent = AccessEvent | CallEvent;

export interface AccessEvent {
  readonly name: "access";
  readonly thread: number;
  readonly kind: AccessKind;
  readonly address: number;
  readonly size: number;
}

/** Omit, for each member of a union by itself. */
export type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** A system call that succeeded and that changes an address space or the set of threads. */
export type CallEvent = { readonly thread: number } & (
  | {
      readonly name: "mmap";
      /** The address that the kernel returned. */
      readonly start: number;
      readonly length: number;
      readonly prot: number;
      readonly shared: boolean;
      /** -1 for memory without a file. */
      readonly fd: number;
      /** Bytes into the file. */
      readonly offset: number;
    }
  | { readonly name: "munmap"; readonly start: number; readonly length: number }
  | { readonly name: "mprotect"; readonly start: number; readonly length: number; readonly prot: number }
  | { readonly name: "madvise"; readonly start: number; readonly length: number; readonly advice: number }
  /** The end of the heap after the call; a query is the same with nothing changed. */
  | { readonly name: "brk"; readonly end: number }
  | {
      readonly name: "mremap";
      readonly start: number;
      readonly length: number;
      readonly newStart: number;
      readonly newLength: number;
    }
  /** `child` begins in the same address space. */
  | { readonly name: "thread"; readonly child: number }
  /** `child` begins in a copy of the address space; `isUnseen`: that is assumed, the recording has no fork. */
  | { readonly name: "fork"; readonly child: number; readonly isUnseen?: boolean }
  | { readonly name: "exec" }
  | { readonly name: "exit" }
);

/** Bits of flags of mmap(2). */
export const MAP_SHARED = 1;
export const MAP_ANONYMOUS = 0x20;
/** Bits of flags of clone(2). */
export const CLONE_VM = 0x100;
export const CLONE_VFORK = 0x4000;

/** Value of EventBlock.kind for a row that is a call. */
export const CALL = 4;

export interface EventColumns {
  readonly kind: Uint8Array;
  readonly thread: Int32Array;
  readonly address: Float64Array;
  readonly size: Uint32Array;
}

function newColumns(capacity: number): EventColumns {
  return {
    kind: new Uint8Array(capacity),
    thread: new Int32Array(capacity),
    address: new Float64Array(capacity),
    size: new Uint32Array(capacity),
  };
}

/**
 * Events in columns, reused from read to read, so that an access costs no object.
 *
 * Shape: row i is an access of kind[i] by thread[i] at address[i] of size[i] bytes, or, where kind[i] is CALL,
 * calls[address[i]].
 */
export class EventBlock implements EventColumns {
  readonly capacity: number;
  readonly kind: Uint8Array;
  readonly thread: Int32Array;
  readonly address: Float64Array;
  readonly size: Uint32Array;
  calls: CallEvent[] = [];
  length = 0;

  /** The columns have `capacity` rows, wherever they lie. */
  constructor(capacity = 8192, columns = newColumns(capacity)) {
    this.capacity = capacity;
    this.kind = columns.kind;
    this.thread = columns.thread;
    this.address = columns.address;
    this.size = columns.size;
  }

  clear(): void {
    this.length = 0;
    this.calls = [];
  }

  access(thread: number, kind: AccessKind, address: number, size: number): void {
    const row = this.length++;
    this.kind[row] = kind;
    this.thread[row] = thread;
    this.address[row] = address;
    this.size[row] = size;
  }

  call(event: CallEvent): void {
    const row = this.length++;
    this.kind[row] = CALL;
    this.thread[row] = event.thread;
    this.address[row] = this.calls.length;
    this.calls.push(event);
  }

  at(row: number): TraceEvent {
    const kind = this.kind[row]!;
    if (kind === CALL) return this.calls[this.address[row]!]!;
    const [thread, address, size] = [this.thread[row]!, this.address[row]!, this.size[row]!];
    return { name: "access", thread, kind: kind as AccessKind, address, size };
  }
}

/** Reads one recording from beginning to end. */
export interface TraceReader {
  readonly file: string;
  /** As results name the recording; without it, by its file. */
  readonly name?: string;
  readonly format: string;
  /** Whether accesses are recorded, or only calls. */
  readonly hasAccesses: boolean;
  /** What was counted so far. */
  readonly counts: ReaderCounts;
  /** What the whole recording holds, where that is known before it is read. */
  readonly summary?: TraceSummary | undefined;
  /**
   * Replace the block's rows by the next ones, at least one.
   * Returns false, and an empty block, at the end. Throws: InputError.
   */
  read(block: EventBlock): Promise<boolean>;
  close(): void;
}

export interface ReaderOptions {
  /** Pass over lines that cannot be read, and count them, instead of refusing the file. */
  readonly lenient?: boolean;
  /** Name of the format to read, whatever the file looks like. */
  readonly format?: string;
}

/** What a reader counts that its events do not show. */
export class ReaderCounts {
  /** What a recording consists of: lines of text, or binary records. */
  readonly unit: TraceUnit;
  /** Lines or records read. */
  lines = 0;
  readonly calls = new Map<string, number>();
  failed = 0;
  joined = 0;
  threads = 0;
  skipped = 0;
  /** What it is read from: each may say why it has ended too early. */
  sources: readonly { readonly damage?: string | undefined }[] = [];
  /** Records that are no event of a simulation, by what they are. */
  readonly others = new Map<string, number>();

  constructor(unit: TraceUnit = "line") {
    this.unit = unit;
  }

  other(name: string): void {
    this.others.set(name, (this.others.get(name) ?? 0) + 1);
  }

  call(name: string): void {
    this.calls.set(name, (this.calls.get(name) ?? 0) + 1);
  }
}
