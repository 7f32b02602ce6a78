import { InputError, type Place } from "./errors.js";
import type { ByteSource } from "./open.js";

/** Longest line that is read, in bytes. The formats' own lines are under 1 KiB. */
export const lineMax = 64 * 1024;

const newline = 10;

/** Lines to be taken one by one: those in memory, from `position` up to `end`, and then more. */
export interface Lines {
  readonly file: string;
  /** Lines taken so far. */
  readonly line: number;
  /** Where the line taken last stands. */
  readonly place: Place;
  readonly position: number;
  readonly end: number;
  /** Once all lines in memory are taken: get more. Returns false at the end. Throws: InputError. */
  more(): Promise<boolean>;
  /** The next line, without its end. */
  take(): Buffer;
  close(): void;
}

/**
 * A view of the whole lines that are in memory.
 *
 * Shape: the bytes from `position` up to `end` are lines, each ended by a newline; the reader advances `position`.
 * The last line of a file gets a newline if it has none.
 */
export class LineWindow implements Lines {
  bytes: Buffer = Buffer.alloc(512 * 1024);
  position = 0;
  end = 0;
  /** Lines before `position`, kept by the reader, for messages. */
  line = 0;
  readonly file: string;
  readonly #source: ByteSource;
  #used = 0;
  #ended = false;
  #cutAt = -1;

  constructor(source: ByteSource) {
    this.file = source.file;
    this.#source = source;
  }

  /**
   * Once all lines are read: get more. Returns false at the end of the file.
   * Throws: InputError for a file that is cut short or damaged, and for a line that is too long.
   */
  async more(): Promise<boolean> {
    this.#dropRead();
    while (!this.#ended) {
      const piece = await this.#source.next();
      if (piece === undefined) return this.#finish();
      const from = this.#used;
      this.#append(piece);
      const last = piece.lastIndexOf(newline);
      if (last >= 0) {
        this.end = from + last + 1;
        return true;
      }
      if (this.#used > lineMax) throw this.tooLong();
    }
    return false;
  }

  /** The bytes of the line at `position`, without its newline; `position` moves behind it. */
  take(): Buffer {
    const from = this.position;
    const to = this.bytes.indexOf(newline, from);
    if (to - from > lineMax) throw this.tooLong();
    this.position = to + 1;
    this.line++;
    const carriageReturn = to > from && this.bytes[to - 1] === 13;
    return this.bytes.subarray(from, carriageReturn ? to - 1 : to);
  }

  get place(): Place {
    return { file: this.file, line: this.line };
  }

  /** Whether the line taken last is the last of the file and had no newline. */
  get isCut(): boolean {
    return this.#cutAt >= 0 && this.position > this.#cutAt;
  }

  close(): void {
    this.#source.close();
  }

  tooLong(): InputError {
    const place = { file: this.file, line: this.line + 1 };
    return new InputError(place, `a line of at most ${lineMax} bytes`, "a longer one");
  }

  #finish(): boolean {
    this.#ended = true;
    // Where its end is lost, a line would say something else.
    if (this.#used === 0 || this.#source.damage !== undefined) return false;
    this.#cutAt = this.#used;
    this.#append(Buffer.from([newline]));
    this.end = this.#used;
    return true;
  }

  /** What is left is the beginning of a line, which stays. */
  #dropRead(): void {
    this.bytes.copyWithin(0, this.end, this.#used);
    this.#used -= this.end;
    this.position = 0;
    this.end = 0;
  }

  #append(piece: Uint8Array): void {
    const needed = this.#used + piece.length;
    if (needed > this.bytes.length) {
      const larger = Buffer.alloc(2 * needed);
      this.bytes.copy(larger, 0, 0, this.#used);
      this.bytes = larger;
    }
    this.bytes.set(piece, this.#used);
    this.#used = needed;
  }
}
