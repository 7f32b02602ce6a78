/*
 * Inflates raw deflate data (RFC 1951) from one place of this memory to another, so that a block costs the host neither a buffer nor a
 * turn of its event loop. Damage ends it; it never reads or writes beyond what the host has set aside: IN_SLACK bytes behind the input,
 * and OUT_SLACK behind the output.
 */
import { HUFFMAN } from "./layout";

/** Bytes that may be read behind the end of the input, which is looked at once a symbol, and once a block's codes. */
export const IN_SLACK: u32 = 4096;
/** Bytes that may be written behind the end of the output: a match, in pieces of 16. */
export const OUT_SLACK: u32 = 288;

const LENGTHS: usize = HUFFMAN;
/** Codes of up to so many bits are looked up at once; longer ones, which are rare, bit by bit. */
const QUICK_BITS: u32 = 11;
// Of a table: entries, then how many codes there are of each length, then the symbols in the order of their codes.
const COUNTS: usize = 4 << QUICK_BITS;
const SORTED: usize = COUNTS + 16 * 2;
// While it is made: the next code of each length, and the place of its symbol.
const CODES: usize = SORTED + 288 * 2;
const PLACES: usize = CODES + 16 * 2;
const TABLE_BYTES: usize = PLACES + 16 * 2;
const SYMBOLS: usize = HUFFMAN + 320;
const DISTANCES: usize = SYMBOLS + TABLE_BYTES;

const LONGEST: u32 = 15;
const END_OF_BLOCK: u32 = 256;
const SYMBOLS_MAX: u32 = 286;
const DISTANCES_MAX: u32 = 30;

// An entry: length of the code in 4 bits, number of extra bits in 4, what it is in 2; from bit 16 on, a byte, a least length or a least
// distance. 0 is no code of up to QUICK_BITS.
const IS_MATCH: u32 = 1 << 8;
const IS_END: u32 = 2 << 8;
const IS_WRONG: u32 = 3 << 8;
const IS_WHAT: u32 = 3 << 8;

let input: usize = 0;
let bits: u64 = 0;
let available: u32 = 0;

/** At least 56 bits; of what lies behind the input, which is found out later. */
// @ts-ignore: decorator
@inline
function refill(): void {
  bits |= load<u64>(input) << available;
  input += (63 - available) >> 3;
  available |= 56;
}

// @ts-ignore: decorator
@inline
function take(count: u32): u32 {
  const value = <u32>bits & ((1 << count) - 1);
  bits >>= count;
  available -= count;
  return value;
}

/** What a symbol says, without the length of its code. */
function meaning(symbol: u32, isDistance: bool): u32 {
  if (isDistance) {
    if (symbol >= DISTANCES_MAX) return IS_WRONG;
    const extra = symbol < 2 ? 0 : (symbol >> 1) - 1;
    const base = symbol < 2 ? symbol + 1 : ((2 + (symbol & 1)) << extra) + 1;
    return (base << 16) | (extra << 4);
  }
  if (symbol < END_OF_BLOCK) return symbol << 16;
  if (symbol == END_OF_BLOCK) return IS_END;
  if (symbol >= SYMBOLS_MAX) return IS_WRONG;
  const code = symbol - END_OF_BLOCK - 1;
  if (code == 28) return (258 << 16) | IS_MATCH;
  const extra = code < 8 ? 0 : (code >> 2) - 1;
  const base = code < 8 ? code + 3 : ((4 + (code & 3)) << extra) + 3;
  return (base << 16) | (extra << 4) | IS_MATCH;
}

// @ts-ignore: decorator
@inline
function reversed(code: u32, length: u32): u32 {
  let result: u32 = 0;
  for (let bit: u32 = 0; bit < length; bit++) result |= ((code >> bit) & 1) << (length - 1 - bit);
  return result;
}

