/** The bits of an x86-64 page-table entry (Intel SDM vol. 3A, 4.5), read from plain 64-bit words. */

export const PRESENT = 1n << 0n;
export const WRITE = 1n << 1n;
export const USER = 1n << 2n;
export const ACCESSED = 1n << 5n;
export const DIRTY = 1n << 6n;
export const PAGE_SIZE = 1n << 7n;
export const GLOBAL = 1n << 8n;
export const NO_EXECUTE = 1n << 63n;

export const LEVELS = 4;
export const ROOT_LEVEL = LEVELS - 1;
/** The highest level at which a leaf may stand: 2 is a 1G page. */
export const TOP_LEAF_LEVEL = 2;

export function has(pte: bigint, bit: bigint): boolean {
  return (pte & bit) !== 0n;
}

/** Bits 12..51: a frame in a leaf, a table number in any other entry. */
export function pfnOf(pte: bigint): number {
  return Number((pte >> 12n) & 0xffffffffffn);
}

/** Whether a word at this level is a leaf if it is present. At level 0 the size bit means something else. */
export function isLeafAt(pte: bigint, level: number): boolean {
  if (level === 0) return true;
  return level <= TOP_LEAF_LEVEL && has(pte, PAGE_SIZE);
}

/** Pages that one entry at this level covers. */
export function spanOf(level: number, radixBits: number): number {
  return 2 ** (radixBits * level);
}

/** Which entry of a table at this level decodes a page. */
export function indexAt(vpn: number, level: number, radixBits: number): number {
  return Math.floor(vpn / spanOf(level, radixBits)) % 2 ** radixBits;
}
