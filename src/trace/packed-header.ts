import { crc32 } from "node:zlib";
import type { PackedHeader } from "./packed-layout.js";
import { headerMax, magic, prefixBytes, version } from "./packed-layout.js";

/** The header with all that stands before it. */
export function headerBytes(header: PackedHeader): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(prefixBytes);
  magic.copy(prefix);
  prefix.writeUInt16LE(version, 8);
  prefix.writeUInt32LE(json.length, 12);
  prefix.writeUInt32LE(checksumOf(prefix, json), 16);
  return Buffer.concat([prefix, json]);
}

/** How long the header is that follows these first bytes. Throws: RangeError for bytes that no writer has made. */
export function headerLength(prefix: Buffer): number {
  const found = prefix.readUInt16LE(8);
  if (found !== version) throw new RangeError(`version ${found}; this program reads version ${version}`);
  const length = prefix.readUInt32LE(12);
  if (length > headerMax) throw new RangeError(`a header of ${length} bytes`);
  return length;
}

/** Throws: RangeError for a header that is damaged. */
export function parseHeader(prefix: Buffer, json: Buffer): PackedHeader {
  if (checksumOf(prefix, json) !== prefix.readUInt32LE(16))
    throw new RangeError("a header with another checksum");
  return JSON.parse(json.toString("utf8")) as PackedHeader;
}

function checksumOf(prefix: Buffer, json: Buffer): number {
  return crc32(json, crc32(prefix.subarray(8, 16)));
}
