/* Rows of a payload of the packed format, as src/trace/packed-layout.ts describes it. */
import { ADDRESSES, CALL, ENTRIES, ENTRY_BYTES, EXPECTED, KINDS, SIZES } from "./layout";

const CALL_CODE: u32 = 255;
const FAR: u32 = 0xffff;

// Of an entry: 0 and the upper half of its addresses, as one u64; the address of what its stream expects; its size; what an access adds to
// the expected address; its kind.
const ENTRY_STREAM: usize = 8;
const ENTRY_SIZE: usize = 12;
const ENTRY_STEP: usize = 16;
const ENTRY_KIND: usize = 20;

let nextCode: usize = 0;
let nextNear: usize = 0;
let nextFar: usize = 0;

/**
 * Begins a payload, whose far deltas, near deltas and codes lie at `columns`, with so many entries at ENTRIES. Returns false if they are
 * not what a writer makes: decode() would read beyond its columns.
 */
export function begin(columns: usize, fars: u32, accesses: u32, rows: u32, entries: u32): bool {
  nextFar = columns;
  nextNear = columns + (<usize>fars << 2);
  nextCode = nextNear + (<usize>accesses << 1);
  memory.fill(EXPECTED, 0, 256 << 2);
  let calls: u32 = 0;
  let unknown: u32 = 0;
  let p = nextCode;
  for (const end = p + (rows & ~15); p < end; p += 16) {
    const codes = v128.load(p);
    const isCall = i8x16.eq(codes, i8x16.splat(-1));
    calls += popcnt(i8x16.bitmask(isCall));
    unknown |= i8x16.bitmask(v128.andnot(i8x16.ge_u(codes, i8x16.splat(<i8>entries)), isCall));
  }
  for (const end = nextCode + rows; p < end; p++) {
    const code = <u32>load<u8>(p);
    if (code == CALL_CODE) calls++;
    else unknown |= u32(code >= entries);
  }
  return unknown == 0 && rows - calls == accesses && farDeltas(nextNear, accesses) == fars;
}

function farDeltas(near: usize, accesses: u32): u32 {
  let fars: u32 = 0;
  let p = near;
  for (const end = near + ((accesses & ~7) << 1); p < end; p += 16) {
    fars += popcnt(i16x8.bitmask(i16x8.eq(v128.load(p), i16x8.splat(-1))));
  }
  for (const end = near + (accesses << 1); p < end; p += 2) fars += u32(load<u16>(p) == FAR);
  return fars;
}

/** Decodes the next `count` rows, which there have to be, to the beginning of the columns. */
export function decode(count: u32): void {
  let near = nextNear;
  let far = nextFar;
  const codes = nextCode;
  for (let row: usize = 0; row < <usize>count; row++) {
    const code = <usize>load<u8>(codes + row);
    if (code == CALL_CODE) {
      store<u8>(row, CALL, KINDS);
      continue;
    }
    let delta = <u32>load<u16>(near);
    near += 2;
    if (delta == FAR) {
      delta = load<u32>(far);
      far += 4;
    }
    const entry = code * ENTRY_BYTES;
    const stream = <usize>load<u32>(entry, ENTRIES + ENTRY_STREAM);
    const low = load<u32>(stream) + ((delta >>> 1) ^ -(delta & 1));
    store<u32>(stream, low + load<u32>(entry, ENTRIES + ENTRY_STEP));
    store<u8>(row, load<u8>(entry, ENTRIES + ENTRY_KIND), KINDS);
    // Below 2^47: it may have a sign, which is faster.
    const address = load<i64>(entry, ENTRIES) | <i64>low;
    store<f64>(row << 3, <f64>address, ADDRESSES);
    store<u32>(row << 2, load<u32>(entry, ENTRIES + ENTRY_SIZE), SIZES);
  }
  nextNear = near;
  nextFar = far;
  nextCode = codes + count;
}
