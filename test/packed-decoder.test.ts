import { deflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { EventBlock } from "../src/trace/event.js";
import { PackedDecoder } from "../src/trace/packed-decoder.js";
import { PackedEncoder } from "../src/trace/packed-encoder.js";
import { packing } from "../src/trace/packed-layout.js";

describe("a payload that no writer has made is refused", () => {
  /** Three rows, a far delta among them: 5 counts, a run, 2 entries, then the columns. */
  function payload(change: (bytes: Buffer) => void): () => void {
    const rows = new EventBlock(8);
    rows.access(0, 0, 0x400000, 8);
    rows.access(0, 2, 0x7fff00000000, 4);
    rows.access(0, 0, 0x400008, 8);
    const encoder = new PackedEncoder();
    encoder.add(rows, 0);
    const bytes = encoder.take();
    change(bytes);
    const block = { number: 0, rows: 3, how: packing.none, plain: bytes.length, stored: bytes };
    return () => new PackedDecoder().load(block);
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

  test("data that inflates to more, to less, or not at all", () => {
    const packed = deflateRawSync(Buffer.alloc(1000, 7));
    const load = (plain: number, stored: Buffer) => () =>
      new PackedDecoder().load({ number: 0, rows: 0, how: packing.deflate, plain, stored });
    expect(load(999, packed)).toThrow(RangeError);
    expect(load(1001, packed)).toThrow(RangeError);
    expect(load(1000, packed.subarray(0, -1))).toThrow(RangeError);
    expect(load(1000, Buffer.from([0x07]))).toThrow(RangeError);
  });
});
