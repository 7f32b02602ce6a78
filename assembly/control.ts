/*
 * What a search is told and what it tells: u32 words at an address that the host chooses, behind everything that plan() lays out. Larger
 * numbers take two words, the lower half first. The host (src/engine/search-tables.ts) writes the first part before openSearch().
 *
 *   0                 64               128
 *   | what is told ... | what it tells ...|
 */

/** Tables: of ops (choose.ts), scripts and liberties (script.ts), pieces (pieces.ts) and groups of them (snapshot.ts). */
export const SC_OPS: u32 = 0;
export const SC_SCRIPTS: u32 = 1;
export const SC_LIBERTIES: u32 = 2;
export const SC_LIBERTY_COUNT: u32 = 3;
export const SC_PIECES: u32 = 4;
export const SC_PIECE_COUNT: u32 = 5;
export const SC_GROUPS: u32 = 6;
/** First byte that the search may use for itself, and pages (64 KiB) of the whole memory at most. */
export const SC_FREE: u32 = 7;
export const SC_PAGES_MOST: u32 = 8;
/** 1: violations are counted and not followed; 0: the first one ends the search. */
export const SC_COUNTS: u32 = 9;
export const SC_DEPTH_MOST: u32 = 10;
export const SC_STATES_MOST: u32 = 11;
/** Switches away from a CPU that could have gone on; u32.MAX_VALUE for any number. */
export const SC_SWITCHES_MOST: u32 = 12;

/** u16 for each word from STATE's first to the last of a page table: number of its piece, or NO_PIECE. */
export const SC_PIECE_OF: u32 = 15;
/** 1: the program has broadcasts. */
export const SC_BROADCASTS: u32 = 13;
/** Where the tables of reduce.ts are; 0: every choice of every state is tried. */
export const SC_REDUCTION: u32 = 14;

export const SC_STATES: u32 = 16;
export const SC_EXPANDED: u32 = 17;
/** Of the state that is expanded next. */
export const SC_DEPTH: u32 = 18;
/** u64. */
export const SC_TRANSITIONS: u32 = 20;
export const SC_VIOLATIONS: u32 = 22;
export const SC_DEADLOCKS: u32 = 24;
/** Number of the state where it was found, and the choice that was taken there (NO_CHOICE for a deadlock). */
export const SC_FOUND_STATE: u32 = 26;
export const SC_FOUND_CHOICE: u32 = 27;
/** CUT_DEPTH or CUT_SWITCHES (explore.ts): a bound left something out. */
export const SC_CUT: u32 = 28;
/** The first block of edges (edges.ts). The host writes 1 to have them kept; 0: they are not. */
export const SC_EDGES: u32 = 29;
/** Told: where the tables of symmetry.ts are; 0: states are never renamed. */
export const SC_SYMMETRY: u32 = 30;
/** The invariant that is broken there. */
export const SC_FOUND_INVARIANT: u32 = 31;
export const SC_WORDS: u32 = 32;

let control: usize = 0;

export function useControl(at: usize): void {
  control = at;
}

// @ts-ignore: decorator
@inline
export function told(word: u32): u32 {
  return load<u32>(control + (<usize>word << 2));
}

// @ts-ignore: decorator
@inline
export function tell(word: u32, value: u32): void {
  store<u32>(control + (<usize>word << 2), value);
}

// @ts-ignore: decorator
@inline
export function countDown(word: u32): void {
  const at = control + (<usize>word << 2);
  store<u64>(at, load<u64>(at) - 1);
}

/** Counts one more in a u64. */
// @ts-ignore: decorator
@inline
export function countUp(word: u32): void {
  const at = control + (<usize>word << 2);
  store<u64>(at, load<u64>(at) + 1);
}
