/*
 * Words of records and page tables that a transition of a search wrote: {u32 count, u32 addresses ...}. A longer list than there is room for
 * counts as everything.
 */

const WROTE: usize = 18432;
export const WROTE_MOST: u32 = 63;

// @ts-ignore: decorator
@inline
export function noteWrote(address: usize): void {
  const n = load<u32>(WROTE);
  if (n < WROTE_MOST) store<u32>(WROTE + 4 + (<usize>n << 2), <u32>address);
  store<u32>(WROTE, n + 1);
}

/** From now on everything counts as written. */
export function noteAllWritten(): void {
  store<u32>(WROTE, WROTE_MOST + 1);
}

/** How many; more than WROTE_MOST when some are missing. */
// @ts-ignore: decorator
@inline
export function wroteCount(): u32 {
  return load<u32>(WROTE);
}

// @ts-ignore: decorator
@inline
export function wroteAt(index: u32): usize {
  return <usize>load<u32>(WROTE + 4 + (<usize>index << 2));
}

// @ts-ignore: decorator
@inline
export function forgetWrote(): void {
  store<u32>(WROTE, 0);
}
