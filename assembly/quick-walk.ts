/*
 * The walk of the hot loop (quick.ts): walk() and fill() of a 4K page whose page-table entries are all plain. It first looks where the walk
 * would lead, and what it would fill; only when nothing is odd, it does what hardware does, in hardware's order.
 */
import { firstOf, frameOf, PAY_EXEC, PAY_MASK, PAY_SHIFT, rootOf, structureAt, tagOf, victimOf, wayOf } from "./assoc";
import { PWC_PDE, PWC_PDPTE, PWC_PML4E } from "./config";
import { PTE_A, PTE_G, PTE_P, PTE_PS, PTE_U } from "./isa";
import { AT_FRAMES, AT_TABLES } from "./fixed";
import { wayTaken } from "./holders";
import { radixBits } from "./layout";
import { CK_RECORD, CK_REGIONS, CK_RUN, CK_STAMPS, ENTRY_PAYLOAD, ENTRY_BYTES, REGION_MASK } from "./offsets";
import { walkCost } from "./lines";
import { exists, tableOf } from "./walk";
import { isLiveTable } from "./tables";
import { FW_LIVE, FW_WATCHED } from "./meta";

// Offsets of what both files work on, within a clk block; the others are in quick.ts.
/** Time left. */
export const LEFT: usize = CK_RUN + 8;
/** What payloads have of the root. */
export const RUN_ROOT: usize = CK_RUN + 40;
/** Second-level hits, walks, reads of walks, packed: 21 + 21 + 22 bits. And the cycles of walks. */
export const RUN_COUNTS: usize = CK_RUN + 48;
export const RUN_WALKED: usize = CK_RUN + 56;
export const ONE_SECOND: u64 = 1;
export const ONE_WALK: u64 = 1 << 21;
export const ONE_READ: u64 = 1 << 42;

/** What the last walk found. */
export const WALK_PAYLOAD: usize = CK_RECORD + 16;
export const WALK_CYCLES: usize = CK_RECORD + 32;
export const WALK_READS: usize = CK_RECORD + 36;

/** No slot that could be told by its tag alone. */
const ODD: u32 = 0xffffffff;
const NONE: u32 = 0xfffffffe;

/** First slot of the page's set; `ways` is not 0 only where sets are known to be a power of two. */
// @ts-ignore: decorator
@inline
export function firstIn(d: usize, page: u64, ways: u32): u32 {
  return ways == 0 ? firstOf(d, page) : load<u32>(d) + (<u32>page & load<u32>(d, 12)) * ways;
}

// @ts-ignore: decorator
@inline
export function put(k: usize, entries: usize, tags: usize, slot: u32, way: u32, tick: u32, key: u64, tag: u32, payload: u64): void {
  const at = entries + <usize>slot * ENTRY_BYTES;
  store<u64>(at, key);
  store<u64>(at, payload, ENTRY_PAYLOAD);
  store<u16>(tags + (<usize>slot << 1), <u16>tag);
  store<u32>(k + (<usize>slot << 2), tick | way, CK_STAMPS);
}

// @ts-ignore: decorator
@inline
function entryOf(table: u32, page: u64, radix: u32): usize {
  return <usize>load<u32>(AT_TABLES) + (<usize>table << (radix + 3)) + (<usize>(<u32>page & ((1 << radix) - 1)) << 3);
}

// @ts-ignore: decorator
@inline
function keyIn(key4k: u64, page: u64): u64 {
  return (page << 15) | (key4k & 0x7ff8) | 7;
}

/** Slot of the paging-structure entry for `page`; NONE, or ODD when that cannot be told from the tags alone. */
// @ts-ignore: decorator
@inline
function upperSlot(entries: usize, tags: usize, structure: u32, page: u64, key4k: u64, known: u32): u32 {
  const d = structureAt(structure);
  const ways = known != 0 ? known : load<u32>(d, 8);
  if (ways > 16) return ODD;
  const key = keyIn(key4k, page);
  const first = firstIn(d, page, known);
  const way = wayOf(tags + (<usize>first << 1), ways, tagOf(key));
  if (way >= ways) return NONE;
  return load<u64>(entries + <usize>(first + way) * ENTRY_BYTES) == key ? first + way : ODD;
}

// @ts-ignore: decorator
@inline
function tableIn(entries: usize, slot: u32): u32 {
  return frameOf(load<u64>(entries + <usize>slot * ENTRY_BYTES, ENTRY_PAYLOAD));
}

/** The table that the upper entry at `at` names; 0 when there is anything odd about it. */
// @ts-ignore: decorator
@inline
function next(at: usize): u32 {
  const pte = load<u64>(at);
  const table = tableOf(pte);
  return (pte & (PTE_P | PTE_PS)) == PTE_P && exists(table) && isLiveTable(table) ? table : 0;
}

// @ts-ignore: decorator
@inline
function use(k: usize, slot: u32, tick: u32): void {
  const at = k + (<usize>slot << 2);
  store<u32>(at, tick | <u32>load<u8>(at, CK_STAMPS), CK_STAMPS);
}

