/** Bits of prot, as in mmap(2). */
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;

/**
 * A mapping as one 64-bit word, as the kernel entries take it.
 *
 *   bit 0 exists | 1 R | 2 W | 3 X | 4 shared | 5 file | 6, 7 tracking (0 here) | 8..19 file id
 *   20..63 (page offset in the file - page number) modulo 2^44, so that the word stays true when the range is split
 */
export type VmaWord = bigint;

const exists = 1n;
const rightsShift = 1n;
const rightsMask = 7n << rightsShift;
const shared = 1n << 4n;
const file = 1n << 5n;
const fileShift = 8n;
const fileMask = 0xfffn;
const offsetShift = 20n;
const offsetMask = (1n << 44n) - 1n;
const allRights = PROT_READ | PROT_WRITE | PROT_EXEC;

/** The image of the program, its loader and its stack: mapped before the recording began, with rights unknown. */
export const imageWord: VmaWord = privateWord(allRights);

/** The same, taken for the pages of one file, each in its own place. */
export const fileImageWord: VmaWord = fileWord(allRights, false, 0xfff, 0, 0);

/** Private memory without a file: words of neighbours are equal, as Linux would merge them. */
export function privateWord(prot: number): VmaWord {
  return exists | (BigInt(rightsOf(prot)) << rightsShift);
}

/** Memory of a file, its first page at page `start`; fileId is cut to 12 bits. */
export function fileWord(
  prot: number,
  isShared: boolean,
  fileId: number,
  offset: number,
  start: number,
): VmaWord {
  const place = (BigInt(offset) - BigInt(start)) & offsetMask;
  const id = BigInt(fileId) & fileMask;
  return privateWord(prot) | (isShared ? shared : 0n) | file | (id << fileShift) | (place << offsetShift);
}

/** Shared memory without a file: pages are found by id and place as those of a file, and nobody hears of their first write. */
export function sharedWord(prot: number, id: number, start: number): VmaWord {
  return fileWord(prot, true, id, 0, start) & ~file;
}

export function withRights(word: VmaWord, prot: number): VmaWord {
  return (word & ~rightsMask) | (BigInt(rightsOf(prot)) << rightsShift);
}

/** The same mapping `pages` further up. */
export function moved(word: VmaWord, pages: number): VmaWord {
  if ((word & (file | shared)) === 0n) return word;
  const place = ((word >> offsetShift) - BigInt(pages)) & offsetMask;
  return (word & ((1n << offsetShift) - 1n)) | (place << offsetShift);
}

/** The same private mapping, with large pages wanted: where a file would have its id stands the size. */
export function withHuge(word: VmaWord, size: "2M" | "1G"): VmaWord {
  return word | ((size === "2M" ? 1n : 3n) << fileShift);
}

/** The same mapping, watched by a userfaultfd for writes. */
export function watchedForWrites(word: VmaWord): VmaWord {
  return word | (1n << 6n);
}

export function isAccessible(word: VmaWord): boolean {
  return (word & rightsMask) !== 0n;
}

export function isWritable(word: VmaWord): boolean {
  return (word & (BigInt(PROT_WRITE) << rightsShift)) !== 0n;
}

/** What can be written or executed can be read on x86 (access_error() asks for no more). */
export function rightsOf(prot: number): number {
  const rights = prot & allRights;
  return rights === 0 ? 0 : rights | PROT_READ;
}
