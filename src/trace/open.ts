import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createReadStream, type Stats } from "node:fs";
import { open, stat } from "node:fs/promises";
import { pipeline, type Readable, type Transform } from "node:stream";
import * as zlib from "node:zlib";
import { InputError } from "./errors.js";
import { RescuedSource } from "./rescue.js";

/** The unpacked bytes of a file, in pieces. */
export interface ByteSource {
  readonly file: string;
  readonly compression: Compression;
  /** The next piece, undefined at the end. Throws: InputError for a file that is cut short or damaged. */
  next(): Promise<Buffer | undefined>;
  /** Stops reading; harmless at any time. */
  close(): void;
  /** Why it has ended too early, where that is passed over. */
  readonly damage?: string | undefined;
}

export type Compression = "none" | "gzip" | "zstd" | "xz" | "lz4" | "zip";

/** Programs that unpack. A name that cannot be started counts as absent. */
export interface Unpackers {
  readonly zstd?: string;
  readonly xz?: string;
  readonly lz4?: string;
}

const pieceBytes = 256 * 1024;
/** What is unpacked of a damaged piece is lost, so these are small. */
const rescuedBytes = 16 * 1024;
const magicBytes = 6;

/**
 * As openBytes(); in lenient mode, what is cut short or damaged inside its packing is read up to there, and `damage` says so.
 *
 * Throws: InputError, as openBytes() does.
 */
export async function bytesOf(
  file: string,
  options: Unpackers & { readonly lenient?: boolean } = {},
): Promise<ByteSource> {
  const source = await openBytes(file, options);
  const { compression } = source;
  if (compression === "none" || options.lenient !== true) return source;
  if (compression === "zip") {
    const [{ ZipSource }, { membersWithoutDirectory }] = await Promise.all([
      import("./zip.js"),
      import("./zip-members.js"),
    ]);
    return new RescuedSource(source, () => new ZipSource(file, membersWithoutDirectory));
  }
  if (compression !== "gzip") return new RescuedSource(source);
  const { Z_SYNC_FLUSH } = zlib.constants;
  const whole = { chunkSize: rescuedBytes, finishFlush: Z_SYNC_FLUSH };
  return new RescuedSource(source, () => throughZlib(file, compression, zlib.createGunzip(whole)));
}

/**
 * Open a file for reading, unpacking it by what its first bytes say; its name does not matter.
 *
 * Throws: InputError when the file cannot be opened or nothing here can unpack it.
 */
export async function openBytes(file: string, unpackers: Unpackers = {}): Promise<ByteSource> {
  const compression = compressionOf(await firstBytes(file));
  if (compression === "none") return new StreamSource(file, compression, readable(file));
  if (compression === "gzip")
    return throughZlib(file, compression, zlib.createGunzip({ chunkSize: pieceBytes }));
  if (compression === "zip") {
    const { ZipSource } = await import("./zip.js");
    return new ZipSource(file);
  }
  if (compression === "xz" || compression === "lz4") {
    const child = await start(unpackers[compression] ?? compression, ["-dc", "--", file]);
    if (child !== undefined) return new StreamSource(file, compression, child.stdout, child);
    throw new InputError({ file }, `the program ${compression} on PATH to unpack this file`, "none");
  }
  // Traces are often packed with a long window (zstd --long), which zstd refuses to unpack unless told.
  const child = await start(unpackers.zstd ?? "zstd", ["-dcq", "--long=31", "--", file]);
  if (child !== undefined) return new StreamSource(file, compression, child.stdout, child);
  const builtin = zstdOfNode();
  if (builtin !== undefined) return throughZlib(file, compression, builtin);
  throw new InputError(
    { file },
    "the program zstd on PATH, or Node 22.15 or later, to unpack this file",
    "neither",
  );
}

/**
 * Sources: RFC 1952 (gzip), RFC 8878 (zstd; 0x184d2a50 to 5f begin a skippable frame), the .xz file format 1.2.1, the
 * LZ4 frame format 1.6, PKWARE's APPNOTE.TXT 4.3.7 (zip).
 */
