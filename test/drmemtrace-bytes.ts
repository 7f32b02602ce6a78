/** Records of a drmemtrace file, as DynamoRIO packs them. */
export function drRecord(type: number, size: number, address: number | bigint): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt16LE(type, 0);
  bytes.writeUInt16LE(size, 2);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(address)), 4);
  return bytes;
}

const kinds = { timestamp: 2, function: 4, argument: 6, result: 7, fileType: 9, version: 12, systemCall: 25 };
const epoch = 11_644_473_600_000_000n;

export const mark = (kind: keyof typeof kinds, value: number | bigint): Buffer =>
  drRecord(28, kinds[kind], value);
/** Microseconds since 1970. */
export const stamp = (time: number): Buffer => mark("timestamp", BigInt(time) + epoch);
export const load = (address: number, size = 8): Buffer => drRecord(0, size, address);
export const store = (address: number, size = 8): Buffer => drRecord(1, size, address);
export const fetched = (address: number, size = 4): Buffer => drRecord(10, size, address);

/** A system call with its arguments, between two timestamps. */
export function systemCall(
  id: number,
  args: readonly (number | bigint)[],
  result: number,
  [from, to]: readonly [number, number],
): Buffer {
  return Buffer.concat([
    ...[stamp(from), mark("systemCall", id), mark("function", 0x1_0000_0000 + id)],
    ...args.map((value) => mark("argument", value)),
    ...[mark("function", 0x1_0000_0000 + id), mark("result", result), stamp(to)],
  ]);
}

/** The file of a thread: its header, the records, its end. */
export function threadBytes(pid: number, tid: number, records: readonly Buffer[]): Buffer {
  return Buffer.concat([
    ...[drRecord(25, 0, 7), mark("version", 7), mark("fileType", 0xe40)],
    ...[drRecord(22, 4, tid), drRecord(24, 4, pid), ...records, drRecord(23, 4, tid), drRecord(26, 0, 0)],
  ]);
}
