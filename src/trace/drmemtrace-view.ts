import { type AccessKind, FETCH, LOAD, STORE } from "../workload/feed.js";
import { archAarch64, kernelSpace } from "./drmemtrace-records.js";
import { ViewThreads } from "./drmemtrace-view-threads.js";
import { excerpt, InputError } from "./errors.js";
import { type EventBlock, ReaderCounts, type ReaderOptions, type TraceReader } from "./event.js";
import type { LineWindow } from "./lines.js";
import { addressEnd } from "./mm-call.js";

const [newline, space, colon, dot] = [10, 32, 58, 46];
const [letterW, letterT, zero] = [87, 84, 48];
/** First letters of "ifetch", "read" and "write", the records that a replay needs. */
const kinds = new Uint8Array(256).fill(255);
kinds["i".charCodeAt(0)] = FETCH;
kinds["r".charCodeAt(0)] = LOAD;
kinds["w".charCodeAt(0)] = STORE;

const hexValue = new Uint8Array(256).fill(255);
for (const [index, digit] of [..."0123456789abcdef"].entries()) hexValue[digit.charCodeAt(0)] = index;

/** Rows that one line may need. */
const rowsPerLine = 4;
const sizeMax = 65_535;

const prefix = /^ *(\d+) +(\d+): +(?:W(\d+)\.T)?(\d+) (.*)$/;
const access = /^(ifetch|read|write) +(\d{1,5}) byte\(s\) @ 0x([0-9a-f]{16}|[0-9a-f]{8})(?: |$)/;
/** Records that are no event: prefetches, cache flushes, and entries of types that the tool does not know. */
const other = /^(?:(pref)(?:-[\w-]+)?|[id]flush) +\d+ byte\(s\) @ 0x|^<entry type \d+>$/;
const marker = /^<marker: (.*)>$/;
const exited = /^<thread (?:W\d+\.T)?\d+ exited>$/;
/** An encoding of more than 8 bytes goes on in a line of its own. */
const spill = /^ +(?:[0-9a-f]{2} ?)+ *$/;
/** What the tool prints around the records. */
const frame = /^$|^Output format:|^ *<--record#|^-+$|^View tool results:|^ *\d+ : total /;

const anyLine =
  "a line of drmemtrace's view, such as '  10  2:  W0.T1 read  8 byte(s) @ 0x00007fff00000000 by PC 0x1'";

/**
 * What DynamoRIO's `drrun -t drmemtrace -tool view` prints, with or without the disassembly.
 *
 * The order of the lines is the order of the events. About 120 bytes for a record of 12: the binary files are better.
 */
export class DrmemtraceViewReader implements TraceReader {
  readonly file: string;
  readonly format: string;
  readonly hasAccesses = true;
  readonly counts = new ReaderCounts();
  readonly #lines: LineWindow;
  readonly #lenient: boolean;
  readonly #threads: ViewThreads;
  /** Number of the last instruction. One that is executed again without a fetch does not count. */
  #instruction = 0;

  constructor(lines: LineWindow, format: string, options: ReaderOptions = {}) {
    this.file = lines.file;
    this.format = format;
    this.#lines = lines;
    this.#lenient = options.lenient ?? false;
    this.#threads = new ViewThreads(this.counts);
  }

  async read(block: EventBlock): Promise<boolean> {
    block.clear();
    const lines = this.#lines;
    const full = block.capacity - rowsPerLine;
    while (block.length < full) {
      if (lines.position === lines.end && (block.length > 0 || !(await lines.more()))) break;
      this.#accesses(block, full);
      if (lines.position < lines.end && block.length < full) this.#other(block);
    }
    this.counts.lines = lines.line;
    return block.length > 0;
  }

  close(): void {
    this.#lines.close();
  }

