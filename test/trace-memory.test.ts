import { expect, test } from "vitest";
import { ChampsimReader } from "../src/trace/champsim.js";
import { DrmemtraceReader } from "../src/trace/drmemtrace.js";
import { DrmemtraceViewReader } from "../src/trace/drmemtrace-view.js";
import { EventBlock, type TraceReader } from "../src/trace/event.js";
import { LackeyReader } from "../src/trace/lackey.js";
import { LineWindow } from "../src/trace/lines.js";
import type { ByteSource } from "../src/trace/open.js";
import { drRecord, fetched, load, mark } from "./drmemtrace-bytes.js";

const pieceBytes = 256 * 1024;
/** What the source gives, and what reading it may take: a reader keeps a few pieces. */
const sourceBytes = 96 * 1024 * 1024;
const memoryMax = 48 * 1024 * 1024;

/** A beginning, and then the same bytes over and over. */
function endless(begin: Buffer, again: Buffer, bytes: number): ByteSource {
  const piece = Buffer.concat(Array.from({ length: Math.ceil(pieceBytes / again.length) }, () => again));
  let given = 0;
  return {
    file: "test.log",
    compression: "none",
    async next() {
      const next = given === 0 ? begin : piece;
      given += next.length;
      return given > bytes ? undefined : next;
    },
    close() {},
  };
}

const lackey = Buffer.from("I  04000000,4\n L 1fff000000,8\n");
const viewed = Buffer.from(
  "  9  9:   W0.T1 read         8 byte(s) @ 0x00007ff2f27fde06 by PC 0x00007ff2f27e57ad\n",
);
const header = Buffer.concat([drRecord(25, 0, 7), mark("version", 7), drRecord(22, 4, 1)]);
const instruction = Buffer.alloc(64, 0).fill(1, 0, 4);
const options = { lenient: true };

test.each<[string, () => TraceReader]>([
  ["lackey", () => new LackeyReader(new LineWindow(endless(lackey, lackey, sourceBytes)), "lackey")],
  [
    "drmemtrace-view",
    () => new DrmemtraceViewReader(new LineWindow(endless(viewed, viewed, sourceBytes)), "drmemtrace-view"),
  ],
  [
    "drmemtrace",
    () => {
      const again = Buffer.concat([fetched(4096), load(8192)]);
      return new DrmemtraceReader("t", [endless(header, again, sourceBytes)], "drmemtrace", options);
    },
  ],
  ["champsim", () => new ChampsimReader(endless(instruction, instruction, sourceBytes), "champsim")],
])("%s is read in the same memory, however long it is", async (_, open) => {
  const used = (): number => {
    const { arrayBuffers, heapUsed } = process.memoryUsage();
    return arrayBuffers + heapUsed;
  };
  const before = used();
  const reader = open();
  const block = new EventBlock();
  let [rows, most] = [0, 0];
  while (await reader.read(block)) {
    rows += block.length;
    most = Math.max(most, used());
  }
  expect(rows).toBeGreaterThan(1_000_000);
  expect(most - before).toBeLessThan(memoryMax);
});
