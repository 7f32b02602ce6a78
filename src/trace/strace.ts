import { excerpt, InputError } from "./errors.js";
import { type EventBlock, ReaderCounts, type ReaderOptions, type TraceReader } from "./event.js";
import type { Lines } from "./lines.js";
import { rangeProblem } from "./mm-call.js";
import { actsAtItsStart, hasEffect, straceCall } from "./strace-call.js";
import { parseStraceLine, type StraceLine } from "./strace-line.js";
import { EffectOrder, type Entry } from "./strace-order.js";

type Line<K extends StraceLine["kind"]> = Extract<StraceLine, { kind: K }>;

/** The first half of a call; entry is its place in the order of effects, if that is where it began. */
interface Begun {
  readonly name: string;
  readonly args: string;
  readonly entry: Entry | undefined;
}

/** Id of the thread whose lines have none. */
const unnamed = -1;

/**
 * System calls recorded by strace, with or without -f, -t (any number of t), -r, -T, -y, -Y, -n, -i, -X, and with the
 * "[pid N]" of an output without -o. There are no accesses in it, and times are not used.
 *
 * Several processes are several address spaces. Signals and calls without an effect on memory are passed over.
 */
export class StraceReader implements TraceReader {
  readonly file: string;
  readonly format: string;
  readonly hasAccesses = false;
  readonly counts = new ReaderCounts();
  readonly #lines: Lines;
  readonly #lenient: boolean;
  readonly #order: EffectOrder;
  readonly #begun = new Map<number, Begun>();
  /** Ids that are certainly not that of the thread whose lines had none. */
  readonly #created = new Set<number>();
  /** Id of the thread whose lines had none at first. */
  #mainPid: number | undefined;
  #hasUnnamed = false;
  /** A line that a message of strace has cut; its end is the next line. */
  #cutLine = "";

  constructor(lines: Lines, format: string, options: ReaderOptions = {}) {
    this.file = lines.file;
    this.format = format;
    this.#lines = lines;
    this.#lenient = options.lenient ?? false;
    this.#order = new EffectOrder(this.counts);
  }

  async read(block: EventBlock): Promise<boolean> {
    block.clear();
    const lines = this.#lines;
    for (;;) {
      if (lines.position === lines.end) {
        this.#order.drain(block, false);
        if (block.length > 0) break;
        if (!(await lines.more())) {
          this.#order.drain(block, true);
          break;
        }
      }
      // A window's worth of lines at most: the rest of what they yield waits in the order.
      while (lines.position < lines.end) this.#line();
    }
    this.counts.lines = lines.line;
    return block.length > 0;
  }

  close(): void {
    this.#lines.close();
  }

  #line(): void {
    const text = this.#cutLine + this.#lines.take().toString("latin1");
    this.#cutLine = "";
    const line = parseStraceLine(text);
    const problem =
      line === undefined
        ? "a line of strace, such as 'munmap(0x7f0000000000, 4096) = 0'"
        : this.#parsed(line);
    if (problem === undefined) return;
    if (!this.#lenient) throw new InputError(this.#lines.place, problem, excerpt(text));
    this.counts.skipped++;
  }

  /** Returns what was expected instead, when the line cannot be used. */
  #parsed(line: StraceLine): string | undefined {
    switch (line.kind) {
      case "other":
        return undefined;
      case "attached":
        this.#created.add(line.child);
        this.#cutLine = line.before;
        return undefined;
      case "begin":
        this.#begin(line);
        return undefined;
      case "exit": {
        const tid = this.#tidOf(line);
        this.#dropBegun(tid);
        this.#order.push(tid, { name: "exit" });
        return undefined;
      }
      default:
        return this.#finish(line);
    }
  }

  #begin(line: Line<"begin">): void {
    const { name, args, movedTo } = line;
    this.counts.call(name);
    const from = this.#tidOf(line);
    this.#dropBegun(from);
    if (movedTo !== undefined) this.#order.push(from, { name: "exit" });
    const tid = movedTo ?? from;
    const entry = actsAtItsStart(name) ? this.#order.push(tid, undefined, true) : undefined;
    this.#begun.set(tid, { name, args, entry });
  }

  #finish(line: Line<"call" | "resume">): string | undefined {
    const tid = this.#tidOf(line);
    const begun = line.kind === "resume" ? this.#begun.get(tid) : undefined;
    this.#begun.delete(tid);
    if (begun === undefined) this.counts.call(line.name);
    else this.counts.joined++;
    const { name, value } = line;
    // The end of a call that began before the recording says nothing about its arguments.
    const isWhole = line.kind === "call" || begun?.name === name;
    const entry = begun?.entry ?? this.#order.push(tid, undefined, true);
    entry.isOpen = false;
    if (!isWhole || !hasEffect(name) || value === undefined) return undefined;
    if (value < 0) {
      this.counts.failed++;
      return undefined;
    }
    const call = straceCall(name, begun === undefined ? line.args : joined(begun.args, line.args), value);
    if (call === undefined) return `arguments of ${name}`;
    const problem = rangeProblem(call);
    if (problem !== undefined) return problem;
    if (call.name === "thread" || call.name === "fork") this.#created.add(call.child);
    entry.call = call;
    return undefined;
  }

  #dropBegun(tid: number): void {
    const entry = this.#begun.get(tid)?.entry;
    if (entry !== undefined) entry.isOpen = false;
    this.#begun.delete(tid);
  }

  /**
   * The id of the thread of a line. Without -o, strace names the threads only while there are several: the first one
   * has lines without an id at first.
   */
  #tidOf(line: { readonly pid: number | undefined; readonly kind: string }): number {
    if (line.pid === undefined) {
      this.#hasUnnamed = true;
      return unnamed;
    }
    if (line.pid === this.#mainPid) return unnamed;
    if (!this.#hasUnnamed || this.#mainPid !== undefined || this.#created.has(line.pid)) return line.pid;
    // A thread that is inside a call can only go on with its second half.
    const isBusy = this.#begun.has(unnamed);
    if (isBusy !== (line.kind === "resume") && line.kind !== "exit") return line.pid;
    this.#mainPid = line.pid;
    return unnamed;
  }
}

/** A call is cut between two arguments, or inside one that the kernel fills in. */
function joined(first: string, second: string): string {
  return first.endsWith(",") ? `${first} ${second}` : first + second;
}
