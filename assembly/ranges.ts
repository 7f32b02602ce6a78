/*
 * Two look-up structures of a kernel whose inner steps no mechanism here argues about, each access one step: a map from page ranges to
 * words, one per mm (Linux: the maple tree of VMAs), and a table from keys to words (Linux: the page cache's xarray).
 *
 * A map is {count u64} and `count` entries {start, end, value}, sorted, disjoint, equal neighbours merged. The table is open addressing with
 * linear probing, {key + 1, value}; deletion shifts back, so equal contents are found in equal time.
 */
import { CFG_CACHE, CFG_RANGES, config } from "./config";
import { pageCache, ranges, rangesStride } from "./layout";
import { panic, TRAP_CACHE_FULL, TRAP_RANGES_FULL } from "./trap";
import { RANGE_BYTES } from "./meta";

export let foundStart: u64 = 0;
export let foundEnd: u64 = 0;

/** Address of a map: what is charged for, and waited on, when it is read or written. */
export function mapOf(mm: u32): usize {
  return ranges + <usize>mm * rangesStride;
}

// @ts-ignore: decorator
@inline
function entryAt(map: usize, index: u32): usize {
  return map + 8 + <usize>index * RANGE_BYTES;
}

/** Index of the first range that ends after `vpn`. */
function lowerBound(map: usize, vpn: u64): u32 {
  let low: u32 = 0;
  let high = <u32>load<u64>(map);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<u64>(entryAt(map, middle), 8) > vpn) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Value of the first range that ends after `vpn`, its bounds in foundStart and foundEnd; all 0 when there is none. */
export function findRange(mm: u32, vpn: u64): u64 {
  const map = mapOf(mm);
  const index = lowerBound(map, vpn);
  if (<u64>index >= load<u64>(map)) {
    foundStart = 0;
    foundEnd = 0;
    return 0;
  }
  const at = entryAt(map, index);
  foundStart = load<u64>(at);
  foundEnd = load<u64>(at, 8);
  return load<u64>(at, 16);
}

function put(map: usize, index: u32, start: u64, end: u64, value: u64): void {
  assert(start < end && value != 0);
  assert(index == 0 || load<u64>(entryAt(map, index - 1), 8) <= start); // sorted, disjoint
  const at = entryAt(map, index);
  store<u64>(at, start);
  store<u64>(at, end, 8);
  store<u64>(at, value, 16);
}

/** Opens or closes room so that `old` entries from `index` become `fresh` ones. */
function resize(map: usize, index: u32, old: u32, fresh: u32): void {
  const count = <u32>load<u64>(map);
  const next = count - old + fresh;
  if (next > config(CFG_RANGES)) panic(TRAP_RANGES_FULL, config(CFG_RANGES));
  memory.copy(entryAt(map, index + fresh), entryAt(map, index + old), <usize>(count - index - old) * RANGE_BYTES);
  if (next < count) memory.fill(entryAt(map, next), 0, <usize>(count - next) * RANGE_BYTES);
  store<u64>(map, next);
}

function merge(map: usize, index: u32): void {
  const count = <u32>load<u64>(map);
  if (index + 1 >= count) return;
  const a = entryAt(map, index);
  const b = entryAt(map, index + 1);
  if (load<u64>(a, 8) != load<u64>(b) || load<u64>(a, 16) != load<u64>(b, 16)) return;
  store<u64>(a, load<u64>(b, 8), 8);
  resize(map, index + 1, 1, 0);
}

/** Gives [start, end) one value; 0 erases. Ranges that stick out on either side keep their rest. */
export function setRange(mm: u32, start: u64, end: u64, value: u64): void {
  if (start >= end) return;
  const map = mapOf(mm);
  const index = lowerBound(map, start);
  const count = <u32>load<u64>(map);
  let last = index;
  while (last < count && load<u64>(entryAt(map, last)) < end) last++;
  let headStart: u64 = 0;
  let headValue: u64 = 0;
  let tailEnd: u64 = 0;
  let tailValue: u64 = 0;
  if (last > index) {
    const first = entryAt(map, index);
    const final = entryAt(map, last - 1);
    if (load<u64>(first) < start) {
      headStart = load<u64>(first);
      headValue = load<u64>(first, 16);
    }
    if (load<u64>(final, 8) > end) {
      tailEnd = load<u64>(final, 8);
      tailValue = load<u64>(final, 16);
    }
  }
  const fresh: u32 = (headValue != 0 ? 1 : 0) + (value != 0 ? 1 : 0) + (tailValue != 0 ? 1 : 0);
  resize(map, index, last - index, fresh);
  let i = index;
  if (headValue != 0) put(map, i++, headStart, start, headValue);
  if (value != 0) put(map, i++, start, end, value);
  if (tailValue != 0) put(map, i, end, tailEnd, tailValue);
  for (let j = index + fresh; j > 0 && j >= index; j--) merge(map, j - 1);
}

// @ts-ignore: decorator
@inline
function home(key: u64): u32 {
  return <u32>((key * 0x9e3779b97f4a7c15) >> 32) & (config(CFG_CACHE) - 1);
}

/** Address of the key's slot, or of the empty slot where it would go. */
export function cacheSlot(key: u64): usize {
  const mask = config(CFG_CACHE) - 1;
  let i = home(key);
  for (let n: u32 = 0; n <= mask; n++) {
    const at = pageCache + (<usize>i << 4);
    const k = load<u64>(at);
    if (k == 0 || k == key + 1) return at;
    i = (i + 1) & mask;
  }
  panic(TRAP_CACHE_FULL, mask + 1);
  return 0;
}

export function cacheLoad(key: u64): u64 {
  const at = cacheSlot(key);
  return load<u64>(at) == 0 ? 0 : load<u64>(at, 8);
}

export function cacheStore(key: u64, value: u64): void {
  const at = cacheSlot(key);
  if (value != 0) {
    store<u64>(at, key + 1);
    store<u64>(at, value, 8);
    return;
  }
  if (load<u64>(at) == 0) return;
  const mask = config(CFG_CACHE) - 1;
  let hole = <u32>((at - pageCache) >> 4);
  let i = hole;
  for (;;) {
    i = (i + 1) & mask;
    const from = pageCache + (<usize>i << 4);
    const k = load<u64>(from);
    if (k == 0) break;
    // An entry may move back only if its home does not lie between the hole and itself.
    if (((i - home(k - 1)) & mask) < ((i - hole) & mask)) continue;
    memory.copy(pageCache + (<usize>hole << 4), from, 16);
    hole = i;
  }
  memory.fill(pageCache + (<usize>hole << 4), 0, 16);
}
