import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { pipeline } from "node:stream";
import { constants, createInflateRaw } from "node:zlib";

const headBytes = 30;
const headMark = 0x04034b50;
const deflated = 8;
/** Lengths of what may stand between a member and the next: nothing, or checksum and sizes, with a mark or without, of 4 or 8 bytes. */
const gaps = [0, 12, 16, 20, 24] as const;

/**
 * The members of a zip file whose directory, which stands at its end, is lost: one behind the other, as far as they go, none compared with
 * its checksum. Source: PKWARE's APPNOTE.TXT 4.3.7 and 4.3.9.
 */
export async function* membersWithoutDirectory(file: string): AsyncGenerator<Buffer, undefined> {
  const handle = await open(file, "r");
  try {
    for (let at: number | undefined = 0; at !== undefined; ) {
      const head = await bytesAt(handle, at, headBytes);
      // One that is not deflated may be of any length, if its head does not say so.
      if (head.length < headBytes || head.readUInt16LE(8) !== deflated) return undefined;
      const start: number = at + headBytes + head.readUInt16LE(26) + head.readUInt16LE(28);
      const inflate = createInflateRaw({ finishFlush: constants.Z_SYNC_FLUSH });
      // The callback keeps an error from being thrown twice.
      pipeline(createReadStream(file, { start }), inflate, () => {});
      for await (const piece of inflate as AsyncIterable<Buffer>) yield piece;
      at = await nextHead(handle, start + inflate.bytesWritten);
    }
  } finally {
    await handle.close();
  }
}

async function nextHead(handle: FileHandle, behind: number): Promise<number | undefined> {
  for (const gap of gaps) {
    const mark = await bytesAt(handle, behind + gap, 4);
    if (mark.length === 4 && mark.readUInt32LE(0) === headMark) return behind + gap;
  }
  return undefined;
}

async function bytesAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
