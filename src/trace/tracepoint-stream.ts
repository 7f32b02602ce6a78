import { excerpt, InputError } from "./errors.js";
import type { ReaderOptions } from "./event.js";
import type { Lines } from "./lines.js";
import { rangeProblem } from "./mm-call.js";
import { memoryCall } from "./tracepoint-call.js";
import { type TracepointFact, tracepointFact } from "./tracepoint-event.js";
import type { LineParser, TracepointLine } from "./tracepoint-line.js";

/** Where and when something was recorded. */
export interface Recorded {
  readonly line: number;
  /** Microseconds. */
  readonly time: number;
  readonly cpu: number;
  readonly tid: number;
  /** The process, where lines name it. */
  readonly pid: number | undefined;
}

/** A system call, with what its end tells: `result` is undefined when no end was recorded. */
export interface RecordedCall extends Recorded {
  readonly kind: "call";
  readonly name: string;
  readonly args: readonly number[];
  readonly result: number | undefined;
}

/** `isThread`: the child shares the address space. */
interface RecordedFork extends Recorded {
  readonly kind: "fork";
  readonly child: number;
  readonly isThread: boolean;
}

export type RecordedEvent =
  | RecordedCall
  | RecordedFork
  /** The end of a call. */
  | (Recorded & { readonly kind: "return"; readonly call: RecordedCall })
  | (Recorded & Extract<TracepointFact, { kind: "fault" | "switch" | "end" | "flush" | "other" }>);

/** The events of a recording, in the order in which they happened. */
export interface RecordedEvents {
  /** As results name the recording, if not by its file. */
  readonly name?: string;
  readonly format: string;
  /** Events that the recorder dropped, as far as the recording was read. */
  readonly lost: number;
  /** The next events; undefined at the end. Throws: InputError. */
  next(): Promise<readonly RecordedEvent[] | undefined>;
  close(): void;
}

/** Calls whose result matters from their beginning on. */
const awaited: ReadonlySet<string> = new Set([
  ...["mmap", "munmap", "mprotect", "pkey_mprotect", "madvise", "brk", "mremap", "execve", "execveat"],
]);
const forks: ReadonlySet<string> = new Set(["fork", "vfork"]);
const CLONE_VM = 0x100;
const CLONE_VFORK = 0x4000;
/** How many events wait behind one that is still open; then it is taken as it is. */
const waitingMax = 65_536;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
interface Waiting {
  readonly event: RecordedEvent;
  isOpen: boolean;
}

/**
 * The events of a recording in the order of its lines, each with what later lines tell of it: a call with its result, a
 * new thread with its process.
 *
 * Without a column for processes and without recorded flags of clone(2), a new task is taken for a thread.
 */
export class TracepointStream implements RecordedEvents {
  readonly format: string;
  readonly #lines: Lines;
  readonly #parse: LineParser;
  readonly #isLenient: boolean;
  #waiting: Waiting[] = [];
  /** The last call of each thread that has no end yet. */
  readonly #calls = new Map<number, { readonly call: Mutable<RecordedCall>; readonly waiting: Waiting }>();
  /** New threads before their first line. */
  readonly #unborn = new Map<number, { readonly fork: Mutable<RecordedFork>; readonly waiting: Waiting }>();
  readonly tids = new Set<number>();
  /** Lines that could not be read and were passed over. */
  skipped = 0;
  /** Events that the recorder dropped. */
  lost = 0;

  constructor(lines: Lines, parse: LineParser, format: string, options: ReaderOptions = {}) {
    this.format = format;
    this.#lines = lines;
    this.#parse = parse;
    this.#isLenient = options.lenient ?? false;
  }

  get file(): string {
    return this.#lines.file;
  }

  get lines(): number {
    return this.#lines.line;
  }

  /** The next events; undefined at the end. Throws: InputError. */
  async next(): Promise<readonly RecordedEvent[] | undefined> {
    const lines = this.#lines;
    for (;;) {
      const isEnd = lines.position === lines.end && !(await lines.more());
      while (lines.position < lines.end) this.#line(lines.take().toString("latin1"));
      const ready = this.#ready(isEnd);
      if (ready.length > 0) return ready;
      if (isEnd) return undefined;
    }
  }

