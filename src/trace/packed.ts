import type { TraceSummary } from "../workload/feed.js";
import type { BinaryFormat } from "./binary-format.js";
import { ByteWindow } from "./byte-window.js";
import { InputError } from "./errors.js";
import { EventBlock, ReaderCounts, type ReaderOptions, type TraceReader } from "./event.js";
import { type ByteSource, bytesOf, type Unpackers } from "./open.js";
import { type PackedBlock, PackedBlocks } from "./packed-blocks.js";
import { PackedDecoder } from "./packed-decoder.js";
import { headerLength, parseHeader } from "./packed-header.js";
import { magic, type PackedHeader, prefixBytes } from "./packed-layout.js";
import { PeekedSource } from "./peek.js";
import { ThreadMender } from "./thread-mender.js";

/** A recording in our own packed format. It stands for its source: results are the same, its name included. */
export class PackedReader implements TraceReader {
  readonly file: string;
  readonly name: string;
  readonly format: string;
  readonly hasAccesses: boolean;
  readonly counts: ReaderCounts;
  readonly summary: TraceSummary | undefined;
  readonly header: PackedHeader;
  readonly #bytes: ByteWindow;
  readonly #blocks: PackedBlocks;
  readonly #decoder = new PackedDecoder();
  /** Rows of the block are left. */
  #isMore = false;
  #rows = 0;
  /** Where blocks may be passed over. */
  readonly #mender: ThreadMender | undefined;
  readonly #unmended = new EventBlock();

  private constructor(bytes: ByteWindow, header: PackedHeader, options: ReaderOptions) {
    const isLenient = options.lenient ?? false;
    this.file = bytes.file;
    this.#bytes = bytes;
    this.#blocks = new PackedBlocks(bytes, blocksOf(header), isLenient);
    this.#mender = isLenient ? new ThreadMender() : undefined;
    this.header = header;
    this.name = header.name;
    this.format = header.summary.format;
    this.hasAccesses = header.hasAccesses;
    this.counts = countsOf(header);
    this.summary = isLenient ? undefined : header.summary;
  }

  /** Throws: InputError for a file whose beginning is damaged. */
  static async open(source: ByteSource, options: ReaderOptions = {}): Promise<PackedReader> {
    const bytes = new ByteWindow(source);
    return new PackedReader(bytes, await readHeader(bytes), options);
  }

  async read(block: EventBlock): Promise<boolean> {
    block.clear();
    if (this.#mender === undefined) return this.#read(block, block.capacity);
    // A thread whose beginning is lost takes a row more.
    this.#unmended.clear();
    const full = Math.min(this.#unmended.capacity, Math.floor(block.capacity / 2));
    const hasMore = await this.#read(this.#unmended, full);
    this.#mender.mend(this.#unmended, block);
    if (!hasMore) this.counts.skipped += this.header.rows - this.#rows;
    return hasMore;
  }

  close(): void {
    this.#bytes.close();
  }

  async #read(block: EventBlock, full: number): Promise<boolean> {
    while (block.length === 0) {
      if (!this.#isMore && !(await this.#blocks.next((next) => this.#take(next)))) break;
      if (this.#isMore) this.#isMore = this.#decoder.next(block, full);
    }
    this.#rows += block.length;
    return block.length > 0;
  }

  /** Blocks of the schedule are only compared with their checksums. */
  #take(block: PackedBlock): void {
    if (block.number >= this.header.blocks) return;
    this.#decoder.load(block);
    this.#isMore = true;
  }
}

/** Blocks of rows, and of the schedule. */
export function blocksOf({ blocks, schedule }: PackedHeader): number {
  return blocks + (schedule?.blocks ?? 0);
}

/** The header of a packed recording; undefined for a file in another format. Throws: InputError. */
export async function packedHeader(
  file: string,
  options: ReaderOptions & Unpackers = {},
): Promise<PackedHeader | undefined> {
  const source = await PeekedSource.of(await bytesOf(file, options));
  try {
    return packed.fits(source.head, file) ? await readHeader(new ByteWindow(source)) : undefined;
  } finally {
    source.close();
  }
}

/** The header, and the window moved on behind it. Throws: InputError. */
export async function readHeader(bytes: ByteWindow): Promise<PackedHeader> {
  const prefix = Buffer.from(await bytes.peek(prefixBytes));
  const refused = (saw: string): InputError =>
    new InputError({ file: bytes.file, byte: bytes.position }, "the header of a packed recording", saw);
  if (!prefix.subarray(0, magic.length).equals(magic)) {
    throw refused("other bytes (a program that changes ends of lines would do that)");
  }
  if (prefix.length < prefixBytes) throw refused("the end of the file");
  try {
    const length = headerLength(prefix);
    const whole = await bytes.peek(prefixBytes + length);
    if (whole.length < prefixBytes + length) throw refused("the end of the file");
    const header = parseHeader(prefix, whole.subarray(prefixBytes));
    bytes.skip(prefixBytes + length);
    return header;
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw refused(error instanceof Error ? error.message : String(error));
  }
}

function countsOf({ summary }: PackedHeader): ReaderCounts {
  const counts = new ReaderCounts(summary.unit);
  const { lines, failed, joined, threads, skipped } = summary;
  Object.assign(counts, { lines, failed, joined, threads, skipped });
  for (const [name, count] of Object.entries(summary.calls)) counts.calls.set(name, count);
  for (const [name, count] of Object.entries(summary.others)) counts.others.set(name, count);
  return counts;
}

const nameBytes = 4;

export const packed: BinaryFormat = {
  name: "packed",
  about: "what `shootdown trace pack` makes of any recording: the smallest and the fastest to read",
  // The rest of the magic tells whether a program has changed ends of lines.
  fits: (head) => head.subarray(0, nameBytes).equals(magic.subarray(0, nameBytes)),
  origin: async (source) => {
    const { name, summary } = await readHeader(new ByteWindow(source));
    return { name, format: summary.format };
  },
  reader: (sources, options) => PackedReader.open(sources[0]!, options),
};
