import { crc32 } from "node:zlib";
import type { ByteWindow } from "./byte-window.js";
import { InputError } from "./errors.js";
import { blockBytes, blockMark, blockWords, plainMax, rowsMax } from "./packed-layout.js";

const markBytes = Buffer.alloc(4);
markBytes.writeUInt32LE(blockMark);

/** A block as it is stored, which was compared with its checksum. */
export interface PackedBlock {
  readonly number: number;
  readonly rows: number;
  /** A value of `packing`. */
  readonly how: number;
  /** Bytes of the payload when it is unpacked. */
  readonly plain: number;
  /** Valid until the next block is asked for. */
  readonly stored: Buffer;
}

/** The blocks of a packed recording, one after the other. */
export class PackedBlocks {
  readonly #bytes: ByteWindow;
  readonly #blocks: number;
  readonly #lenient: boolean;
  /** Number of the block that comes next. */
  #next = 0;

  constructor(bytes: ByteWindow, blocks: number, lenient: boolean) {
    this.#bytes = bytes;
    this.#blocks = blocks;
    this.#lenient = lenient;
  }

  /**
   * Give the next block to `take`, which may throw if it is damaged. Returns false at the end.
   * Throws: InputError naming the block and the byte, unless what is damaged is to be passed over.
   */
  async next(take: (block: PackedBlock) => void): Promise<boolean> {
    for (;;) {
      const head = await this.#bytes.peek(blockBytes);
      if (head.length === 0) return this.#end();
      const problem = await this.#load(head, take);
      if (problem === undefined) return true;
      if (!this.#lenient) throw this.#damaged(problem);
      await this.#toNextMark();
    }
  }

  /** Load the block that begins here. Returns what is wrong with it; the window has moved on only if nothing is. */
  async #load(head: Buffer, take: (block: PackedBlock) => void): Promise<string | undefined> {
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
    const payload = whole.subarray(blockBytes);
    if (crc32(payload, crc32(whole.subarray(0, blockBytes - 4))) !== checksum) return "another checksum";
    try {
      take({ number, rows, how, plain, stored: payload });
      this.#bytes.skip(blockBytes + stored);
      this.#next = number + 1;
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #end(): false {
    if (this.#next === this.#blocks || this.#lenient) return false;
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
