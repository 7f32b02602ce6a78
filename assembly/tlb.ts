/*
 * Translation: look up, fill, invalidate. What hardware does, and nothing that a kernel does.
 *
 * An access looks into the first-level arrays for 4K, 2M and 1G pages, then the second level, then walks. A hit makes the entry the most
 * recently used of the array that hit; a second-level hit also fills the first level. An access that its entry does not allow
 * faults; a fault drops all that the CPU had cached of the page, so that a retry walks (Intel SDM vol. 3A, 4.10.4.1).
 */
import {
  drop, find, frameOf, insert, KEY_GLOBAL, KEY_WATCH, keyOf, NO_SLOT, occupied, ofRoot, PAY_DIRTY, PAY_EXEC, PAY_WRITE, pageOf, pcidOf,
  rootOf, setOf, touch,
} from "./assoc";
import { CFG_STRUCTURE_OF, config, PWC_PDE, STLB1G } from "./config";
import { isHolder, rootLoaded } from "./holders";
import { FAULT_PRESENT, KIND_FETCH, KIND_LOAD, PTE_G } from "./isa";
import { clk, entryAt, frameWordAt, hw } from "./addresses";
import { cpus, radixBits, slots } from "./layout";
import { CK_HINTS, CK_STAMPS, ENTRY_PAYLOAD, HINT_BYTES, HW_PCID, HW_ROOT } from "./offsets";
import { filledOdd } from "./copies";
import { accessed, inherit } from "./oracle";
import { price, PRICE_ASSIST, PRICE_STLB_HIT } from "./prices";
import { tally, TLB_L1_HITS, TLB_STLB_HITS } from "./stats";
import { assistDirty, faultBits, payloadOf, walk, walkCycles, walkFault, walkLevel, walkPte } from "./walk";
import { FW_LIVE, FW_WATCHED } from "./meta";

const DATA: u32 = 0;
const CODE: u32 = 1;
const SECOND: u32 = 2;

/** Cycles of the last translation beyond a first-level hit, and how many of them are a walk's. */
export let extraCycles: u32 = 0;
export let extraWalkCycles: u32 = 0;
/** Whether any page larger than 4K, or any global page, was ever filled; most runs never look for them. Fixed addresses, for all instances that share the memory. */
export const HUGE_FILLED: usize = 16424;
export const GLOBAL_FILLED: usize = 16428;

// @ts-ignore: decorator
@inline
function structureOf(family: u32, size: u32): u32 {
  return config(CFG_STRUCTURE_OF + family * 3 + size);
}

/** Slot of the page that holds `vpn` at a size, marked or not, of this PCID or global. */
function probe(cpu: u32, family: u32, vpn: u64, size: u32): u32 {
  const structure = structureOf(family, size);
  const page = vpn >> <u64>(radixBits * size);
  const key = keyOf(page, load<u32>(hw(cpu), HW_PCID), size);
  const slot = find(cpu, structure, key);
  if (slot != NO_SLOT || load<u32>(GLOBAL_FILLED) == 0) return slot;
  return find(cpu, structure, keyOf(page, 0, size) | KEY_GLOBAL);
}

function probeAll(cpu: u32, family: u32, vpn: u64): u32 {
  const slot = probe(cpu, family, vpn, 0);
  if (slot != NO_SLOT || load<u32>(HUGE_FILLED) == 0) return slot;
  const huge = probe(cpu, family, vpn, 1);
  return huge != NO_SLOT ? huge : probe(cpu, family, vpn, 2);
}

/** Remembers where a 4K page sits in the first level, so that the next access to it needs no search. */
// @ts-ignore: decorator
@inline
function hint(cpu: u32, vpn: u64, family: u32, slot: u32): void {
  const k = clk(cpu);
  const way: u32 = load<u8>(k + CK_STAMPS + (<usize>slot << 2));
  store<u32>(k + CK_HINTS + <usize>family * HINT_BYTES + ((<usize>vpn & 255) << 2), slot | (way << 16));
}

/** Drops every entry of this PCID, and every global one, that translates `vpn`. Returns whether there was one. */
export function dropPage(cpu: u32, vpn: u64): bool {
  const c = hw(cpu);
  let dropped = false;
  for (let size: u32 = 0; size < 3; size++) {
    if (size != 0 && load<u32>(HUGE_FILLED) == 0) break;
    for (let family: u32 = 0; family < 3; family++) {
      // Twice: a page may be there both as this PCID's and as a global one.
      for (let slot = probe(cpu, family, vpn, size); slot != NO_SLOT; slot = probe(cpu, family, vpn, size)) {
        drop(cpu, slot);
        dropped = true;
      }
    }
  }
  return dropped;
}

