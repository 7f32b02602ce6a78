/*
 * Our own bugs and exhausted limits. AssemblyScript has no exceptions: the code goes to a fixed address and the instance traps;
 * the host turns the code into a sentence (src/engine/trap.ts).
 */

/** Where {u32 code, u32 0, u64 detail} lies. */
export const TRAP_ADDRESS: usize = 16400;

export const TRAP_BAD_OP: u32 = 1;
export const TRAP_RANGES_FULL: u32 = 3;
export const TRAP_CACHE_FULL: u32 = 4;
export const TRAP_QUEUE_FULL: u32 = 5;
export const TRAP_DOUBLE_FREE: u32 = 6;
export const TRAP_BAD_FEED: u32 = 8;
export const TRAP_TIME_BACKWARDS: u32 = 9;
export const TRAP_BAD_TABLE: u32 = 10;
export const TRAP_RUNAWAY: u32 = 11;
export const TRAP_TLB_FULL: u32 = 12;
export const TRAP_SEARCH_LEAK: u32 = 13;

/** Ends the instance with a code and one number that explains it. */
export function panic(code: u32, detail: u64): void {
  store<u32>(TRAP_ADDRESS, code);
  store<u64>(TRAP_ADDRESS + 8, detail);
  unreachable();
}
