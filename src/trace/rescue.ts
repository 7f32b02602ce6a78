import { basename } from "node:path";
import { InputError } from "./errors.js";
import type { ByteSource, Compression } from "./open.js";

/**
 * What can be unpacked of a file that is cut short or damaged: it ends where the damage begins, and says so.
 *
 * Throws: InputError for a file of which nothing can be unpacked.
 */
export class RescuedSource implements ByteSource {
  readonly file: string;
  readonly compression: Compression;
  #source: ByteSource;
  /** Opens the file once more, in a way that gives all that stands before the damage; it may fail too. */
  #again: (() => ByteSource) | undefined;
  #delivered = 0;
  /** Bytes to pass over, as they were delivered before. */
  #known = 0;
  #problem: InputError | undefined;

  constructor(source: ByteSource, again?: () => ByteSource) {
    this.file = source.file;
    this.compression = source.compression;
    this.#source = source;
    this.#again = again;
  }

  get damage(): string | undefined {
    if (this.#problem === undefined) return undefined;
    const { saw } = this.#problem;
    const lost = `all behind byte ${this.#delivered} of what it holds unpacked is lost`;
    return `${basename(this.file)}: ${lost}: expected whole ${this.compression} data, saw ${saw}`;
  }

  async next(): Promise<Buffer | undefined> {
    for (;;) {
      const piece = await this.#piece();
      if (piece === undefined) {
        if (this.#problem !== undefined && this.#delivered === 0) throw this.#problem;
        return undefined;
      }
      const news = piece.subarray(Math.min(this.#known, piece.length));
      this.#known -= piece.length - news.length;
      this.#delivered += news.length;
      if (news.length > 0) return news;
    }
  }

  close(): void {
    this.#source.close();
  }

  async #piece(): Promise<Buffer | undefined> {
    try {
      return await this.#source.next();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      this.#problem ??= error;
      if (this.#again === undefined) return undefined;
      this.#source.close();
      this.#source = this.#again();
      this.#again = undefined;
      this.#known = this.#delivered;
      return this.#piece();
    }
  }
}
