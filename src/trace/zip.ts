import { crc32 } from "node:zlib";
import type { ZipFile } from "yauzl";
import { InputError } from "./errors.js";
import type { ByteSource } from "./open.js";

/** The members of a zip file, unpacked and one behind the other, in the order of its directory. */
export class ZipSource implements ByteSource {
  readonly file: string;
  readonly compression = "zip";
  readonly #pieces: AsyncGenerator<Buffer, undefined>;
  #zip: ZipFile | undefined;
  #delivered = 0;
  #closed = false;

  /** `members` unpacks it; as its directory says, unless given. */
  constructor(file: string, members?: (file: string) => AsyncGenerator<Buffer, undefined>) {
    this.file = file;
    this.#pieces = members === undefined ? this.#all() : members(file);
  }

  async next(): Promise<Buffer | undefined> {
    if (this.#closed) return undefined;
    try {
      const { value } = (await this.#pieces.next()) as IteratorResult<Buffer, undefined>;
      this.#delivered += value?.length ?? 0;
      return value;
    } catch (error) {
      if (this.#closed) return undefined;
      const place = { file: this.file, byte: this.#delivered };
      const saw = error instanceof Error ? error.message : String(error);
      throw new InputError(place, "whole zip data (the byte is of the unpacked data)", saw);
    }
  }

  close(): void {
    this.#closed = true;
    this.#zip?.close();
    // What it reads from is closed where it stands.
    this.#pieces.return(undefined).catch(() => {});
  }

  async *#all(): AsyncGenerator<Buffer, undefined> {
    const { openPromise } = await import("yauzl");
    const zip = await openPromise(this.file, { autoClose: false });
    this.#zip = zip;
    try {
      for await (const entry of zip.eachEntry()) {
        let checksum = 0;
        for await (const piece of (await zip.openReadStreamPromise(entry)) as AsyncIterable<Buffer>) {
          checksum = crc32(piece, checksum);
          yield piece;
        }
        if (checksum !== entry.crc32)
          throw new Error(`a wrong checksum of ${JSON.stringify(entry.fileName)}`);
      }
    } finally {
      zip.close();
    }
  }
}
