import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { ChampsimReader } from "../src/trace/champsim.js";
import { openTrace } from "../src/trace/format.js";
import { eventText } from "../src/trace/inspect.js";
import { bytesOf, eventsOf } from "./trace-text.js";

interface Instruction {
  readonly ip: number | bigint;
  readonly flags?: number;
  readonly writes?: readonly number[];
  readonly reads?: readonly number[];
}

function record({ ip, flags = 0, writes = [], reads = [] }: Instruction): Buffer {
  const bytes = Buffer.alloc(64);
  bytes.writeBigUInt64LE(BigInt(ip), 0);
  bytes.writeUInt16LE(flags, 8);
  for (const [slot, address] of writes.entries()) bytes.writeBigUInt64LE(BigInt(address), 16 + 8 * slot);
  for (const [slot, address] of reads.entries()) bytes.writeBigUInt64LE(BigInt(address), 32 + 8 * slot);
  return bytes;
}

/** A call, an addition to memory, and an instruction of the kernel. */
const recording = Buffer.concat([
  record({ ip: 0x401ab73, flags: 0x101, writes: [0x1fff000658] }),
  record({ ip: 0x401b7ad, writes: [0x4033e06], reads: [0x4033e06, 0x7fff_ffff_ffff] }),
  record({ ip: 0xffff_ffff_8100_0000n }),
]);
const events = [
  ...["0 fetch 0x401ab73 1", "0 store 0x1fff000658 1", "0 fetch 0x401b7ad 1", "0 load 0x4033e06 1"],
  ...["0 load 0x7fffffffffff 1", "0 store 0x4033e06 1"],
];

const reader = (bytes: Uint8Array, options = {}, pieces?: number[]): ChampsimReader =>
  new ChampsimReader(bytesOf(bytes, pieces), "champsim", options);

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "shootdown-"));
});

test("an instruction is fetched, reads, and then writes, however the bytes arrive", async () => {
  for (const pieces of [[1], [63, 2], [64], [1000]]) {
    const champsim = reader(recording, {}, pieces);
    expect((await eventsOf(champsim)).map(eventText)).toEqual(events);
    expect(champsim.counts).toMatchObject({ lines: 3, threads: 1, unit: "record" });
    expect(champsim.counts.others.get("kernelSpace")).toBe(1);
  }
});

test("a file is told by its name, or by the option", async () => {
  const named = join(folder, "400.perlbench.champsimtrace");
  const other = join(folder, "perlbench.bin");
  for (const file of [named, other]) await writeFile(file, recording);
  expect(await eventsOf(await openTrace(named))).toHaveLength(events.length);
  expect(await eventsOf(await openTrace(other, { format: "champsim" }))).toHaveLength(events.length);
  await expect(openTrace(other)).rejects.toThrow(/expected a recording .*--format.*, saw binary data/);
});

test("records of CloudSuite are longer, and read only where asked for", async () => {
  const bytes = Buffer.alloc(96);
  const at = [
    0x401ab73,
    ...[24, 32, 40, 48].map((each) => 0x1000 * each),
    ...[56, 64, 72, 80].map((each) => 0x2000 * each),
  ];
  for (const [index, address] of at.entries())
    bytes.writeBigUInt64LE(BigInt(address), index === 0 ? 0 : 16 + 8 * index);
  // Branches, registers, and an address-space id.
  bytes.writeUInt16LE(0x101, 8);
  bytes.fill(26, 10, 18).fill(1, 88, 90);
  const file = join(folder, "cloud.champsim");
  await writeFile(file, Buffer.concat([bytes, bytes]));
  const read = await openTrace(file, { format: "champsim-cloudsuite" });
  const one = [
    "0 fetch 0x401ab73 1",
    ...[56, 64, 72, 80].map((each) => `0 load 0x${(0x2000 * each).toString(16)} 1`),
    ...[24, 32, 40, 48].map((each) => `0 store 0x${(0x1000 * each).toString(16)} 1`),
  ];
  expect((await eventsOf(read)).map(eventText)).toEqual([...one, ...one]);
  expect(read.counts.lines).toBe(2);
  await expect(openTrace(file).then(eventsOf)).rejects.toThrow(/byte 64: expected addresses of 48 bits/);
});

test.each([
  ["a cut record", recording.subarray(0, 150), 128, "whole records of 64 bytes, saw 22 bytes more"],
  [
    "a flag of another value",
    record({ ip: 1, flags: 4 }),
    0,
    "is_branch and branch_taken of 0 or 1, saw 0x4",
  ],
  ["an address beyond 48 bits", record({ ip: 2 ** 49 }), 0, "addresses of 48 bits, saw high half 0x20000"],
  [
    "a record with several of them",
    record({ ip: 1, writes: [2 ** 49], reads: [2 ** 50] }),
    0,
    "addresses of 48 bits, saw high half 0x40000",
  ],
])("%s is refused with its byte, or passed over", async (_, bytes, byte, problem) => {
  await expect(eventsOf(reader(bytes))).rejects.toMatchObject({ name: "InputError", byte });
  await expect(eventsOf(reader(bytes))).rejects.toThrow(problem);
  const lenient = reader(bytes, { lenient: true });
  await eventsOf(lenient);
  expect(lenient.counts.skipped).toBe(1);
});
