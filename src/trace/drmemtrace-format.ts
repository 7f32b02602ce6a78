import { basename, dirname, join } from "node:path";
import type { BinaryFormat } from "./binary-format.js";
import { DrmemtraceReader } from "./drmemtrace.js";
import { HEADER, MARKER, PID, recordBytes, THREAD } from "./drmemtrace-records.js";

/** Records looked at for the id of the process: they stand before the first timestamp. */
const headRecords = 16;
/** The versions are small numbers; this is far above. */
const versionMax = 1000;

/** APPLICATION.THREAD.RANDOM.trace, with what the file is packed by. */
const threadFile = /^(.*)\.\d+\.\d+\.trace(?:\.\w+)?$/;
export const isThreadFile = (name: string): boolean => /\.trace(?:\.(?:gz|zip|lz4|zst|xz))?$/.test(name);

export const drmemtrace: BinaryFormat = {
  name: "drmemtrace",
  about: "DynamoRIO drmemtrace -offline; all files of a process, or their folder, are one recording",
  fits: (head) => {
    if (head.length < recordBytes || typeAt(head, 0) !== HEADER || head.readUInt16LE(2) !== 0) return false;
    const follows = head.length >= 2 * recordBytes ? typeAt(head, 1) : MARKER;
    const version = head.readBigUInt64LE(4);
    return version < versionMax && [MARKER, THREAD, PID].includes(follows);
  },
  group: (head, file) => join(dirname(file), `process ${processOf(head) ?? basename(file)}`),
  reader: (sources, options) => {
    const { file } = sources[0]!;
    const program = threadFile.exec(basename(file))?.[1];
    const name = sources.length === 1 || program === undefined ? file : join(dirname(file), program);
    return new DrmemtraceReader(name, sources, "drmemtrace", options);
  },
};

function processOf(head: Buffer): bigint | undefined {
  const records = Math.min(headRecords, Math.floor(head.length / recordBytes));
  for (let record = 0; record < records; record++) {
    if (typeAt(head, record) === PID) return head.readBigUInt64LE(record * recordBytes + 4);
  }
  return undefined;
}

function typeAt(head: Buffer, record: number): number {
  return head.readUInt16LE(record * recordBytes);
}