/** Makes a table of the lengths of `symbols` codes, a byte each. Returns false if there are more codes than there can be. */
function build(table: usize, lengths: usize, symbols: u32, isDistance: bool): bool {
  memory.fill(table, 0, COUNTS + 16 * 2);
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const count = table + (<usize>load<u8>(lengths + symbol) << 1);
    store<u16>(count, load<u16>(count, COUNTS) + 1, COUNTS);
  }
  store<u16>(table, 0, COUNTS);
  let left: i32 = 1;
  let code: u32 = 0;
  let place: u32 = 0;
  for (let length: usize = 1; length <= <usize>LONGEST; length++) {
    const count = <u32>load<u16>(table + (length << 1), COUNTS);
    left = (left << 1) - <i32>count;
    if (left < 0) return false;
    code <<= 1;
    store<u16>(table + (length << 1), <u16>code, CODES);
    store<u16>(table + (length << 1), <u16>place, PLACES);
    code += count;
    place += count;
  }
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const length = <u32>load<u8>(lengths + symbol);
    if (length != 0) put(table, symbol, length, isDistance);
  }
  return true;
}

/** Gives a symbol the next code of a length. */
function put(table: usize, symbol: u32, length: u32, isDistance: bool): void {
  const own = table + (<usize>length << 1);
  const place = <u32>load<u16>(own, PLACES);
  const code = <u32>load<u16>(own, CODES);
  store<u16>(own, <u16>(place + 1), PLACES);
  store<u16>(own, <u16>(code + 1), CODES);
  store<u16>(table + (<usize>place << 1), <u16>symbol, SORTED);
  if (length > QUICK_BITS) return;
  const entry = meaning(symbol, isDistance) | length;
  for (let at = reversed(code, length); at < 1 << QUICK_BITS; at += 1 << length) store<u32>(table + (<usize>at << 2), entry);
}

/** The next code, bit by bit. Returns its entry; IS_WRONG if there is no such code. */
function slowly(table: usize, isDistance: bool): u32 {
  let code: u32 = 0;
  let first: u32 = 0;
  let index: u32 = 0;
  for (let length: u32 = 1; length <= LONGEST; length++) {
    code |= <u32>(bits >> (length - 1)) & 1;
    const count = <u32>load<u16>(table + (<usize>length << 1), COUNTS);
    if (code - first < count) return meaning(load<u16>(table + (<usize>(index + code - first) << 1), SORTED), isDistance) | length;
    index += count;
    first = (first + count) << 1;
    code <<= 1;
  }
  return IS_WRONG;
}

// @ts-ignore: decorator
@inline
function next(table: usize, isDistance: bool): u32 {
  const entry = load<u32>(table + ((<usize>bits & ((1 << QUICK_BITS) - 1)) << 2));
  return entry != 0 ? entry : slowly(table, isDistance);
}

/** The codes that a block without codes of its own has. */
function fixedCodes(): bool {
  memory.fill(LENGTHS, 8, 144);
  memory.fill(LENGTHS + 144, 9, 112);
  memory.fill(LENGTHS + 256, 7, 24);
  memory.fill(LENGTHS + 280, 8, 8);
  build(SYMBOLS, LENGTHS, 288, false);
  memory.fill(LENGTHS, 5, 32);
  return build(DISTANCES, LENGTHS, 32, true);
}

/** Order in which lengths of codes for lengths are stored. */
const order = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]);

/** The codes of a block of its own. Returns false if they are wrong. */
function ownCodes(): bool {
  refill();
  const symbols = take(5) + 257;
  const distances = take(5) + 1;
  const coded = take(4) + 4;
  memory.fill(LENGTHS, 0, 320);
  for (let index: u32 = 0; index < coded; index++) {
    refill();
    store<u8>(LENGTHS + <usize>load<u8>(order + index), <u8>take(3));
  }
  if (!build(SYMBOLS, LENGTHS, 19, false)) return false;
  memory.fill(LENGTHS, 0, 320);
  const all = symbols + distances;
  for (let index: u32 = 0; index < all; ) {
    refill();
    const entry = next(SYMBOLS, false);
    if ((entry & IS_WHAT) != 0) return false;
    take(entry & 15);
    const symbol = entry >> 16;
    if (symbol < 16) {
      store<u8>(LENGTHS + index++, <u8>symbol);
      continue;
    }
    if (symbol == 16 && index == 0) return false;
    const value: u8 = symbol == 16 ? load<u8>(LENGTHS + index - 1) : 0;
    const times = symbol == 16 ? 3 + take(2) : symbol == 17 ? 3 + take(3) : 11 + take(7);
    if (index + times > all) return false;
    memory.fill(LENGTHS + index, value, times);
    index += times;
  }
  return load<u8>(LENGTHS + END_OF_BLOCK) != 0 && build(DISTANCES, LENGTHS + symbols, distances, true) && build(SYMBOLS, LENGTHS, symbols, false);
}

