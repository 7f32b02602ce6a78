/*
 * Rows of a recording and what they are decoded from, at fixed addresses of a memory that one reader or one replay has to itself. The
 * host makes views of the columns; what nobody touches costs nothing.
 */

/** Most rows in the columns. */
export const ROWS: u32 = 8192;
/** A row of this kind is a call; the others are accesses, and their kinds those of records. */
export const CALL: u32 = 4;

/** Columns: a byte, an i32, an f64 and a u32 for each row. */
export const KINDS: usize = 4096;
export const THREADS: usize = KINDS + <usize>ROWS;
export const ADDRESSES: usize = THREADS + <usize>ROWS * 4;
export const SIZES: usize = ADDRESSES + <usize>ROWS * 8;
/** Records made of the rows, a u64 each. */
export const RECORDS: usize = SIZES + <usize>ROWS * 4;

/** Slots for pages and threads that have met: a key each, and the position behind the last record. */
export const SLOTS: u32 = 65536;
export const KEYS: usize = RECORDS + <usize>ROWS * 8;
export const POSITIONS: usize = KEYS + <usize>SLOTS * 8;
export const PAGES_END: usize = POSITIONS + <usize>SLOTS * 8;

/** What decodes has other things there: entries of the dictionary, what is expected next in each stream, then a payload, as long as it is. */
export const ENTRIES: usize = RECORDS;
export const ENTRY_BYTES: usize = 24;
export const EXPECTED: usize = ENTRIES + 256 * ENTRY_BYTES;
export const PAYLOAD: usize = EXPECTED + 256 * 4;
