import { FETCH } from "../workload/feed.js";
import { CALL, type CallEvent, type EventBlock } from "./event.js";
import { callCode, entryWords, padBytes, payloadWords, runWords } from "./packed-layout.js";

/** By the two bits of its length: what is a delta's own of the four bytes read. */
const masks = Int32Array.of(0, 0xff, 0xffff, -1);

/** Facts of an entry: its kind, its size, its stream, and what is added to the expected address behind an access. */
const [SIZE, STREAM, STEP] = [1, 2, 3];
const factsEach = 4;

/** Rows of one payload, taken out piece by piece. Throws: RangeError for a payload that no writer has made. */
export class PackedDecoder {
  readonly rows: number;
  #row = 0;
  /** Codes, lengths and deltas one behind the other. */
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #runs: Uint32Array;
  #run = 0;
  /** Rows of the current run that are left. */
  #left = 0;
  readonly #facts = new Int32Array(factsEach * (callCode + 1));
  readonly #highs = new Float64Array(callCode);
  readonly #expected = new Int32Array(callCode);
  #lengthsAt: number;
  #access = 0;
  #deltaAt: number;
  readonly #calls: readonly CallEvent[];
  #call = 0;

  /** The payload is kept, not copied. */
  constructor(payload: Uint8Array, rows: number) {
    this.rows = rows;
    const whole = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    if (whole.length < 4 * payloadWords) throw new RangeError("a payload without its counts");
    const words = Array.from({ length: payloadWords }, (_, word) => whole.readUInt32LE(4 * word));
    const [runs, entries, accesses, deltaBytes, callBytes] = words as [
      number,
      number,
      number,
      number,
      number,
    ];
    const runsAt = 4 * payloadWords;
    const entriesAt = runsAt + 4 * runWords * runs;
    const codesAt = entriesAt + 4 * entryWords * entries;
    this.#lengthsAt = codesAt + rows;
    this.#deltaAt = this.#lengthsAt + Math.ceil(accesses / 4);
    const callsAt = this.#deltaAt + deltaBytes;
    if (entries > callCode || accesses > rows || callsAt + callBytes + padBytes !== whole.length) {
      throw new RangeError("counts that do not fit a payload");
    }
    this.#runs = Uint32Array.from({ length: runWords * runs }, (_, word) =>
      whole.readUInt32LE(runsAt + 4 * word),
    );
    this.#entries(whole, entriesAt, entries);
    const calls: unknown =
      callBytes === 0 ? [] : JSON.parse(whole.toString("utf8", callsAt, callsAt + callBytes));
    this.#calls = calls as CallEvent[];
    this.#bytes = whole.subarray(codesAt);
    this.#view = new DataView(whole.buffer, whole.byteOffset + codesAt, whole.length - codesAt);
    this.#lengthsAt -= codesAt;
    this.#deltaAt -= codesAt;
    if (this.#rowsOfRuns() !== rows || !Array.isArray(this.#calls))
      throw new RangeError("runs of other lengths");
  }

  /** Add rows to the block up to `full`. Returns false when there are none left. This loop is the speed of the reader. */
  next(block: EventBlock, full: number): boolean {
    while (this.#row < this.rows && block.length < full) {
      if (this.#left === 0) this.#nextRun();
      const stop = Math.min(this.#row + this.#left, this.#row + full - block.length);
      const first = this.#row;
      this.#accesses(block, stop);
      if (this.#row < stop) {
        const call = this.#calls[this.#call++];
        if (call === undefined) throw new RangeError("fewer calls than rows for them");
        block.call(call);
        this.#row++;
      }
      this.#left -= this.#row - first;
      if (this.#left === 0) this.#run++;
    }
    return this.#row < this.rows;
  }

  #nextRun(): void {
    this.#left = this.#runs[this.#run * runWords + 1]!;
  }

  /** Accesses up to row `stop` of the payload or the first call. */
  #accesses(block: EventBlock, stop: number): void {
    const { kind: kinds, address: addresses, size: sizes } = block;
    const [bytes, view, facts, highs, expected] = [
      ...[this.#bytes, this.#view, this.#facts, this.#highs, this.#expected],
    ] as [Uint8Array, DataView, Int32Array, Float64Array, Int32Array];
    const lengthsAt = this.#lengthsAt;
    const first = block.length;
    let [row, access, deltaAt, out] = [this.#row, this.#access, this.#deltaAt, first];
    for (; row < stop; row++) {
      const code = bytes[row]!;
      if (code === callCode) break;
      const length = (bytes[lengthsAt + (access >> 2)]! >> (2 * (access & 3))) & 3;
      access++;
      const delta = view.getInt32(deltaAt, true) & masks[length]!;
      // 0, 1, 2 or 4 bytes.
      deltaAt += (1 << length) >> 1;
      const fact = code << 2;
      const stream = facts[fact + STREAM]!;
      const low = (expected[stream]! + ((delta >>> 1) ^ -(delta & 1))) | 0;
      expected[stream] = low + facts[fact + STEP]!;
      kinds[out] = facts[fact]!;
      addresses[out] = highs[code]! + (low >>> 0);
      sizes[out] = facts[fact + SIZE]!;
      out++;
    }
    block.thread.fill(this.#runs[this.#run * runWords]!, first, out);
    [this.#row, this.#access, this.#deltaAt, block.length] = [row, access, deltaAt, out];
  }

  #entries(whole: Buffer, at: number, entries: number): void {
    const fetchStreams = new Map<number, number>();
    for (let code = 0; code < entries; code++, at += 4 * entryWords) {
      const [kind, size, high] = [0, 4, 8].map((offset) => whole.readUInt32LE(at + offset)) as [
        number,
        number,
        number,
      ];
      if (kind >= CALL || high >= 0x8000) throw new RangeError("an entry that is no access of a program");
      const isFetch = kind === FETCH;
      if (isFetch && !fetchStreams.has(high)) fetchStreams.set(high, code);
      const stream = isFetch ? fetchStreams.get(high)! : code;
      this.#facts.set([kind, size, stream, isFetch ? size : 0], factsEach * code);
      this.#highs[code] = high * 2 ** 32;
    }
  }

  #rowsOfRuns(): number {
    let rows = 0;
    for (let run = 0; run < this.#runs.length; run += runWords) rows += this.#runs[run + 1]!;
    return rows;
  }
}
