import { FETCH } from "../workload/feed.js";
import { CALL, type CallEvent, type EventBlock } from "./event.js";
import { callCode, entryWords, farDelta, payloadWords, rowsMax, runWords } from "./packed-layout.js";

/** Rows gathered to one payload. */
export class PackedEncoder {
  rows = 0;
  readonly #limit: number;
  readonly #codes = new Uint8Array(rowsMax);
  readonly #near = new Uint16Array(rowsMax);
  readonly #far = new Uint32Array(rowsMax);
  #accesses = 0;
  #fars = 0;
  #runs: number[] = [];
  #runThread = -1;
  #calls: CallEvent[] = [];
  /** Codes by kind and size, then by the upper half of the address. */
  readonly #dictionary = new Map<number, Map<number, number>>();
  #entries: number[] = [];
  /** By code: what the next lower half is expected to be, and the first code of its stream. */
  readonly #expected = new Int32Array(callCode);
  readonly #stream = new Uint8Array(callCode);

  /** `limit` is how many rows a payload may have. */
  constructor(limit = rowsMax) {
    this.#limit = limit;
  }

  /** Add rows from the given one on. Returns the first that has no room: the payload has to be taken first. */
  add(block: EventBlock, from: number): number {
    let row = from;
    for (; row < block.length && this.rows < this.#limit; row++) {
      const kind = block.kind[row]!;
      if (kind === CALL) {
        this.#calls.push(block.calls[block.address[row]!]!);
        this.#codes[this.rows] = callCode;
      } else {
        const address = block.address[row]!;
        const high = Math.floor(address / 2 ** 32);
        const code = this.#code(kind, block.size[row]!, high);
        if (code === callCode) break;
        this.#codes[this.rows] = code;
        this.#access(code, kind, address | 0, block.size[row]!);
      }
      this.#run(block.thread[row]!);
      this.rows++;
    }
    return row;
  }

  /** The payload of the rows so far; the encoder begins anew. */
  take(): Buffer {
    const calls = this.#calls.length === 0 ? Buffer.alloc(0) : Buffer.from(JSON.stringify(this.#calls));
    const runs = this.#runs.length / runWords;
    const entries = this.#entries.length / entryWords;
    const words = new Uint32Array(payloadWords + this.#runs.length + this.#entries.length);
    words.set([runs, entries, this.#accesses, this.#fars, calls.length]);
    words.set(this.#runs, payloadWords);
    words.set(this.#entries, payloadWords + this.#runs.length);
    const payload = Buffer.concat([
      new Uint8Array(words.buffer),
      new Uint8Array(this.#far.buffer, 0, 4 * this.#fars),
      new Uint8Array(this.#near.buffer, 0, 2 * this.#accesses),
      this.#codes.subarray(0, this.rows),
      calls,
    ]);
    this.#reset();
    return payload;
  }

  #access(code: number, kind: number, low: number, size: number): void {
    const stream = this.#stream[code]!;
    const difference = (low - this.#expected[stream]!) | 0;
    this.#expected[stream] = kind === FETCH ? low + size : low;
    const delta = ((difference << 1) ^ (difference >> 31)) >>> 0;
    this.#near[this.#accesses++] = Math.min(delta, farDelta);
    if (delta >= farDelta) this.#far[this.#fars++] = delta;
  }

  #run(thread: number): void {
    if (thread === this.#runThread) this.#runs[this.#runs.length - 1]!++;
    else this.#runs.push(thread, 1);
    this.#runThread = thread;
  }

  /** The code of an entry, made if needed; callCode when the dictionary is full. */
  #code(kind: number, size: number, high: number): number {
    const key = size * 4 + kind;
    let codes = this.#dictionary.get(high);
    if (codes === undefined) {
      codes = new Map();
      this.#dictionary.set(high, codes);
    }
    const known = codes.get(key);
    if (known !== undefined) return known;
    const code = this.#entries.length / entryWords;
    if (code === callCode) return callCode;
    codes.set(key, code);
    this.#entries.push(kind, size, high);
    this.#stream[code] = kind === FETCH ? this.#fetchStream(high, code) : code;
    return code;
  }

  #fetchStream(high: number, code: number): number {
    for (let each = 0; each < code; each++) {
      const at = each * entryWords;
      if (this.#entries[at] === FETCH && this.#entries[at + 2] === high) return each;
    }
    return code;
  }

  #reset(): void {
    this.rows = 0;
    this.#accesses = 0;
    this.#fars = 0;
    this.#runs = [];
    this.#runThread = -1;
    this.#calls = [];
    this.#dictionary.clear();
    this.#entries = [];
    this.#expected.fill(0);
  }
}
