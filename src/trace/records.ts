import { InputError, type Place } from "./errors.js";
import type { ByteSource } from "./open.js";

/**
 * A view of the whole records that are in memory, for formats whose records all have one size.
 *
 * Shape: records `position` to `end` - 1 are whole; record i begins at word i * wordsEach of `words` (32 bits, as this
 * machine orders bytes) and at byte i * recordBytes of `bytes`. The reader advances `position`.
 */
export class RecordWindow {
  readonly file: string;
  readonly recordBytes: number;
  bytes: Buffer;
  words: Uint32Array;
  position = 0;
  end = 0;
  readonly #source: ByteSource;
  #used = 0;
  /** Records before the window. */
  #before = 0;
  #ended = false;

  /** `recordBytes` is a multiple of 4. */
  constructor(source: ByteSource, recordBytes: number) {
    this.file = source.file;
    this.recordBytes = recordBytes;
    this.#source = source;
    this.bytes = Buffer.alloc(0);
    this.words = new Uint32Array(0);
    this.#resize(recordBytes * 1024);
  }

  /** Records taken so far. */
  get taken(): number {
    return this.#before + this.position;
  }

  /** Where record `index` of the window begins, in the unpacked data. */
  place(index = this.position): Place {
    return { file: this.file, byte: (this.#before + index) * this.recordBytes };
  }

  /** Bytes behind the last whole record, once the end of the file was reached. */
  get rest(): number {
    return this.#ended ? this.#used - this.end * this.recordBytes : 0;
  }

  /**
   * Once all records are read: get more. Returns false at the end of the file.
   * Throws: InputError for a file that is cut short inside its packing or damaged.
   */
  async more(): Promise<boolean> {
    this.#dropRead();
    while (!this.#ended) {
      const piece = await this.#source.next();
      if (piece === undefined) {
        this.#ended = true;
        break;
      }
      this.#append(piece);
      this.end = Math.floor(this.#used / this.recordBytes);
      if (this.end > 0) return true;
    }
    return false;
  }

  close(): void {
    this.#source.close();
  }

  /** For a file that ends inside a record. */
  cutRecord(): InputError {
    const saw = `${this.rest} bytes more at its end`;
    return new InputError(this.place(this.end), `whole records of ${this.recordBytes} bytes`, saw);
  }

  #dropRead(): void {
    const from = this.position * this.recordBytes;
    this.bytes.copyWithin(0, from, this.#used);
    this.#used -= from;
    this.#before += this.position;
    this.position = 0;
    this.end = Math.floor(this.#used / this.recordBytes);
  }

  #append(piece: Uint8Array): void {
    const needed = this.#used + piece.length;
    if (needed > this.bytes.length) this.#resize(Math.ceil(needed / this.recordBytes) * this.recordBytes);
    this.bytes.set(piece, this.#used);
    this.#used = needed;
  }

  #resize(bytes: number): void {
    const memory = new ArrayBuffer(bytes);
    const larger = Buffer.from(memory);
    this.bytes.copy(larger, 0, 0, this.#used);
    this.bytes = larger;
    this.words = new Uint32Array(memory);
  }
}
