import { FETCH, LOAD, STORE } from "../workload/feed.js";

/**
 * Records of DynamoRIO's drmemtrace, versions 1 to 7: 12 bytes, little-endian, `type` (16 bits), `size` (16 bits), `address` (64 bits).
 *
 * Source: DynamoRIO, clients/drcachesim/common/trace_entry.h (trace_type_t, trace_marker_type_t).
 */
export const recordBytes = 12;

export const INSTR_NO_FETCH = 29;
export const THREAD = 22;
export const THREAD_EXIT = 23;
export const PID = 24;
export const HEADER = 25;
export const FOOTER = 26;
export const MARKER = 28;

/** Kinds of marker: the size of a record of type MARKER. */
export const marker = {
  timestamp: 2,
  functionId: 4,
  argument: 6,
  result: 7,
  fileType: 9,
  systemCall: 25,
} as const;

/** In a function id: the rest is the number of a system call. */
export const systemCallFlag = 2 ** 32;
/** In a file type. */
export const archAarch64 = 0x08;

const noAccess = 255;
/** Kind of access by type of record; 255 where it is none. */
export const accessOf = new Uint8Array(256).fill(noAccess);
accessOf[0] = LOAD;
accessOf[1] = STORE;
/** Instructions: of no branch, jumps, calls, returns, sysenter, conditional jumps taken and not taken. */
for (const type of [10, 11, 12, 13, 14, 15, 16, 31, 48, 49]) accessOf[type] = FETCH;

/** Types that mean nothing to a simulation, by what they are called in a summary. */
const others: Readonly<Record<string, readonly number[]>> = {
  header: [THREAD, PID, HEADER, FOOTER],
  exit: [THREAD_EXIT],
  marker: [MARKER],
  encoding: [47],
  noFetch: [INSTR_NO_FETCH],
  // A prefetch never faults, and what it brings into a TLB is not modelled.
  prefetch: [2, 3, 4, 5, 6, 7, 8, 9, 27, ...Array.from({ length: 15 }, (_, index) => 32 + index)],
  cacheFlush: [18, 19, 20, 21],
};

/** Name of each type that is no access; undefined for types that no file should have. */
export const otherOf: readonly (string | undefined)[] = Array.from({ length: 256 }, (_, type) =>
  Object.keys(others).find((name) => others[name]!.includes(type)),
);

/** Addresses of the kernel, and of the page of virtual system calls. */
export const kernelSpace = "kernelSpace";

/** Signed: results below 0 are errors. Exact up to 2^53. */
export function signed(high: number, low: number): number {
  return (high | 0) * 2 ** 32 + low;
}

/** 1970 in microseconds since 1601: 0x295e96 * 2^32 + 0x48864000. */
const [epochHigh, epochLow] = [0x295e96, 0x48864000];

/** A timestamp in microseconds since 1970; since 1601 it would not be exact. */
export function microseconds(high: number, low: number): number {
  return (high - epochHigh) * 2 ** 32 + (low - epochLow);
}
