import type { AccessKind } from "../workload/feed.js";
import { MarkedCalls } from "./drmemtrace-calls.js";
import {
  accessOf,
  archAarch64,
  FOOTER,
  kernelSpace,
  MARKER,
  marker,
  microseconds,
  otherOf,
  recordBytes,
  signed,
  systemCallFlag,
  THREAD,
  THREAD_EXIT,
} from "./drmemtrace-records.js";
import { InputError } from "./errors.js";
import type { CallEvent, EventBlock, ReaderCounts } from "./event.js";
import { addressEnd } from "./mm-call.js";
import type { ByteSource } from "./open.js";
import { RecordWindow } from "./records.js";

/**
 * Why a file has stopped: its thread has events and no number yet, a later time begins, its thread has ended, the block
 * is full, or the records in memory are read.
 */
export type Stop = "start" | "time" | "exit" | "full" | "dry";

/** The file of one thread of a drmemtrace recording. */
export class ThreadFile {
  /** Number of the thread, -1 until it has one. */
  thread = -1;
  /** Microseconds since 1970 at which the next records were made; -Infinity before the first timestamp. */
  time = Number.NEGATIVE_INFINITY;
  readonly calls: MarkedCalls;
  readonly #records: RecordWindow;
  readonly #counts: ReaderCounts;
  readonly #lenient: boolean;
  #tid: number | undefined;
  #hasFooter = false;
  #hasExited = false;
  /** A call that takes effect at the time that begins next: its end. */
  #atItsEnd: CallEvent | undefined;
  /** A time that has begun inside a call that takes effect before it. */
  #laterTime: number | undefined;

  constructor(source: ByteSource, counts: ReaderCounts, lenient: boolean) {
    this.#records = new RecordWindow(source, recordBytes);
    this.#counts = counts;
    this.#lenient = lenient;
    this.calls = new MarkedCalls(counts);
  }

  close(): void {
    this.#records.close();
  }

  /** Get more records. Returns false at the end. Throws: InputError for a file that ends too early. */
  async more(): Promise<boolean> {
    if (await this.#records.more()) return true;
    const { rest } = this.#records;
    if (rest === 0 && this.#hasFooter) return false;
    if (!this.#lenient) {
      throw rest > 0
        ? this.#records.cutRecord()
        : new InputError(this.#records.place(), "a footer", "the end of the file");
    }
    this.#counts.skipped++;
    return false;
  }

  /** Write events to the block until something else has to be done first. This loop is the speed of the reader. */
  decode(block: EventBlock, full: number): Stop {
    if (this.#atItsEnd !== undefined) {
      block.call(this.#atItsEnd);
      this.#atItsEnd = undefined;
    }
    const records = this.#records;
    const { kind: kinds, thread: threads, address: addresses, size: sizes } = block;
    const { words, end } = records;
    const { thread } = this;
    let row = block.length;
    let at = records.position;
    let stop: Stop | undefined;
    for (; at < end; at++) {
      if (row >= full) {
        stop = "full";
        break;
      }
      const word = words[3 * at]!;
      const kind = accessOf[word & 0xff]!;
      const high = words[3 * at + 2]!;
      const address = high * 2 ** 32 + words[3 * at + 1]!;
      if ((word & 0xff00) === 0 && kind !== 255 && address + (word >>> 16) <= addressEnd) {
        if (thread < 0) {
          stop = "start";
          break;
        }
        kinds[row] = kind as AccessKind;
        threads[row] = thread;
        addresses[row] = address;
        sizes[row] = word >>> 16;
        row++;
        continue;
      }
      block.length = row;
      stop = this.#other(at, block);
      row = block.length;
      if (stop === "start") break;
      if (stop !== undefined) {
        at++;
        break;
      }
    }
    block.length = row;
    this.#counts.lines += at - records.position;
    records.position = at;
    return stop ?? "dry";
  }

  /** A record that is no access of a program. */
  #other(at: number, block: EventBlock): Stop | undefined {
    const { words } = this.#records;
    const [head, low, high] = [words[3 * at]!, words[3 * at + 1]!, words[3 * at + 2]!];
    const [type, size] = [head & 0xffff, head >>> 16];
    const name = type < 256 ? otherOf[type] : undefined;
    if (name === undefined) return this.#strange(at, type, high);
    if (type === MARKER && size === marker.result && this.thread < 0) return "start";
    this.#counts.other(name);
    if (type === MARKER) return this.#marker(size, low, high, block);
    if (type === THREAD) {
      if (this.#tid !== undefined && this.#tid !== low)
        throw this.#wrong(at, "records of one thread", "another");
      this.#tid = low;
    } else if (type === FOOTER) this.#hasFooter = true;
    else if (type === THREAD_EXIT && !this.#hasExited) {
      this.#hasExited = true;
      return "exit";
    }
    return undefined;
  }

  #marker(kind: number, low: number, high: number, block: EventBlock): Stop | undefined {
    const { calls } = this;
    switch (kind) {
      case marker.timestamp:
        return this.#timestamp(microseconds(high, low));
      case marker.fileType:
        calls.isAarch64 = (low & archAarch64) !== 0;
        return undefined;
      case marker.systemCall:
        calls.systemCall(low);
        return undefined;
      case marker.functionId:
        if (high === systemCallFlag / 2 ** 32) calls.function(low);
        return undefined;
      case marker.argument:
        calls.argument(signed(high, low));
        return undefined;
      case marker.result:
        return this.#result(signed(high, low), block);
      default:
        return undefined;
    }
  }

  #timestamp(time: number): Stop | undefined {
    // A thread's own order is certain, whatever the clock did.
    const later = Math.max(time, this.time);
    if (this.calls.isRemoving) {
      this.#laterTime = later;
      return undefined;
    }
    this.time = later;
    return "time";
  }

  /** What takes memory away stands where it began, what gives memory where it ended. */
  #result(value: number, block: EventBlock): Stop | undefined {
    const isRemoval = this.calls.isRemoving;
    const call = this.calls.result(value, this.thread);
    if (!isRemoval) {
      this.#atItsEnd = call;
      return undefined;
    }
    if (call !== undefined) block.call(call);
    if (this.#laterTime === undefined) return undefined;
    this.time = this.#laterTime;
    this.#laterTime = undefined;
    return "time";
  }

  #strange(at: number, type: number, high: number): undefined {
    const isAccess = type < 256 && accessOf[type] !== 255;
    // All bits above the 47 of user space set: the kernel's half.
    if (isAccess && high >>> 15 === 0x1ffff) this.#counts.other(kernelSpace);
    else if (this.#lenient) this.#counts.skipped++;
    else if (isAccess) throw this.#wrong(at, "an address of 48 bits", `high half 0x${high.toString(16)}`);
    else throw this.#wrong(at, "a record of drmemtrace", `type ${type}`);
    return undefined;
  }

  #wrong(at: number, expected: string, saw: string): InputError {
    return new InputError(this.#records.place(at), expected, saw);
  }
}