/** Puts the result of the last walk into both levels; returns the first-level slot. */
function fill(cpu: u32, vpn: u64, family: u32): u32 {
  const c = hw(cpu);
  const size = walkLevel;
  const page = vpn >> <u64>(radixBits * size);
  const isGlobal = (walkPte & PTE_G) != 0;
  const key = isGlobal ? keyOf(page, 0, size) | KEY_GLOBAL : keyOf(page, load<u32>(c, HW_PCID), size);
  const root = load<u32>(c, HW_ROOT);
  const payload = payloadOf(walkPte) | ofRoot(root);
  const word = load<u32>(frameWordAt(frameOf(payload)));
  if (size != 0) store<u32>(HUGE_FILLED, 1);
  if (isGlobal) store<u32>(GLOBAL_FILLED, 1);
  const second = insert(cpu, structureOf(SECOND, size), key, payload);
  const first = insert(cpu, structureOf(family, size), key, payload);
  if ((word & (FW_LIVE | FW_WATCHED)) != FW_LIVE) {
    if (second != NO_SLOT) filledOdd(cpu, second, root, vpn, payload, word);
    filledOdd(cpu, first, root, vpn, payload, word);
  }
  return first;
}

/** Sets D in every copy of the entry. */
function setDirty(cpu: u32, vpn: u64): void {
  const c = hw(cpu);
  for (let size: u32 = 0; size < 3; size++) {
    if (size != 0 && load<u32>(HUGE_FILLED) == 0) return;
    for (let family: u32 = 0; family < 3; family++) {
      const slot = probe(cpu, family, vpn, size);
      if (slot == NO_SLOT) continue;
      const at = entryAt(c, slot);
      const payload = load<u64>(at, ENTRY_PAYLOAD);
      if ((payload & PAY_WRITE) != 0) store<u64>(at, payload | PAY_DIRTY, ENTRY_PAYLOAD);
    }
  }
}

/** Finds or fills a first-level slot for the access; NO_SLOT after a fault, which is in walkFault. */
function locate(cpu: u32, vpn: u64, kind: u32, family: u32): u32 {
  const c = hw(cpu);
  let slot = probeAll(cpu, family, vpn);
  if (slot != NO_SLOT) {
    tally(cpu, TLB_L1_HITS, 1);
    touch(clk(cpu), slot);
    return slot;
  }
  const second = probeAll(cpu, SECOND, vpn);
  if (second != NO_SLOT) {
    tally(cpu, TLB_STLB_HITS, 1);
    touch(clk(cpu), second);
    extraCycles += price(PRICE_STLB_HIT);
    const at = entryAt(c, second);
    const key = load<u64>(at) & ~KEY_WATCH;
    slot = insert(cpu, structureOf(family, <u32>(key >> 1) & 3), key, load<u64>(at, ENTRY_PAYLOAD));
    if ((load<u64>(at) & KEY_WATCH) != 0) inherit(cpu, second, slot);
    return slot;
  }
  walk(cpu, vpn, kind);
  extraCycles += walkCycles;
  extraWalkCycles += walkCycles;
  if (walkFault != 0) return NO_SLOT;
  return fill(cpu, vpn, family);
}

/**
 * One access in user mode. Returns 0 when it succeeds, else the error code of the fault with bit 31 set. Cycles beyond a first-level
 * hit are in extraCycles.
 */
export function access(cpu: u32, vpn: u64, kind: u32): u32 {
  const fault = tryAccess(cpu, vpn, kind);
  if (fault != 0) {
    dropPage(cpu, vpn);
    dropPath(cpu, vpn);
  }
  return fault;
}

/** What a page fault drops besides translations: the paging-structure entries that a walk for the page would use (SDM 4.10.4.1). */
function dropPath(cpu: u32, vpn: u64): void {
  const c = hw(cpu);
  for (let level: u32 = 1; level < 4; level++) {
    const slot = find(cpu, PWC_PDE + level - 1, keyOf(vpn >> <u64>(radixBits * level), load<u32>(c, HW_PCID), 3));
    if (slot != NO_SLOT) drop(cpu, slot);
  }
}

function tryAccess(cpu: u32, vpn: u64, kind: u32): u32 {
  extraCycles = 0;
  extraWalkCycles = 0;
  const family: u32 = kind == KIND_FETCH ? CODE : DATA;
  const slot = locate(cpu, vpn, kind, family);
  if (slot == NO_SLOT) return walkFault;
  const at = entryAt(hw(cpu), slot);
  const payload = load<u64>(at, ENTRY_PAYLOAD);
  const isStore = (kind & 1) != 0;
  if ((isStore && (payload & PAY_WRITE) == 0) || (kind == KIND_FETCH && (payload & PAY_EXEC) == 0)) {
    return faultBits(kind) | FAULT_PRESENT | 0x80000000;
  }
  const setsDirty = isStore && (payload & PAY_DIRTY) == 0;
  if (setsDirty) {
    extraCycles += price(PRICE_ASSIST);
    const refused = assistDirty(cpu, vpn, frameOf(payload));
    if (refused != 0) return refused;
    setDirty(cpu, vpn);
  }
  const key = load<u64>(at);
  if ((key & KEY_WATCH) != 0) accessed(cpu, slot, vpn, kind, setsDirty);
  else if ((key & 6) == 0) hint(cpu, vpn, family, slot);
  return 0;
}

