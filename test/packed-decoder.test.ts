import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { describe, expect, test } from "vitest";
import { Columns } from "../src/trace/columns.js";
import { EventBlock } from "../src/trace/event.js";
import { PackedDecoder } from "../src/trace/packed-decoder.js";
import { PackedEncoder } from "../src/trace/packed-encoder.js";
import { packing } from "../src/trace/packed-layout.js";

const { Z_DEFAULT_STRATEGY, Z_FILTERED, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE } = constants;
const strategies = [Z_DEFAULT_STRATEGY, Z_FILTERED, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE];

/** Numbers below a bound. */
function numbers(seed: number): (bound: number) => number {
  const random = xoroshiro128plus(seed);
  return (bound) => (random.next() >>> 0) % bound;
}

/** Bytes, some of them copied from before: the more often, the larger `repeats` is, of 100. */
function text(below: (bound: number) => number, length: number, repeats: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    if (at === 0 || below(100) >= repeats) {
      bytes[at++] = below(4) === 0 ? below(256) : below(8);
      continue;
    }
    const distance = 1 + below(Math.min(at, below(2) === 0 ? 32_768 : 20));
    const end = Math.min(length, at + 3 + below(300));
    for (; at < end; at++) bytes[at] = bytes[at - distance]!;
  }
  return bytes;
}

class Inflater {
  readonly #columns = new Columns("PAYLOAD", 2 ** 20);

  /** The `size` bytes that `packed` inflates to; undefined if it does not. What lies behind them has to stay as it is. */
  inflate(packed: Buffer, size: number): Buffer | undefined {
    const { u8, functions } = this.#columns;
    const to = this.#columns.value("PAYLOAD");
    const from = to + size + this.#columns.value("OUT_SLACK");
    u8.fill(0, to, from);
    u8.set(packed, from);
    u8.fill(0xa5, from + packed.length, from + packed.length + this.#columns.value("IN_SLACK"));
    const isWhole = functions.inflate(from, packed.length, to, size) !== 0;
    expect(Buffer.compare(u8.subarray(from, from + packed.length), packed)).toBe(0);
    return isWhole ? Buffer.from(u8.slice(to, to + size)) : undefined;
  }
}

function byZlib(packed: Buffer, size: number): Buffer | undefined {
  try {
    const bytes = inflateRawSync(packed, { maxOutputLength: Math.max(1, size) });
    return bytes.length === size ? bytes : undefined;
  } catch {
    return undefined;
  }
}

describe("inflating", () => {
  test("gives what was deflated, whatever the level and the strategy", () => {
    const [below, inflater] = [numbers(1), new Inflater()];
    for (let round = 0; round < 300; round++) {
      const plain = text(below, below(round % 10 === 0 ? 100_000 : 3000), below(101));
      const strategy = strategies[round % strategies.length]!;
      const packed = deflateRawSync(plain, { level: round % 10, memLevel: 1 + (round % 9), strategy });
      expect(inflater.inflate(packed, plain.length)?.equals(plain)).toBe(true);
      expect(inflater.inflate(packed, plain.length + 1)).toBe(undefined);
      if (plain.length > 0) expect(inflater.inflate(packed, plain.length - 1)).toBe(undefined);
    }
  });

  test("of damaged data ends, within its bounds, and gives nothing that zlib does not", () => {
    const [below, inflater] = [numbers(2), new Inflater()];
    let refused = 0;
    for (let round = 0; round < 1500; round++) {
      const plain = text(below, 1 + below(2000), 70);
      const packed = deflateRawSync(plain, { level: round % 10 });
      for (let times = below(4); times >= 0; times--) packed[below(packed.length)]! ^= 1 << below(8);
      const cut = round % 3 === 0 ? packed.subarray(0, below(packed.length)) : packed;
      const [own, zlib] = [inflater.inflate(cut, plain.length), byZlib(cut, plain.length)];
      if (own === undefined) refused++;
      if (zlib !== undefined) expect(own?.equals(zlib)).toBe(true);
    }
    expect(refused).toBeGreaterThan(700);
  });
});

describe("a payload that no writer has made is refused", () => {
  /** Three rows, a far delta among them: 5 counts, a run, 2 entries, then the columns. */
  function payload(change: (bytes: Buffer) => void): () => void {
    const block = new EventBlock(8);
    block.access(0, 0, 0x400000, 8);
    block.access(0, 2, 0x7fff00000000, 4);
    block.access(0, 0, 0x400008, 8);
    const encoder = new PackedEncoder();
    encoder.add(block, 0);
    const bytes = encoder.take();
    change(bytes);
    const head = { rows: 3, how: packing.none, plain: bytes.length };
    return () => new PackedDecoder().load(head, bytes);
  }
  const [entries, columns] = [20 + 8, 20 + 8 + 2 * 12];

  test("but not one that is whole", () => {
    expect(payload(() => {})).not.toThrow();
  });

  test.each<[string, (bytes: Buffer) => void]>([
    ["a code without an entry", (bytes) => bytes.writeUInt8(2, bytes.length - 1)],
    ["a call that is not there", (bytes) => bytes.writeUInt8(255, bytes.length - 1)],
    ["a far delta too many", (bytes) => bytes.writeUInt16LE(0xffff, bytes.length - 5)],
    ["a far delta too few", (bytes) => bytes.writeUInt16LE(0, columns + 4)],
    ["an access of no kind", (bytes) => bytes.writeUInt32LE(4, entries)],
    ["an address that is no user's", (bytes) => bytes.writeUInt32LE(0x8000, entries + 8)],
    ["a run that is too long", (bytes) => bytes.writeUInt32LE(4, 20 + 4)],
    ["counts of something larger", (bytes) => bytes.writeUInt32LE(1000, 8)],
  ])("%s", (_, change) => {
    expect(payload(change)).toThrow(RangeError);
  });
});
