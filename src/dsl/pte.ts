/** A page-table entry as x86-64 and Linux lay it out. A mechanism may declare its own names for the same bits. */

import { bit, bits, struct } from "./shapes.js";

export const pte = struct("pte", {
  present: bit(0),
  write: bit(1),
  user: bit(2),
  accessed: bit(5),
  dirty: bit(6),
  /** The entry maps a large page. */
  large: bit(7),
  global: bit(8),
  /** Software: a NUMA hint; the hardware sees the entry as not present. */
  protnone: bit(9),
  uffdWp: bit(10),
  softDirty: bit(11),
  /** Frame number, or table number above the last level. */
  pfn: bits(12, 40),
  noExecute: bit(63),
});
export type Pte = typeof pte;
