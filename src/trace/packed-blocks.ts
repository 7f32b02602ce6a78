import { promisify } from "node:util";
import { crc32, inflateRaw } from "node:zlib";
import type { ByteWindow } from "./byte-window.js";
import { InputError } from "./errors.js";
import { PackedDecoder } from "./packed-decoder.js";
import { blockBytes, blockMark, blockWords, packing, plainMax, rowsMax } from "./packed-layout.js";

interface InflateOptions {
  readonly maxOutputLength: number;
  /** In one piece: the next one would be another turn of the event loop. */
  readonly chunkSize: number;
}
const inflated = promisify(inflateRaw) as (bytes: Buffer, options: InflateOptions) => Promise<Buffer>;
const minChunk = 64;
const markBytes = Buffer.alloc(4);
markBytes.writeUInt32LE(blockMark);

/** The blocks of a packed recording, one after the other. */
export class PackedBlocks {
  readonly #bytes: ByteWindow;
  readonly #blocks: number;
  readonly #lenient: boolean;
  /** Number of the block that comes next. */
  #next = 0;
  #ahead: Promise<PackedDecoder | undefined> | undefined;

  constructor(bytes: ByteWindow, blocks: number, lenient: boolean) {
    this.#bytes = bytes;
    this.#blocks = blocks;
    this.#lenient = lenient;
  }

  /**
   * The next block; undefined at the end. The one behind it is read and unpacked meanwhile.
   * Throws: InputError naming the block and the byte, unless what is damaged is to be passed over.
   */
  async next(): Promise<PackedDecoder | undefined> {
    const block = await (this.#ahead ?? this.#read());
    this.#ahead = block === undefined ? undefined : this.#read();
    // It is asked for later; until then nobody else takes its failure.
    this.#ahead?.catch(() => {});
    return block;
  }

  async #read(): Promise<PackedDecoder | undefined> {
    for (;;) {
      const head = await this.#bytes.peek(blockBytes);
      if (head.length === 0) return this.#end();
      const problem = await this.#block(head);
      if (problem instanceof PackedDecoder) return problem;
      if (!this.#lenient) throw this.#damaged(problem);
      await this.#toNextMark();
    }
  }

  /** The block that begins here, or what is wrong with it; the window has moved on only if nothing is. */
  async #block(head: Buffer): Promise<PackedDecoder | string> {
    if (head.length < blockBytes) return `${head.length} bytes of a block's head`;
    const [mark, number, rows, how, stored, plain, checksum] = Array.from({ length: blockWords }, (_, word) =>
      head.readUInt32LE(4 * word),
    ) as [number, number, number, number, number, number, number];
    if (mark !== blockMark) return "other bytes than a block begins with";
    const isInOrder = number === this.#next || (this.#lenient && number > this.#next);
    if (!isInOrder || number >= this.#blocks) return `block ${number}`;
    if (rows > rowsMax || plain > plainMax || stored > plainMax) return "lengths that no block has";
    const whole = await this.#bytes.peek(blockBytes + stored);
    if (whole.length < blockBytes + stored) return `the end of the file after ${whole.length} of its bytes`;
    const payload = Buffer.from(whole.subarray(blockBytes));
    if (crc32(payload, crc32(whole.subarray(0, blockBytes - 4))) !== checksum) return "another checksum";
    try {
      const unpacked = how === packing.none ? payload : await unpack(how, payload, plain);
      const decoder = new PackedDecoder(unpacked, rows);
      this.#bytes.skip(blockBytes + stored);
      this.#next = number + 1;
      return decoder;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #end(): undefined {
    if (this.#next === this.#blocks || this.#lenient) return undefined;
    throw this.#damaged("the end of the file");
  }

  async #toNextMark(): Promise<void> {
    this.#bytes.skip(1);
    for (;;) {
      const some = await this.#bytes.peek(64 * 1024);
      const at = some.indexOf(markBytes);
      if (at >= 0) return this.#bytes.skip(at);
      // A mark may be cut by the end of what is in memory.
      const passed = some.length - markBytes.length + 1;
      if (passed <= 0) return this.#bytes.skip(some.length);
      this.#bytes.skip(passed);
    }
  }

  #damaged(saw: string): InputError {
    const place = { file: this.#bytes.file, byte: this.#bytes.position };
    return new InputError(place, `block ${this.#next} of ${this.#blocks}`, saw);
  }
}

async function unpack(how: number, payload: Buffer, plain: number): Promise<Buffer> {
  if (how !== packing.deflate) throw new RangeError(`packing ${how}`);
  const unpacked = await inflated(payload, {
    maxOutputLength: Math.max(1, plain),
    chunkSize: Math.max(minChunk, plain),
  });
  if (unpacked.length !== plain) throw new RangeError(`${unpacked.length} bytes instead of ${plain}`);
  return unpacked;
}
