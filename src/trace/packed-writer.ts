import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { crc32, deflateRaw } from "node:zlib";
import { EventBlock, type ReaderOptions } from "./event.js";
import { openTrace, openTracepoints, type Recording } from "./format.js";
import type { Unpackers } from "./open.js";
import { PackedEncoder } from "./packed-encoder.js";
import { headerBytes } from "./packed-header.js";
import {
  blockBytes,
  blockMark,
  eventsMax,
  type PackedHeader,
  packing,
  type SourceFile,
} from "./packed-layout.js";
import { Tally } from "./tally.js";
import type { RecordedEvent } from "./tracepoint-stream.js";

const deflated = promisify(deflateRaw) as (bytes: Buffer, options: { level: number }) => Promise<Buffer>;
const level = 6;

export interface PackOptions extends ReaderOptions, Unpackers {
  /** Most rows in a block; 65 536 if not given, which is the limit. */
  readonly blockRows?: number;
  /** Ends the work with its reason; what was written is removed. */
  readonly signal?: AbortSignal;
}

/**
 * Pack a recording into a file, which is there whole or not at all. Memory does not depend on the recording's length.
 *
 * Throws: InputError for a recording that cannot be read; errors of the file system for one that cannot be written.
 */
export async function packTrace(
  recording: Recording,
  file: string,
  options: PackOptions = {},
): Promise<PackedHeader> {
  // Blocks come first: what the header says is known at the end.
  const [blocks, whole] = ["blocks", "whole"].map((part) => `${file}.${process.pid}.${part}.tmp`) as [
    string,
    string,
  ];
  try {
    const header = await writeBlocks(recording, blocks, options);
    await using(whole, async (handle) => {
      await handle.write(headerBytes(header));
      await pipeline(createReadStream(blocks), createWriteStream("", { fd: handle.fd, autoClose: false }));
    });
    await rename(whole, file);
    return header;
  } finally {
    await Promise.all([blocks, whole].map((path) => rm(path, { force: true })));
  }
}

async function writeBlocks(recording: Recording, file: string, options: PackOptions): Promise<PackedHeader> {
  const source = await Promise.all(recording.files.map(sourceFile));
  const reader = await openTrace(recording.files, options);
  const [block, tally, encoder] = [new EventBlock(), new Tally(), new PackedEncoder(options.blockRows)];
  let [rows, blocks] = [0, 0];
  let schedule: PackedHeader["schedule"];
  try {
    await using(file, async (handle) => {
      const flush = async (): Promise<void> => {
        if (encoder.rows === 0) return;
        rows += encoder.rows;
        await handle.write(await blockOf(encoder.rows, encoder.take(), blocks++));
      };
      while (await reader.read(block)) {
        options.signal?.throwIfAborted();
        tally.add(block);
        for (let row = 0; row < block.length; ) {
          row = encoder.add(block, row);
          if (row < block.length) await flush();
        }
      }
      await flush();
      schedule = await writeSchedule(handle, recording, { ...options, first: blocks });
    });
    const summary = { ...tally.summary(reader), file: recording.name };
    const { name } = recording;
    const { hasAccesses } = reader;
    return { name, hasAccesses, rows, blocks, ...(schedule !== undefined && { schedule }), source, summary };
  } finally {
    reader.close();
  }
}

/** What the recording says that its kernel did, in blocks from the number `first` on. */
async function writeSchedule(
  handle: FileHandle,
  recording: Recording,
  { first, ...options }: PackOptions & { readonly first: number },
): Promise<PackedHeader["schedule"]> {
  const stream = await openTracepoints(recording.files[0]!, options);
  if (stream === undefined) return undefined;
  let [events, blocks] = [0, 0];
  const waiting: RecordedEvent[] = [];
  try {
    for (
      let next = await stream.next();
      next !== undefined || waiting.length > 0;
      next = await stream.next()
    ) {
      for (const event of next ?? []) waiting.push(event);
      // At the end, there are fewer.
      while (waiting.length >= eventsMax || (next === undefined && waiting.length > 0)) {
        const some = waiting.splice(0, eventsMax);
        events += some.length;
        await handle.write(await blockOf(some.length, Buffer.from(JSON.stringify(some)), first + blocks++));
      }
    }
    return { events, blocks, lost: stream.lost };
  } finally {
    stream.close();
  }
}

async function blockOf(rows: number, plain: Buffer, number: number): Promise<Buffer> {
  const stored = await deflated(plain, { level });
  const head = Buffer.alloc(blockBytes);
  for (const [word, value] of [
    blockMark,
    number,
    rows,
    packing.deflate,
    stored.length,
    plain.length,
  ].entries()) {
    head.writeUInt32LE(value, 4 * word);
  }
  head.writeUInt32LE(crc32(stored, crc32(head.subarray(0, blockBytes - 4))), blockBytes - 4);
  return Buffer.concat([head, stored]);
}

async function sourceFile(file: string): Promise<SourceFile> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const piece of createReadStream(file) as AsyncIterable<Buffer>) {
    hash.update(piece);
    bytes += piece.length;
  }
  return { name: basename(file), bytes, sha256: hash.digest("hex") };
}

async function using(file: string, action: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(file, "wx");
  try {
    await action(handle);
  } finally {
    await handle.close();
  }
}
