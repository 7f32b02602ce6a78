import type { TraceSummary } from "../workload/feed.js";

/**
 * The packed format, little-endian:
 *
 *     file    = magic (8) | version u16, 0 u16 | length u32 | checksum u32 | header: so many bytes of JSON |
 *               blocks of rows | blocks of the schedule
 *     block   = mark u32 | number u32 | rows u32 | packing u32 | stored u32 | plain u32 | checksum u32 | payload: `stored` bytes
 *     payload = runs u32 | entries u32 | accesses u32 | far deltas u32 | call bytes u32        (20 bytes), then
 *               runs * (thread u32, rows u32) | entries * (kind u32, size u32, high u32) | far deltas: u32 each |
 *               near deltas: u16 for each access | codes: a byte for each row | calls: JSON, an array
 *
 * A row whose code is 255 is the next of the calls. Any other code is the entry of the dictionary that says the access's kind, its
 * size, and the upper half of its address. The lower half is the one of the access before it in the same stream plus a delta,
 * modulo 2^32, zigzag: a near one, or, where that is 0xffff, the next of the far ones. All instruction fetches with one upper half are a stream, whose next address is expected
 * behind the last instruction; every other entry is a stream by itself. A block needs no other block to be read.
 *
 * The schedule is what a recording of kernel tracepoints says beside accesses and calls (RecordedEvent). Its blocks go on with the numbers of
 * those of rows, and have the same head; a row is an event, and the payload is a JSON array of them.
 *
 * Checksums are CRC-32: of version, length and header; of a block's first six words and its payload as stored. A payload is stored as
 * it is (packing 0) or deflated (1, RFC 1951).
 */
export const magic = Buffer.from([0x89, 0x53, 0x44, 0x54, 0x0d, 0x0a, 0x1a, 0x0a]);
export const version = 2;
export const prefixBytes = 20;
export const blockMark = 0x4b4c4253;
export const blockWords = 7;
export const blockBytes = 4 * blockWords;
export const packing = { none: 0, deflate: 1 } as const;

export const payloadWords = 5;
export const runWords = 2;
export const entryWords = 3;
export const callCode = 255;
/** In the place of a near delta: it is a far one. */
export const farDelta = 0xffff;

/** A block of the writer's has at most so many rows, and the reader takes no larger one. */
export const rowsMax = 65_536;
/** The writer's blocks of a schedule have so many events. */
export const eventsMax = 8192;
/** Calls are text and may be long; a larger length is damage. */
export const plainMax = 64 * 1024 * 1024;
export const headerMax = 4 * 1024 * 1024;

/** A file that the recording was packed from. */
export interface SourceFile {
  readonly name: string;
  readonly bytes: number;
  /** In hexadecimal digits. */
  readonly sha256: string;
}

export interface PackedHeader {
  /** As results name the recording. */
  readonly name: string;
  readonly hasAccesses: boolean;
  readonly rows: number;
  readonly blocks: number;
  /** Absent unless the source says what its kernel did. `lost`: events that its recorder dropped. */
  readonly schedule?: { readonly events: number; readonly blocks: number; readonly lost: number };
  readonly source: readonly SourceFile[];
  /** What a reader of the source has counted. */
  readonly summary: TraceSummary;
}
