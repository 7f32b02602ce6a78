import { inflateRawSync } from "node:zlib";
import { FETCH } from "../workload/feed.js";
import { Columns } from "./columns.js";
import { CALL, type CallEvent, type EventBlock } from "./event.js";
import type { PackedBlock } from "./packed-blocks.js";
import { callCode, entryWords, packing, payloadWords, runWords } from "./packed-layout.js";

/** Words of an entry, as assembly/trace/decode.ts has them. */
const entryFacts = 6;
/** What most blocks need; those with many calls need more. */
const usualBytes = 2 ** 20;

/** The rows of a block, taken out piece by piece. It is loaded with one block after the other. */
export class PackedDecoder {
  readonly #columns = new Columns("PAYLOAD", usualBytes);
  readonly #payload = this.#columns.value("PAYLOAD");
  readonly #entries = this.#columns.value("ENTRIES");
  readonly #expected = this.#columns.value("EXPECTED");
  #rows = 0;
  #row = 0;
  #runs: Uint32Array = new Uint32Array();
  #run = 0;
  /** Rows of the current run that are left. */
  #left = 0;
  #calls: readonly CallEvent[] = [];
  #call = 0;

  /** Begin a block, of whose bytes nothing is kept. Throws: RangeError for one that no writer has made. */
  load(block: PackedBlock): void {
    this.#unpack(block);
    const { rows, plain } = block;
    const { u8, u32 } = this.#columns;
    const at = this.#payload / 4;
    if (plain < 4 * payloadWords) throw new RangeError("a payload without its counts");
    const [runs, entries, accesses, fars, callBytes] = u32.subarray(at, at + payloadWords) as unknown as [
      ...[number, number, number, number, number],
    ];
    const entriesAt = at + payloadWords + runWords * runs;
    const columnsAt = 4 * (entriesAt + entryWords * entries);
    const callsAt = columnsAt + 4 * fars + 2 * accesses + rows;
    const isFitting = entries <= callCode && fars <= accesses && accesses <= rows;
    if (!isFitting || callsAt + callBytes !== this.#payload + plain)
      throw new RangeError("counts that do not fit a payload");
    this.#fillEntries(u32.subarray(entriesAt, entriesAt + entryWords * entries));
    if (this.#columns.functions.begin(columnsAt, fars, accesses, rows, entries) === 0)
      throw new RangeError("codes that do not fit a payload");
    const text = Buffer.from(u8.buffer, callsAt, callBytes).toString("utf8");
    this.#calls = (callBytes === 0 ? [] : JSON.parse(text)) as CallEvent[];
    if (!Array.isArray(this.#calls) || this.#calls.length !== rows - accesses)
      throw new RangeError("other calls than rows for them");
    this.#runs = u32.slice(at + payloadWords, entriesAt);
    if (this.#rowsOfRuns() !== rows) throw new RangeError("runs of other lengths");
    this.#rows = rows;
    [this.#row, this.#run, this.#left, this.#call] = [0, 0, 0, 0];
  }

  /** Add rows to the block up to `full`. Returns false when there are none left. */
  next(block: EventBlock, full: number): boolean {
    const { kind, address, size } = this.#columns.rows;
    while (this.#row < this.#rows && block.length < full) {
      const count = Math.min(this.#rows - this.#row, full - block.length, kind.length);
      this.#columns.functions.decode(count);
      const first = block.length;
      block.kind.set(kind.subarray(0, count), first);
      block.address.set(address.subarray(0, count), first);
      block.size.set(size.subarray(0, count), first);
      block.length += count;
      this.#row += count;
      this.#threads(block, first);
      if (this.#call < this.#calls.length) this.#place(block, first);
    }
    return this.#row < this.#rows;
  }

  /** The payload to its place. */
  #unpack({ how, plain, stored }: PackedBlock): void {
    if (how !== packing.none && how !== packing.deflate) throw new RangeError(`packing ${how}`);
    const payload = how === packing.none ? stored : inflated(stored, plain);
    if (payload.length !== plain) throw new RangeError(`${payload.length} bytes of ${plain}`);
    this.#columns.reserve(this.#payload + plain);
    this.#columns.u8.set(payload, this.#payload);
  }

  #threads(block: EventBlock, from: number): void {
    for (let row = from; row < block.length; ) {
      if (this.#left === 0) this.#left = this.#runs[this.#run * runWords + 1]!;
      const count = Math.min(this.#left, block.length - row);
      block.thread.fill(this.#runs[this.#run * runWords]!, row, row + count);
      row += count;
      this.#left -= count;
      if (this.#left === 0) this.#run++;
    }
  }

  #place(block: EventBlock, from: number): void {
    for (let row = block.kind.indexOf(CALL, from); row >= 0 && row < block.length; ) {
      const call = this.#calls[this.#call++]!;
      block.address[row] = block.calls.length;
      block.calls.push(call);
      row = block.kind.indexOf(CALL, row + 1);
    }
  }

  #fillEntries(words: Uint32Array): void {
    const fetchStreams = new Map<number, number>();
    for (let code = 0; code < words.length / entryWords; code++) {
      const [kind, size, high] = words.subarray(code * entryWords) as unknown as [number, number, number];
      if (kind >= CALL || high >= 0x8000) throw new RangeError("an entry that is no access of a program");
      const isFetch = kind === FETCH;
      if (isFetch && !fetchStreams.has(high)) fetchStreams.set(high, code);
      const stream = isFetch ? fetchStreams.get(high)! : code;
      const step = isFetch ? size : 0;
      const facts = [0, high, this.#expected + 4 * stream, size, step, kind];
      this.#columns.u32.set(facts, this.#entries / 4 + code * entryFacts);
    }
  }

  #rowsOfRuns(): number {
    let rows = 0;
    for (let run = 0; run < this.#runs.length; run += runWords) rows += this.#runs[run + 1]!;
    return rows;
  }
}

/** Throws: RangeError for damaged data, and for more than `plain` bytes. */
function inflated(stored: Uint8Array, plain: number): Uint8Array {
  try {
    // In one buffer of the right size: growing it would copy.
    return inflateRawSync(stored, { maxOutputLength: Math.max(1, plain), chunkSize: Math.max(64, plain) });
  } catch (error) {
    throw new RangeError(error instanceof Error ? error.message : String(error));
  }
}