/** Whether an access would find all that it needs in an entry that the oracle does not watch: it changes nothing but the order of use. */
export function isPlainHit(cpu: u32, vpn: u64, kind: u32): bool {
  const slot = probe(cpu, kind == KIND_FETCH ? CODE : DATA, vpn, 0);
  if (slot == NO_SLOT) return false;
  const at = entryAt(hw(cpu), slot);
  const need = kind == KIND_FETCH ? PAY_EXEC : (kind & 1) != 0 ? PAY_WRITE | PAY_DIRTY : 0;
  return (load<u64>(at) & KEY_WATCH) == 0 && (need & ~load<u64>(at, ENTRY_PAYLOAD)) == 0;
}

/** Hardware's freedom: a walk and a fill without an access. Sets A, never D. Returns whether anything was filled. */
export function speculate(cpu: u32, vpn: u64): bool {
  const c = hw(cpu);
  if (load<u32>(c, HW_ROOT) == 0 || probeAll(cpu, DATA, vpn) != NO_SLOT || probeAll(cpu, SECOND, vpn) != NO_SLOT) return false;
  walk(cpu, vpn, KIND_LOAD);
  if (walkFault == 0) fill(cpu, vpn, DATA);
  return walkFault == 0;
}

function dropWhere(cpu: u32, first: u32, pcid: u32, everything: bool): void {
  const c = hw(cpu);
  for (let from = first; from < slots; from += 8) {
    for (let m = occupied(cpu, from); m != 0; m &= m - 1) {
      const slot = from + <u32>ctz(m);
      const key = load<u64>(entryAt(c, slot));
      if (everything || (pcidOf(key) == pcid && (key & KEY_GLOBAL) == 0)) drop(cpu, slot);
    }
  }
}

/** First slot of the paging-structure caches, which are numbered last. */
function firstWalkSlot(): u32 {
  return setOf(STLB1G + 1, 0);
}

/** INVLPG: the page's entries, and all paging-structure entries of the current PCID. */
export function invlpg(cpu: u32, vpn: u64): void {
  dropPage(cpu, vpn);
  dropWhere(cpu, firstWalkSlot(), load<u32>(hw(cpu), HW_PCID), false);
}

export function flushPcid(cpu: u32, pcid: u32): void {
  dropWhere(cpu, 0, pcid, false);
}

export function flushAll(cpu: u32): void {
  dropWhere(cpu, 0, 0, true);
}

/** MOV to CR3. */
export function loadRoot(cpu: u32, root: u32, pcid: u32, noFlush: bool): void {
  const c = hw(cpu);
  store<u32>(c, root, HW_ROOT);
  store<u32>(c, pcid, HW_PCID);
  rootLoaded(cpu, root, pcid, noFlush);
  if (!noFlush) flushPcid(cpu, pcid);
}

/** Whose translations an invalidation is about: those of a root (0: all that are not global), with this PCID if it is not NO_PCID. */
// @ts-ignore: decorator
@inline
export function spaceOf(root: u32, pcid: u32): u64 {
  return (<u64>(pcid + 1) << 32) | <u64>root;
}
export const NO_PCID: u32 = 0xffffffff;

/** Ideal coherence: no CPU holds a translation of the range, nor a way into its tables, any more. */
export function invalidateEverywhere(space: u64, start: u64, end: u64): void {
  for (let cpu: u32 = 0; cpu < cpus; cpu++) invalidateAt(cpu, space, start, end);
}

/** The same at one CPU. */
export function invalidateAt(cpu: u32, space: u64, start: u64, end: u64): void {
  if (<u32>space != 0 && !isHolder(<u32>space, cpu)) return;
  const c = hw(cpu);
  for (let from: u32 = 0; from < slots; from += 8) {
    for (let m = occupied(cpu, from); m != 0; m &= m - 1) {
      const slot = from + <u32>ctz(m);
      if (leadsInto(entryAt(c, slot), space, start, end)) drop(cpu, slot);
    }
  }
}

/** Whether the entry is a translation of the range, or any paging-structure entry. */
function leadsInto(at: usize, space: u64, start: u64, end: u64): bool {
  const key = load<u64>(at);
  const size = <u32>(key >> 1) & 3;
  const root = <u32>space;
  const pcid = <u32>(space >> 32);
  if ((pcid != 0 || root == 0) && (key & KEY_GLOBAL) != 0) return false;
  if (pcid != 0 && pcidOf(key) != pcid - 1) return false;
  if (size == 3) return true;
  if (root != 0 && rootOf(load<u64>(at, ENTRY_PAYLOAD)) != root) return false;
  const vpn = pageOf(key) << <u64>(radixBits * size);
  return vpn < end && vpn + (<u64>1 << <u64>(radixBits * size)) > start;
}

/** Hardware's freedom: any entry may go at any time. */
export function evict(cpu: u32, vpn: u64): bool {
  return dropPage(cpu, vpn);
}
