import { FETCH } from "../workload/feed.js";
import { CALL, type CallEvent, type EventBlock } from "./event.js";
import { callCode, entryWords, farDelta, payloadWords, runWords } from "./packed-layout.js";

/** Facts of an entry: its kind, its size, its stream, and what is added to the expected address behind an access. */
const [SIZE, STREAM, STEP] = [1, 2, 3];
const factsEach = 4;

/**
 * What one piece is decoded from and to. The compiler knows where constants of a module are; of arrays that belong to an object it
 * reads place and length anew for each row and each array, which takes as long as the decoding.
 */
const pieceRows = 8192;
const codes = new Uint8Array(pieceRows);
const near = new Uint16Array(pieceRows);
const facts = new Int32Array(factsEach * (callCode + 1));
const highs = new Float64Array(callCode);
const expected = new Int32Array(callCode);
const kinds = new Uint8Array(pieceRows);
const addresses = new Float64Array(pieceRows);
const sizes = new Uint32Array(pieceRows);

/** Rows of one payload, taken out piece by piece. Throws: RangeError for a payload that no writer has made. */
export class PackedDecoder {
  readonly rows: number;
  #row = 0;
  readonly #codes: Uint8Array;
  readonly #near: Uint16Array;
  readonly #far: Int32Array;
  readonly #runs: Uint32Array;
  #run = 0;
  /** Rows of the current run that are left. */
  #left = 0;
  readonly #facts = new Int32Array(facts.length);
  readonly #highs = new Float64Array(callCode);
  readonly #expected = new Int32Array(callCode);
  #nearAt = 0;
  #farAt = 0;
  readonly #calls: readonly CallEvent[];
  #call = 0;

  /** The payload is kept, not copied. */
  constructor(payload: Uint8Array, rows: number) {
    this.rows = rows;
    const bytes = payload.byteOffset % 4 === 0 ? payload : Uint8Array.from(payload);
    const { buffer, byteOffset, byteLength } = bytes;
    if (byteLength < 4 * payloadWords) throw new RangeError("a payload without its counts");
    const [runs, entries, accesses, fars, callBytes] = new Uint32Array(
      buffer,
      byteOffset,
      payloadWords,
    ) as unknown as [...[number, number, number, number, number]];
    const runsAt = 4 * payloadWords;
    const entriesAt = runsAt + 4 * runWords * runs;
    const farAt = entriesAt + 4 * entryWords * entries;
    const nearAt = farAt + 4 * fars;
    const codesAt = nearAt + 2 * accesses;
    const callsAt = codesAt + rows;
    if (entries > callCode || accesses > rows || callsAt + callBytes !== byteLength) {
      throw new RangeError("counts that do not fit a payload");
    }
    this.#runs = new Uint32Array(buffer, byteOffset + runsAt, runWords * runs);
    this.#far = new Int32Array(buffer, byteOffset + farAt, fars);
    this.#near = new Uint16Array(buffer, byteOffset + nearAt, accesses);
    this.#codes = bytes.subarray(codesAt, callsAt);
    this.#entries(new Uint32Array(buffer, byteOffset + entriesAt, entryWords * entries));
    const text = Buffer.from(buffer, byteOffset + callsAt, callBytes);
    this.#calls = (callBytes === 0 ? [] : JSON.parse(text.toString("utf8"))) as CallEvent[];
    if (this.#rowsOfRuns() !== rows || !Array.isArray(this.#calls))
      throw new RangeError("runs of other lengths");
  }

  /** Add rows to the block up to `full`. Returns false when there are none left. */
  next(block: EventBlock, full: number): boolean {
    while (this.#row < this.rows && block.length < full) {
      const count = Math.min(this.rows - this.#row, full - block.length, pieceRows);
      this.#piece(count);
      const first = block.length;
      block.kind.set(kinds.subarray(0, count), first);
      block.address.set(addresses.subarray(0, count), first);
      block.size.set(sizes.subarray(0, count), first);
      block.length += count;
      this.#row += count;
      this.#threads(block, first);
      if (this.#call < this.#calls.length) this.#place(block, first);
    }
    return this.#row < this.rows;
  }

  /** Decode the next rows into the columns of this module. This loop is the speed of the reader. */
  #piece(count: number): void {
    codes.set(this.#codes.subarray(this.#row, this.#row + count));
    near.set(this.#near.subarray(this.#nearAt, this.#nearAt + count));
    facts.set(this.#facts);
    highs.set(this.#highs);
    expected.set(this.#expected);
    const far = this.#far;
    let [nearAt, farAt] = [0, this.#farAt];
    for (let row = 0; row < count; row++) {
      const code = codes[row]!;
      if (code === callCode) {
        kinds[row] = CALL;
        continue;
      }
      let delta = near[nearAt++]!;
      if (delta === farDelta) delta = far[farAt++]!;
      const fact = code << 2;
      const stream = facts[fact + STREAM]!;
      const low = (expected[stream]! + ((delta >>> 1) ^ -(delta & 1))) | 0;
      expected[stream] = low + facts[fact + STEP]!;
      kinds[row] = facts[fact]!;
      addresses[row] = highs[code]! + (low >>> 0);
      sizes[row] = facts[fact + SIZE]!;
    }
    this.#expected.set(expected);
    this.#nearAt += nearAt;
    this.#farAt = farAt;
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
      const call = this.#calls[this.#call++];
      if (call === undefined) throw new RangeError("fewer calls than rows for them");
      block.address[row] = block.calls.length;
      block.calls.push(call);
      row = block.kind.indexOf(CALL, row + 1);
    }
  }

  #entries(words: Uint32Array): void {
    const fetchStreams = new Map<number, number>();
    for (let code = 0; code < words.length / entryWords; code++) {
      const [kind, size, high] = words.subarray(code * entryWords) as unknown as [number, number, number];
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
