/*
 * Which pages threads have accessed before, so that another access needs nothing but its record. A slot is for a thread and what a page
 * number has in its lower bits; it keeps the position behind the last record of that thread and page.
 */
import { ADDRESSES, CALL, KEYS, KINDS, POSITIONS, RECORDS, SIZES, SLOTS, THREADS } from "./layout";

const PAGE_BYTES: u32 = 4096;
/** Spreads what threads do at the same addresses. */
export const SLOT_SALT: u32 = 37;

/** Nothing is known. */
export function forgetAll(): void {
  memory.fill(KEYS, 0, <usize>SLOTS << 3);
}

/** Address of the page and one more than the thread: 0, as memory begins, is no key. */
// @ts-ignore: decorator
@inline
function keyOf(address: u64, thread: u32): u64 {
  return (address & ~<u64>(PAGE_BYTES - 1)) + <u64>(thread + 1);
}

/**
 * How many rows from `from` on, and before `to`, are accesses of the thread to pages that it has accessed before. Their records are made:
 * an address with its kind in place of the lowest four bits each; the first one will have the given position.
 */
export function knownRows(from: u32, to: u32, thread: u32, first: f64): u32 {
  let record: usize = 0;
  let behind = <u64>first;
  const salt = thread * SLOT_SALT;
  for (let row = <usize>from; row < <usize>to; row++) {
    const kind = load<u8>(row, KINDS);
    if (load<u32>(row << 2, THREADS) != thread || kind == CALL) break;
    const address = <u64>(<i64>load<f64>(row << 3, ADDRESSES));
    if ((address & <u64>(PAGE_BYTES - 1)) + <u64>load<u32>(row << 2, SIZES) > <u64>PAGE_BYTES) break;
    const slot = <usize>((<u32>(address >> 12) ^ salt) & (SLOTS - 1)) << 3;
    if (load<u64>(slot, KEYS) != keyOf(address, thread)) break;
    behind++;
    store<u64>(slot, behind, POSITIONS);
    store<u64>(record, (address & ~15) | <u64>kind, RECORDS);
    record += 8;
  }
  return <u32>(record >> 3);
}
