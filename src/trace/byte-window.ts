import type { ByteSource } from "./open.js";

/** Bytes of a source, taken in pieces of any length. */
export class ByteWindow {
  readonly file: string;
  /** Bytes taken so far, of the unpacked data. */
  position = 0;
  readonly #source: ByteSource;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(source: ByteSource) {
    this.file = source.file;
    this.#source = source;
  }

  /** The next `length` bytes without moving on, or what is left of them. Valid until the next call. */
  async peek(length: number): Promise<Buffer> {
    if (this.#bytes.length < length) {
      const pieces = [this.#bytes];
      for (let have = this.#bytes.length; have < length; ) {
        const piece = await this.#source.next();
        if (piece === undefined) break;
        pieces.push(piece);
        have += piece.length;
      }
      this.#bytes = Buffer.concat(pieces);
    }
    return this.#bytes.subarray(0, length);
  }

  /** Move on by so many bytes, which peek() has returned. */
  skip(length: number): void {
    this.#bytes = this.#bytes.subarray(length);
    this.position += length;
  }

  close(): void {
    this.#source.close();
  }
}
