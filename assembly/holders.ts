/*
 * Which CPUs may hold translations: a superset that saves the oracle and ideal coherence from looking everywhere. It is never a kernel's
 * mm_cpumask, and no mechanism can see it. Rows of bits, one for each CPU:
 *
 *   of a root      CPUs that ever loaded it
 *   0              CPUs that ever used another root's way into a page table as their own, by a PCID that was not flushed
 *   of a region    CPUs whose paging-structure caches ever took in the way to the last table for it; regions share rows, by a hash
 *
 * Who holds a translation has been led to its table, so it is in its root's row, and in the region's or in row 0. A canonical world has
 * roots' rows alone, as the others tell what was done to a state.
 */
import { CFG_CANONICAL, CFG_TABLES, config } from "./config";
import { clk } from "./addresses";
import { holders, maskWords, radixBits, regionRows } from "./layout";
import { CK_ROOTS } from "./offsets";

const ODD: u32 = 0;
/** What a CPU loaded last is remembered by the low bits of the PCID. */
const ROOTS_MASK: u32 = 15;

// @ts-ignore: decorator
@inline
function wordOf(row: u32, word: u32): usize {
  return holders + ((<usize>row * <usize>maskWords + <usize>word) << 3);
}

/** Row of the pages whose tables are at `level` - 1, and that `page` is the number of at that level. */
// @ts-ignore: decorator
@inline
function regionOf(root: u32, level: u32, page: u64): u32 {
  const hash = ((page << 2) | <u64>level) * 0x9e3779b97f4a7c15 + <u64>root * 0xbf58476d1ce4e5b9;
  return config(CFG_TABLES) + (<u32>(hash >> 40) & (regionRows - 1));
}

// @ts-ignore: decorator
@inline
function insert(row: u32, cpu: u32): void {
  const at = wordOf(row, cpu >> 6);
  const bit = <u64>1 << <u64>(cpu & 63);
  // Walks of the bound phase come here, on any thread.
  if ((load<u64>(at) & bit) == 0) atomic.or<u64>(at, bit);
}

/** A paging-structure cache of `cpu` takes in the way to the table for `page` at `level`. */
// @ts-ignore: decorator
@inline
export function wayTaken(cpu: u32, root: u32, level: u32, page: u64): void {
  if (config(CFG_CANONICAL) == 0) insert(regionOf(root, level, page), cpu);
}

/** `cpu` loads `root` with a PCID. */
export function rootLoaded(cpu: u32, root: u32, pcid: u32, noFlush: bool): void {
  insert(root, cpu);
  if (config(CFG_CANONICAL) != 0) return;
  const at = clk(cpu) + CK_ROOTS + (<usize>(pcid & ROOTS_MASK) << 3);
  const loaded = (<u64>pcid << 32) | <u64>root;
  const before = load<u64>(at);
  if (noFlush && before != 0 && before != loaded) insert(ODD, cpu);
  store<u64>(at, loaded);
}

// @ts-ignore: decorator
@inline
export function isHolder(root: u32, cpu: u32): bool {
  return ((load<u64>(wordOf(root, cpu >> 6)) >> <u64>(cpu & 63)) & 1) != 0;
}

/** CPUs 64 * word and up that may hold a translation of `page`, a number of pages of `size`. */
// @ts-ignore: decorator
@inline
export function holdersOf(root: u32, page: u64, size: u32, word: u32): u64 {
  const all = load<u64>(wordOf(root, word));
  if (config(CFG_CANONICAL) != 0) return all;
  return all & (load<u64>(wordOf(regionOf(root, size + 1, page >> <u64>radixBits), word)) | load<u64>(wordOf(ODD, word)));
}
