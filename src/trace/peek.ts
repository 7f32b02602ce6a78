import type { ByteSource, Compression } from "./open.js";

/** Bytes looked at to tell a format: banners are shorter than that. */
export const headBytes = 64 * 1024;

/** A source whose beginning has been looked at already. */
export class PeekedSource implements ByteSource {
  readonly file: string;
  readonly compression: Compression;
  /** The first bytes: all there are, or as many as tell any format. */
  readonly head: Buffer;
  readonly #source: ByteSource;
  readonly #pieces: Buffer[];

  private constructor(source: ByteSource, pieces: Buffer[]) {
    this.file = source.file;
    this.compression = source.compression;
    this.head = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    this.#source = source;
    this.#pieces = pieces;
  }

  /** Throws: InputError for a file that is damaged at its beginning; the source is closed then. */
  static async of(source: ByteSource): Promise<PeekedSource> {
    const pieces: Buffer[] = [];
    try {
      for (let length = 0; length < headBytes; length += pieces.at(-1)!.length) {
        const piece = await source.next();
        if (piece === undefined) break;
        pieces.push(piece);
      }
    } catch (error) {
      source.close();
      throw error;
    }
    return new PeekedSource(source, pieces);
  }

  get damage(): string | undefined {
    return this.#source.damage;
  }

  async next(): Promise<Buffer | undefined> {
    return this.#pieces.shift() ?? this.#source.next();
  }

  close(): void {
    this.#source.close();
  }
}