export function compressionOf(magic: Uint8Array): Compression {
  const starts = (...bytes: number[]): boolean => bytes.every((byte, index) => magic[index] === byte);
  if (starts(0x1f, 0x8b)) return "gzip";
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return "zstd";
  if ((magic[0]! & 0xf0) === 0x50 && magic[1] === 0x2a && magic[2] === 0x4d && magic[3] === 0x18)
    return "zstd";
  if (starts(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) return "xz";
  if (starts(0x04, 0x22, 0x4d, 0x18)) return "lz4";
  if (starts(0x50, 0x4b, 0x03, 0x04)) return "zip";
  return "none";
}

async function firstBytes(file: string): Promise<Uint8Array> {
  try {
    const found = await stat(file);
    // Each run reads the recording from its beginning, and opening a pipe would wait for somebody to write.
    if (!found.isFile() && !found.isDirectory())
      throw new InputError({ file }, "a file, which every run can read from its beginning", kindOf(found));
    const handle = await open(file, "r");
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(magicBytes), 0, magicBytes, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw error instanceof InputError ? error : unreadable(file, error);
  }
}

function kindOf(found: Stats): string {
  return found.isFIFO() ? "a pipe" : found.isSocket() ? "a socket" : "a device";
}

function readable(file: string): Readable {
  return createReadStream(file, { highWaterMark: pieceBytes });
}

function throughZlib(file: string, compression: Compression, unpack: Transform): ByteSource {
  // The callback keeps an error from being thrown twice: reading `unpack` reports it.
  pipeline(readable(file), unpack, () => {});
  return new StreamSource(
    file,
    compression,
    unpack,
    undefined,
    unpack as unknown as { bytesWritten: number },
  );
}

/** Node 22.15 unpacks zstd itself; the types are those of an older Node. */
function zstdOfNode(): Transform | undefined {
  const { createZstdDecompress, constants } = zlib as unknown as {
    createZstdDecompress?: (options: object) => Transform;
    constants: Record<string, number>;
  };
  const params = { [constants.ZSTD_d_windowLogMax ?? 0]: 31 };
  return createZstdDecompress?.({ chunkSize: pieceBytes, params });
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

/** Resolves to undefined when there is no such program. */
function start(program: string, args: readonly string[]): Promise<Child | undefined> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  return new Promise((resolve) => {
    child.once("spawn", () => resolve(child));
    child.once("error", () => resolve(undefined));
  });
}

class StreamSource implements ByteSource {
  readonly file: string;
  readonly compression: Compression;
  readonly #stream: Readable;
  readonly #pieces: AsyncIterator<Buffer>;
  /** Compressed bytes taken so far, where that is known. */
  readonly #taken: { bytesWritten: number } | undefined;
  readonly #child: Child | undefined;
  readonly #exit: Promise<string> | undefined;
  #delivered = 0;
  #closed = false;

  constructor(
    file: string,
    compression: Compression,
    stream: Readable,
    child?: Child,
    taken?: { bytesWritten: number },
  ) {
    this.file = file;
    this.compression = compression;
    this.#stream = stream;
    this.#pieces = stream[Symbol.asyncIterator]();
    this.#taken = taken;
    this.#child = child;
    // Listening begins now: a child that fails at once may be gone before the last piece is read.
    this.#exit = child === undefined ? undefined : failureOf(child);
  }

  async next(): Promise<Buffer | undefined> {
    if (this.#closed) return undefined;
    let result: IteratorResult<Buffer>;
    try {
      result = await this.#pieces.next();
    } catch (error) {
      if (this.#closed) return undefined;
      throw this.#damaged(error);
    }
    if (result.done !== true) {
      this.#delivered += result.value.length;
      return result.value;
    }
    const failure = await this.#exit;
    if (failure === undefined || failure === "" || this.#closed) return undefined;
    const place = { file: this.file, byte: this.#delivered };
    throw new InputError(place, `whole ${this.compression} data (the byte is of the unpacked data)`, failure);
  }

  close(): void {
    this.#closed = true;
    this.#stream.destroy();
    this.#child?.kill();
  }

  #damaged(error: unknown): InputError {
    if (this.#taken === undefined) return unreadable(this.file, error);
    const saw = error instanceof Error ? error.message : String(error);
    return new InputError(
      { file: this.file, byte: this.#taken.bytesWritten },
      `whole ${this.compression} data`,
      saw,
    );
  }
}

/** Why the child failed, or "" when it did not. */
function failureOf(child: Child): Promise<string> {
  let said = "";
  child.stderr.on("data", (text: Buffer) => {
    if (said.length < 300) said += text.toString();
  });
  return new Promise((resolve) => {
    child.once("close", (code, signal) => {
      if (code === 0) resolve("");
      const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
      resolve(`${child.spawnfile} end with ${how}: ${said.trim().replaceAll("\n", " ")}`);
    });
  });
}

function unreadable(file: string, error: unknown): InputError {
  const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
  const meanings: Record<string, string> = {
    ENOENT: "no such file",
    EISDIR: "a directory",
    EACCES: "permission denied",
  };
  return new InputError({ file }, "a file that can be read", meanings[code] ?? code);
}
