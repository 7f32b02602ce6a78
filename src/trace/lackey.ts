import { FETCH, LOAD, MODIFY, STORE } from "../workload/feed.js";
import { excerpt, InputError } from "./errors.js";
import { type EventBlock, ReaderCounts, type ReaderOptions, type TraceReader } from "./event.js";
import { LackeyLog } from "./lackey-log.js";
import type { LineWindow } from "./lines.js";
import { addressEnd } from "./mm-call.js";

const newline = 10;
const carriageReturn = 13;
const space = 32;
const comma = 44;
const letterI = 73;

/** Value of a lower-case hexadecimal digit, 255 for any other byte. */
const hexValue = byteTable("0123456789abcdef", (index) => index);
/** Kind of a data access by its letter. */
const dataKind = byteTable("LSM", (index) => [LOAD, STORE, MODIFY][index]!);
/** Lackey pads addresses to 8 digits. */
const digitsMin = 8;
const digitsHigh = 6;
/** No instruction accesses more than XSAVE does, and that is well below this. */
const sizeMax = 65_536;
/** An access that begins below this ends in user space, whatever its size; the others are looked at one by one. */
const quickEnd = addressEnd - sizeMax;
/** Rows that one line other than an access may need. */
const callsPerLine = 8;

/**
 * Accesses recorded by Valgrind's lackey (--trace-mem=yes), and, where they were recorded in the same run, system
 * calls (--trace-syscalls=yes) and thread switches (--trace-sched=yes).
 *
 * The order of the lines is the order in which things happened: Valgrind runs one thread at a time. One file is one
 * address space. Accesses by the kernel are not recorded.
 */
export class LackeyReader implements TraceReader {
  readonly file: string;
  readonly format: string;
  readonly hasAccesses = true;
  readonly counts = new ReaderCounts();
  readonly #lines: LineWindow;
  readonly #log: LackeyLog;
  readonly #lenient: boolean;

  constructor(lines: LineWindow, format: string, options: ReaderOptions = {}) {
    this.file = lines.file;
    this.format = format;
    this.counts.threads = 1;
    this.#lines = lines;
    this.#lenient = options.lenient ?? false;
    this.#log = new LackeyLog(this.counts);
  }

  async read(block: EventBlock): Promise<boolean> {
    block.clear();
    const lines = this.#lines;
    const full = block.capacity - callsPerLine;
    while (block.length < full) {
      if (lines.position === lines.end) {
        if (block.length > 0 || !(await lines.more())) break;
      }
      this.#accesses(block, full);
      this.counts.lines = lines.line;
      if (lines.position < lines.end && block.length < full) this.#other(block);
    }
    this.counts.lines = lines.line;
    return block.length > 0;
  }

  close(): void {
    this.#lines.close();
  }

  /** Access lines, up to the first line that is none. This loop is the speed of the reader: it reads bytes in place. */
  #accesses(block: EventBlock, full: number): void {
    const lines = this.#lines;
    const { bytes, end } = lines;
    const { kind: kinds, thread: threads, address: addresses, size: sizes } = block;
    const thread = this.#log.thread;
    let at = lines.position;
    let row = block.length;
    // Every line of the window ends in a newline, so each loop over digits stops inside the window.
    while (at < end && row < full) {
      const first = bytes[at]!;
      if (first === newline || bytes[at + 2] !== space) break;
      const isFetch = first === letterI && bytes[at + 1] === space;
      const kind = isFetch ? FETCH : first === space ? dataKind[bytes[at + 1]!]! : 255;
      if (kind === 255) break;

      // Two integers of at most 24 bits each: one sum of doubles instead of twelve.
      let cursor = at + 3;
      const digitsAt = cursor;
      let digit = hexValue[bytes[cursor]!]!;
      let high = 0;
      while (digit < 16 && cursor < digitsAt + digitsHigh) {
        high = (high << 4) | digit;
        digit = hexValue[bytes[++cursor]!]!;
      }
      let low = 0;
      let lowDigits = 0;
      while (digit < 16 && lowDigits < 6) {
        low = (low << 4) | digit;
        lowDigits++;
        digit = hexValue[bytes[++cursor]!]!;
      }
      const address = high * (1 << (4 * lowDigits)) + low;
      if (bytes[cursor] !== comma || cursor - digitsAt < digitsMin || address >= quickEnd) break;

      let size = 0;
      let byte = bytes[++cursor]!;
      while (byte >= 48 && byte <= 57 && size < sizeMax) {
        size = size * 10 + byte - 48;
        byte = bytes[++cursor]!;
      }
      if (byte === carriageReturn) byte = bytes[++cursor]!;
      if (byte !== newline || size === 0 || size > sizeMax) break;

      kinds[row] = kind;
      threads[row] = thread;
      addresses[row] = address;
      sizes[row] = size;
      row++;
      at = cursor + 1;
    }
    lines.line += row - block.length;
    lines.position = at;
    block.length = row;
  }

  /** One line that is not a well-formed access. */
  #other(block: EventBlock): void {
    const lines = this.#lines;
    const text = lines.take().toString("latin1");
    let problem = this.#log.line(text, block);
    if (problem === undefined && lines.isCut && this.#log.awaitsResult) problem = "the result of the call";
    if (problem === undefined) return;
    if (!this.#lenient) throw new InputError(lines.place, problem, excerpt(text));
    this.counts.skipped++;
  }
}

function byteTable(letters: string, valueAt: (index: number) => number): Uint8Array {
  const table = new Uint8Array(256).fill(255);
  for (let index = 0; index < letters.length; index++) table[letters.charCodeAt(index)] = valueAt(index);
  return table;
}