/** A walk without a PDE entry uses the one above that helps, and fills those between. Returns what reading the tables for them takes. */
// @ts-ignore: decorator
@inline
function uppers(
  cpu: u32, k: usize, entries: usize, tags: usize, page: u64, key: u64, tick: u32, upper: u32, top: u32, at2: usize, at3: usize, w4: u32, radix: u32,
): u32 {
  if (at2 == 0) {
    use(k, upper, tick);
    return 0;
  }
  let cycles: u32 = 0;
  const page2 = page >> <u64>radix;
  if (at3 == 0) {
    use(k, top, tick);
  } else {
    cycles = walkCost(cpu, k, at3);
    fillUpper(cpu, k, entries, tags, PWC_PML4E, page2 >> <u64>radix, key, tick, tableOf(load<u64>(at3)), w4);
  }
  cycles += walkCost(cpu, k, at2);
  fillUpper(cpu, k, entries, tags, PWC_PDPTE, page2, key, tick, tableOf(load<u64>(at2)), w4);
  return cycles;
}

/**
 * Walks. What a fill would hold is in WALK_PAYLOAD afterwards. Returns false, with nothing changed, when anything is odd.
 * The deepest paging-structure entry that is there is used, the ones below it are filled, from the root down.
 */
// @ts-ignore: decorator
@inline
export function quickWalk(
  cpu: u32, k: usize, entries: usize, tags: usize, vpn: u64, key: u64, need: u64, tick: u32, w3: u32, w4: u32, w0: u32,
): bool {
  const radix = w0 != 0 ? w0 : radixBits;
  const page = vpn >> <u64>radix;
  // As with pages: a hint first, proved by its key. A search takes long, and nothing else goes on meanwhile.
  const hint = k + (<usize>(page & REGION_MASK) << 2);
  let known = load<u32>(hint, CK_REGIONS);
  if (load<u64>(entries + <usize>known * ENTRY_BYTES) != keyIn(key, page)) known = upperSlot(entries, tags, PWC_PDE, page, key, w3);
  if (known == ODD) return false;
  let upper: u32 = 0;
  let top: u32 = 0;
  let at1: usize = 0;
  let at2: usize = 0;
  let at3: usize = 0;
  let table: u32;
  if (known != NONE) {
    table = tableIn(entries, known);
  } else {
    const page2 = page >> <u64>radix;
    upper = upperSlot(entries, tags, PWC_PDPTE, page2, key, w4);
    if (upper == ODD) return false;
    if (upper == NONE) {
      const page3 = page2 >> <u64>radix;
      top = upperSlot(entries, tags, PWC_PML4E, page3, key, w4);
      if (top == ODD) return false;
      if (top == NONE) {
        const root = rootOf(load<u64>(k, RUN_ROOT));
        if (!isLiveTable(root)) return false;
        at3 = entryOf(root, page3, radix);
        table = next(at3);
      } else {
        table = tableIn(entries, top);
      }
      at2 = entryOf(table, page2, radix);
      table = table != 0 ? next(at2) : 0;
    } else {
      table = tableIn(entries, upper);
    }
    at1 = entryOf(table, page, radix);
    table = table != 0 ? next(at1) : 0;
    if (table == 0) return false;
  }
  const at = entryOf(table, vpn, radix);
  const pte = load<u64>(at);
  if ((pte & (PTE_P | PTE_U | PTE_A | PTE_G)) != (PTE_P | PTE_U | PTE_A)) return false;
  const payload = (pte & PAY_MASK) ^ PAY_EXEC;
  const word = load<u32>(<usize>load<u32>(AT_FRAMES) + (<usize>frameOf(payload) << 2));
  if ((need & ~payload) != 0 || (word & (FW_LIVE | FW_WATCHED)) != FW_LIVE) return false;
  // Nothing can stop it any more.
  let cycles: u32 = 0;
  let reads: u64 = 1;
  if (known != NONE) {
    use(k, known, tick);
  } else {
    reads = at3 != 0 ? 4 : at2 != 0 ? 3 : 2;
    cycles = uppers(cpu, k, entries, tags, page, key, tick, upper, top, at2, at3, w4, radix);
    cycles += walkCost(cpu, k, at1);
    known = fillUpper(cpu, k, entries, tags, PWC_PDE, page, key, tick, table, w3);
  }
  store<u32>(hint, known, CK_REGIONS);
  cycles += walkCost(cpu, k, at);
  store<u64>(k, payload | load<u64>(k, RUN_ROOT), WALK_PAYLOAD);
  store<u32>(k, cycles, WALK_CYCLES);
  store<u32>(k, <u32>reads, WALK_READS);
  store<u64>(k, load<u64>(k, RUN_COUNTS) + ONE_WALK + reads * ONE_READ, RUN_COUNTS);
  store<u64>(k, load<u64>(k, RUN_WALKED) + <u64>cycles, RUN_WALKED);
  return true;
}

// @ts-ignore: decorator
@inline
function fillUpper(
  cpu: u32, k: usize, entries: usize, tags: usize, structure: u32, page: u64, key4k: u64, tick: u32, table: u32, known: u32,
): u32 {
  const d = structureAt(structure);
  const first = firstIn(d, page, known);
  const way = victimOf(k + CK_STAMPS + (<usize>first << 2), known != 0 ? known : load<u32>(d, 8));
  const key = keyIn(key4k, page);
  put(k, entries, tags, first + way, way, tick, key, tagOf(key), <u64>table << PAY_SHIFT);
  wayTaken(cpu, rootOf(load<u64>(k, RUN_ROOT)), structure - PWC_PDE + 1, page);
  return first + way;
}
