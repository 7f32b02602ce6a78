import { type AccessKind, FETCH, LOAD, STORE } from "../workload/feed.js";
import type { BinaryFormat } from "./binary-format.js";
import { kernelSpace } from "./drmemtrace-records.js";
import { InputError } from "./errors.js";
import { type EventBlock, ReaderCounts, type ReaderOptions, type TraceReader } from "./event.js";
import type { ByteSource } from "./open.js";
import { RecordWindow } from "./records.js";

/** Where a record has its addresses: its length, and the words at which they begin. */
interface Layout {
  readonly recordBytes: number;
  /** The instruction's own, then what it reads, then what it writes. */
  readonly slots: readonly (readonly [word: number, kind: AccessKind])[];
}

function layoutOf(recordBytes: number, reads: readonly number[], writes: readonly number[]): Layout {
  const slots = [
    [0, FETCH] as const,
    ...reads.map((word) => [word, LOAD] as const),
    ...writes.map((word) => [word, STORE] as const),
  ];
  return { recordBytes, slots };
}

/**
 * struct input_instr: ip u64, is_branch u8, branch_taken u8, destination_registers u8[2], source_registers u8[4],
 * destination_memory u64[2], source_memory u64[4]; little-endian, an empty slot is 0.
 *
 * Source: ChampSim, inc/trace_instruction.h.
 */
const usual = layoutOf(64, [8, 10, 12, 14], [4, 6]);
/**
 * struct cloudsuite_instr: the same with destination_registers u8[4] and destination_memory u64[4], then asid u8[2]; both parts are filled up
 * to 8 bytes. Source: as above.
 */
const cloudsuite = layoutOf(96, [14, 16, 18, 20], [6, 8, 10, 12]);
/** User addresses are below this, in their high half. */
const addressEnd = 0x8000;
/** Sizes are not recorded; one byte crosses no border of a page. */
const sizeAssumed = 1;

/**
 * Instructions recorded for ChampSim: one thread, no system calls, no sizes. Data is read before it is written, as in
 * one instruction.
 */
export class ChampsimReader implements TraceReader {
  readonly file: string;
  readonly format: string;
  readonly hasAccesses = true;
  readonly counts = new ReaderCounts("record");
  readonly #records: RecordWindow;
  readonly #layout: Layout;
  readonly #lenient: boolean;

  constructor(source: ByteSource, format: string, options: ReaderOptions = {}, layout = usual) {
    this.file = source.file;
    this.format = format;
    this.counts.threads = 1;
    this.#layout = layout;
    this.#records = new RecordWindow(source, layout.recordBytes);
    this.#lenient = options.lenient ?? false;
  }

  async read(block: EventBlock): Promise<boolean> {
    block.clear();
    const records = this.#records;
    const full = block.capacity - this.#layout.slots.length;
    while (block.length < full) {
      if (records.position === records.end && (block.length > 0 || !(await this.#more()))) break;
      this.#decode(block, full);
    }
    this.counts.lines = records.taken;
    return block.length > 0;
  }

  close(): void {
    this.#records.close();
  }

  async #more(): Promise<boolean> {
    if (await this.#records.more()) return true;
    if (this.#records.rest > 0) {
      if (!this.#lenient) throw this.#records.cutRecord();
      this.counts.skipped++;
    }
    return false;
  }

  #decode(block: EventBlock, full: number): void {
    const records = this.#records;
    const { words, bytes, end } = records;
    const { recordBytes, slots } = this.#layout;
    for (; records.position < end && block.length < full; records.position++) {
      const base = (records.position * recordBytes) / 4;
      const problem = this.#problem(bytes.readUInt16LE(records.position * recordBytes + 8), words, base);
      if (problem !== undefined) {
        if (!this.#lenient) throw new InputError(records.place(), ...problem);
        this.counts.skipped++;
        continue;
      }
      for (const [word, kind] of slots) {
        const [low, high] = [words[base + word]!, words[base + word + 1]!];
        if ((low | high) === 0) continue;
        if (high < addressEnd) block.access(0, kind, high * 2 ** 32 + low, sizeAssumed);
        else this.counts.other(kernelSpace);
      }
    }
  }

  /** What was expected, and what a record that cannot be read has in its place. */
  #problem(flags: number, words: Uint32Array, base: number): [expected: string, saw: string] | undefined {
    if ((flags & 0xfefe) !== 0) return ["is_branch and branch_taken of 0 or 1", `0x${flags.toString(16)}`];
    for (const [word] of this.#layout.slots) {
      const high = words[base + word + 1]!;
      if (high >= addressEnd && high >>> 15 !== 0x1ffff)
        return ["addresses of 48 bits", `high half 0x${high.toString(16)}`];
    }
    return undefined;
  }
}

export const champsim: BinaryFormat = {
  name: "champsim",
  about: "ChampSim instructions of 64 bytes; told by the name *.champsim* or --format champsim",
  fits: (_, file) => /\.champsim/.test(file),
  reader: (sources, options) => new ChampsimReader(sources[0]!, "champsim", options),
};

export const champsimCloudsuite: BinaryFormat = {
  name: "champsim-cloudsuite",
  about: "ChampSim instructions of 96 bytes, as of CloudSuite; only by --format champsim-cloudsuite",
  fits: () => false,
  reader: (sources, options) => new ChampsimReader(sources[0]!, "champsim-cloudsuite", options, cloudsuite),
};