  close(): void {
    this.#lines.close();
  }

  #ready(isEnd: boolean): RecordedEvent[] {
    const tooMany = this.#waiting.length - waitingMax;
    const open = this.#waiting.findIndex((each, at) => each.isOpen && !isEnd && at >= tooMany);
    const ready = open < 0 ? this.#waiting : this.#waiting.slice(0, open);
    this.#waiting = this.#waiting.slice(ready.length);
    return ready.map((each) => {
      each.isOpen = false;
      return each.event;
    });
  }

  #line(text: string): void {
    const line = this.#parse(text);
    const fact = line?.event === undefined ? undefined : tracepointFact(line);
    if (line === undefined) this.#refuse("a line of perf script or ftrace", text);
    else if (line.event === undefined) this.lost += line.lost ?? 0;
    else if (fact?.kind === "problem") this.#refuse(fact.expected, text);
    else if (fact !== undefined) {
      this.#note(line);
      this.#event(fact, this.#place(line), text);
    }
  }

  #refuse(expected: string, text: string): void {
    if (!this.#isLenient) throw new InputError(this.#lines.place, expected, excerpt(text));
    this.skipped++;
  }

  #place({ time, cpu, tid, pid }: TracepointLine): Recorded {
    return { line: this.#lines.line, time, cpu, tid, pid };
  }

  #note({ tid, pid }: TracepointLine): void {
    if (tid !== 0) this.tids.add(tid);
    const born = this.#unborn.get(tid);
    if (born === undefined) return;
    if (pid !== undefined) born.fork.isThread = pid !== tid;
    born.waiting.isOpen = false;
    this.#unborn.delete(tid);
  }

  #event(fact: Exclude<TracepointFact, { kind: "problem" }>, at: Recorded, text: string): void {
    switch (fact.kind) {
      case "enter": {
        this.#forget(at.tid);
        const call: RecordedCall = {
          ...at,
          kind: "call",
          name: fact.name,
          args: fact.args,
          result: undefined,
        };
        const waiting = this.#push(call, awaited.has(fact.name));
        this.#calls.set(at.tid, { call, waiting });
        return;
      }
      case "exit":
        this.#exit(fact.name, fact.value, at, text);
        return;
      case "fork":
        this.#fork(fact.child, at);
        return;
      case "end":
        this.#forget(at.tid);
        this.#push({ ...at, ...fact }, false);
        return;
      default:
        this.#push({ ...at, ...fact }, false);
    }
  }

  #exit(name: string, value: number, at: Recorded, text: string): void {
    const begun = this.#calls.get(at.tid);
    if (begun?.call.name !== name) {
      // Of a call that began before the recording, or of the parent of this thread.
      this.#push({ ...at, kind: "other" }, false);
      return;
    }
    begun.waiting.isOpen = false;
    this.#calls.delete(at.tid);
    const effect = memoryCall({ ...begun.call, result: value });
    const problem = effect === undefined ? undefined : rangeProblem(effect);
    if (problem !== undefined) {
      this.#refuse(problem, text);
      return;
    }
    begun.call.result = value;
    this.#push({ ...at, kind: "return", call: begun.call }, false);
  }

  #fork(child: number, at: Recorded): void {
    const call = this.#calls.get(at.tid)?.call;
    const flags = call?.name === "clone" ? call.args[0] : undefined;
    const isShared = flags === undefined || ((flags & CLONE_VM) !== 0 && (flags & CLONE_VFORK) === 0);
    const isThread = isShared && !forks.has(call?.name ?? "");
    const fork: RecordedFork = { ...at, kind: "fork", child, isThread };
    const waiting = this.#push(fork, at.pid !== undefined && flags === undefined);
    if (waiting.isOpen) this.#unborn.set(child, { fork, waiting });
  }

  /** A call without an end. */
  #forget(tid: number): void {
    const begun = this.#calls.get(tid);
    if (begun === undefined) return;
    begun.waiting.isOpen = false;
    this.#calls.delete(tid);
  }

  #push(event: RecordedEvent, isOpen: boolean): Waiting {
    const waiting = { event, isOpen };
    this.#waiting.push(waiting);
    return waiting;
  }
}