/** Bytes of a pattern of 1 to 7 bytes, repeated; by how much it can be moved on at a time. */
const repeats = memory.data<u64>([
  0, 0x0101010101010101, 0x0001000100010001, 0x0001000001000001, 0x0000000100000001, 0x0000010000000001, 0x0001000000000001, 0x0100000000000001,
]);
const steps = memory.data<u8>([0, 8, 8, 6, 8, 5, 6, 7]);

/** Copies bytes that may overlap, so that a pattern repeats; up to 16 bytes more than asked for. */
// @ts-ignore: decorator
@inline
function copy(to: usize, distance: u32, length: u32): void {
  const end = to + length;
  if (distance >= 16) {
    let from = to - distance;
    do {
      v128.store(to, v128.load(from));
      to += 16;
      from += 16;
    } while (to < end);
  } else if (distance >= 8) {
    do {
      store<u64>(to, load<u64>(to - distance));
      to += 8;
    } while (to < end);
  } else {
    const pattern = (load<u64>(to - distance) & ((<u64>1 << (distance << 3)) - 1)) * load<u64>(repeats + (<usize>distance << 3));
    const step = <usize>load<u8>(steps + distance);
    do {
      store<u64>(to, pattern);
      to += step;
    } while (to < end);
  }
}

/** Bytes as they are. Returns where the output ends, or 0. */
function stored(out: usize, inputEnd: usize, outEnd: usize): usize {
  // What was taken too much goes back, but for the rest of a byte.
  input -= <usize>(available >> 3);
  available = 0;
  bits = 0;
  if (input + 4 > inputEnd) return 0;
  const length = <usize>load<u16>(input);
  if ((<u32>load<u16>(input, 2) ^ 0xffff) != <u32>length) return 0;
  input += 4;
  if (input + length > inputEnd || out + length > outEnd) return 0;
  memory.copy(out, input, length);
  input += length;
  return out + length;
}

/** What the tables say. Returns where the output ends, or 0. */
function codes(begin: usize, from: usize, inputEnd: usize, outEnd: usize): usize {
  let out = from;
  while (input <= inputEnd + 8) {
    refill();
    // Two symbols, a length and a distance take less than the 56 bits.
    let entry = next(SYMBOLS, false);
    bits >>= entry & 15;
    available -= entry & 15;
    if ((entry & IS_WHAT) == 0) {
      store<u8>(out++, <u8>(entry >> 16));
      if (out > outEnd) return 0;
      entry = load<u32>(SYMBOLS + ((<usize>bits & ((1 << QUICK_BITS) - 1)) << 2));
      if (entry == 0 || (entry & IS_WHAT) != 0) continue;
      bits >>= entry & 15;
      available -= entry & 15;
      store<u8>(out++, <u8>(entry >> 16));
      if (out > outEnd) return 0;
      continue;
    }
    if ((entry & IS_WHAT) == IS_END) return out;
    if ((entry & IS_WHAT) == IS_WRONG) return 0;
    const length = (entry >> 16) + take((entry >> 4) & 15);
    entry = next(DISTANCES, true);
    if ((entry & IS_WHAT) != 0) return 0;
    bits >>= entry & 15;
    available -= entry & 15;
    const distance = (entry >> 16) + take((entry >> 4) & 15);
    if (<usize>distance > out - begin) return 0;
    copy(out, distance, length);
    out += length;
    if (out > outEnd) return 0;
  }
  return 0;
}

/** Inflates `length` bytes at `from` to `to`. Returns whether they are whole, and give `size` bytes. */
export function inflate(from: usize, length: u32, to: usize, size: u32): bool {
  input = from;
  bits = 0;
  available = 0;
  const inputEnd = from + length;
  const outEnd = to + size;
  let out = to;
  for (let isLast = false; !isLast; ) {
    refill();
    isLast = take(1) != 0;
    const kind = take(2);
    if (kind == 0) out = stored(out, inputEnd, outEnd);
    else if (kind == 1) out = fixedCodes() ? codes(to, out, inputEnd, outEnd) : 0;
    else if (kind == 2) out = ownCodes() ? codes(to, out, inputEnd, outEnd) : 0;
    else return false;
    if (out == 0 || input - <usize>(available >> 3) > inputEnd) return false;
  }
  return out == outEnd;
}