  /** Accesses of the thread of the last line, up to the first line that is something else; bytes are read in place. */
  #accesses(block: EventBlock, full: number): void {
    const lines = this.#lines;
    const { bytes, end } = lines;
    const { tid, number: thread, isWaiting } = this.#threads.current;
    if (thread < 0 || isWaiting) return;
    let at = lines.position;
    // Every line of the window ends in a newline, which is no digit and no blank: each loop stops inside the window.
    while (at < end && block.length < full) {
      let cursor = at;
      while (bytes[cursor] === space) cursor++;
      while (isDigit(bytes[cursor]!)) cursor++;
      while (bytes[cursor] === space) cursor++;
      let instruction = 0;
      for (; isDigit(bytes[cursor]!); cursor++) instruction = instruction * 10 + bytes[cursor]! - zero;
      if (bytes[cursor] !== colon) break;
      do cursor++;
      while (bytes[cursor] === space);
      if (bytes[cursor] === letterW) {
        if (bytes[cursor + 1] !== zero || bytes[cursor + 2] !== dot || bytes[cursor + 3] !== letterT) break;
        cursor += 4;
      }
      let id = 0;
      for (; isDigit(bytes[cursor]!); cursor++) id = id * 10 + bytes[cursor]! - zero;
      const kind = kinds[bytes[cursor + 1]!]!;
      if (id !== tid || bytes[cursor] !== space || kind === 255) break;
      cursor += 2;
      while (bytes[cursor]! > space) cursor++;
      while (bytes[cursor] === space) cursor++;
      let size = 0;
      for (; isDigit(bytes[cursor]!); cursor++) size = size * 10 + bytes[cursor]! - zero;
      // " byte(s) @ 0x", of which the last two are looked at.
      cursor += 13;
      if (cursor >= end || bytes[cursor - 1] !== 120 || bytes[cursor - 2] !== zero || size > sizeMax) break;
      let high = 0;
      const digits = cursor;
      for (; cursor < digits + 8 && hexValue[bytes[cursor]!]! < 16; cursor++) {
        high = high * 16 + hexValue[bytes[cursor]!]!;
      }
      let low = 0;
      for (; hexValue[bytes[cursor]!]! < 16; cursor++) low = low * 16 + hexValue[bytes[cursor]!]!;
      if (cursor - digits !== 16 || high >= 0x8000) break;
      while (bytes[cursor] !== newline) cursor++;
      if (kind === FETCH && instruction === this.#instruction) this.counts.other("noFetch");
      else block.access(thread, kind as AccessKind, high * 2 ** 32 + low, size);
      this.#instruction = instruction;
      lines.line++;
      at = cursor + 1;
    }
    lines.position = at;
  }

  /** One line that is not an access of the thread that ran last. */
  #other(block: EventBlock): void {
    const text = this.#lines.take().toString("latin1");
    const problem = this.#line(text, block);
    if (problem === undefined) return;
    if (!this.#lenient) throw new InputError(this.#lines.place, problem, excerpt(text));
    this.counts.skipped++;
  }

  /** Returns what was expected instead, when the line cannot be read. */
  #line(text: string, block: EventBlock): string | undefined {
    const match = prefix.exec(text);
    if (match === null) return frame.test(text) ? undefined : anyLine;
    const [, , instruction, workload, tid, rest] = match as unknown as [
      string,
      string,
      string,
      string?,
      string?,
      string?,
    ];
    if (workload !== undefined && workload !== "0") return "records of one workload";
    this.#threads.switchTo(Number(tid));
    const record = rest!;
    const said = marker.exec(record);
    if (said !== null) return this.#marker(said[1]!, block);
    if (spill.test(record)) return undefined;
    const found = access.exec(record);
    if (found !== null) return this.#access(found, Number(instruction), block);
    if (exited.test(record)) {
      this.counts.other("exit");
      this.#threads.exit(block);
      return undefined;
    }
    const passed = other.exec(record);
    if (passed === null) return anyLine;
    this.counts.other(passed[1] === "pref" ? "prefetch" : "cacheFlush");
    return undefined;
  }

  #access(found: RegExpExecArray, instruction: number, block: EventBlock): string | undefined {
    const [, name, size, digits] = found as unknown as [string, string, string, string];
    const address = Number.parseInt(digits, 16);
    const isAgain = name === "ifetch" && instruction === this.#instruction;
    this.#instruction = instruction;
    const isKernel = digits.length === 16 && /^ffff[89a-f]/.test(digits);
    if (isAgain || isKernel) {
      this.counts.other(isAgain ? "noFetch" : kernelSpace);
      return undefined;
    }
    if (address + Number(size) > addressEnd || Number(size) > sizeMax)
      return "an address of 48 bits, and a size of 16";
    const thread = this.#threads.run(block);
    block.access(thread, kinds[name.charCodeAt(0)] as AccessKind, address, Number(size));
    return undefined;
  }

  #marker(text: string, block: EventBlock): string | undefined {
    this.counts.other("marker");
    const threads = this.#threads;
    const { calls } = threads.current;
    const value = Number(/(?:0x[0-9a-f]+|\d+)$/.exec(text)?.[0] ?? Number.NaN);
    if (text.startsWith("timestamp ")) threads.settle(block);
    else if (text.startsWith("filetype ")) threads.isAarch64 = (value & archAarch64) !== 0;
    else if (text.startsWith("system call ") && !Number.isNaN(value)) calls.systemCall(value);
    else if (text.startsWith("function==syscall #")) calls.function(value);
    else if (text.startsWith("function argument ")) calls.argument(signedHex(text));
    else if (text.startsWith("function return value ")) threads.result(signedHex(text), block);
    else return undefined;
    return Number.isNaN(value) ? "a marker with a value" : undefined;
  }
}

/** The 64-bit number behind 0x, with its sign. */
function signedHex(text: string): number {
  const digits = /0x([0-9a-f]{1,16})$/.exec(text)?.[1];
  return digits === undefined ? Number.NaN : Number(BigInt.asIntN(64, BigInt(`0x${digits}`)));
}

function isDigit(byte: number): boolean {
  return byte >= zero && byte <= 57;
}
