/*
 * The oracle: what the owner of the memory is entitled to see, whatever the mechanism. It watches page-table writes, promises, frees,
 * copies and accesses, and knows no mechanism.
 *
 * It costs the fast path nothing: when a page-table entry loses a right, the translations that still grant it, on every CPU that ever
 * loaded the root, are marked (marks.ts); a marked key does not match on the fast path, and the slow path asks here.
 *
 * `made` of a slot is the site that made it stale, `broken` the site that promised (a call's return) or freed although it was.
 */
import { holdersOf, isHolder } from "./holders";
import { CFG_CANONICAL, CFG_FRAMES, CFG_ORACLE, CFG_STRUCTURE_OF, config } from "./config";
import { frameOf, KEY_WATCH, occupied, PAY_DIRTY, PAY_EXEC, PAY_WRITE, pageOf, rootOf, setOf, waysOf } from "./assoc";
import { entryAt, frameMetaOf, frameWordAt, hw, pteAddress, st, tableMetaOf } from "./addresses";
import { cpus, maskWords, pools, radixBits, radixMask, slots, stBroken, stMade, tablePages } from "./layout";
import { ENTRY_PAYLOAD, HW_MARKS, HW_ROOT } from "./offsets";
import {
  FM_COPY_FROM, FM_COPY_OF, FM_MAPPED, NO_SITE, TM_BASE, TM_LEVEL, TM_LIVE, TM_ROOT, SITE_FREED, SITE_JUDGED, FW_GENERATION_SHIFT, FW_LIVE,
  POOL_CLEANED,
} from "./meta";
import { KIND_FETCH, PFN_MASK, PFN_SHIFT, PTE_D, PTE_NX, PTE_P, PTE_PS, PTE_W, PTE_PEND_D } from "./isa";
import {
  ALL, COPIED, DIRTY, EXEC, FREED, generationOf, GONE_SHIFT, JUDGED, markOf, READ, rememberGeneration, setGeneration, setMark, WRITE,
} from "./marks";
import { becameStale, excused, inheritOrder, noLongerStale, isKernelRunning } from "./order";
import { closeCopy, endCopy, markCopied, noteLost } from "./copies";
import { LOST_WRITE, STALE_FRAME, STALE_RIGHT, report, LOST_DIRTY, SPLIT_VIEW, frameSiteAt } from "./report";
import { entrySeen, recordDirty } from "./dirt";
import { tableAt } from "./tables";
import { exists } from "./walk";

// @ts-ignore: decorator
@inline
export function pfnOf(pte: u64): u32 {
  return <u32>((pte >> PFN_SHIFT) & PFN_MASK);
}

/** What a translation grants beyond its page-table entry. */
function staleRights(payload: u64, pte: u64): u32 {
  if ((pte & PTE_P) == 0 || pfnOf(pte) != frameOf(payload)) return ALL;
  let stale: u32 = (payload & PAY_DIRTY) != 0 && (pte & PTE_D) == 0 ? DIRTY : 0;
  if ((payload & PAY_WRITE) != 0 && (pte & PTE_W) == 0) stale |= WRITE;
  if ((payload & PAY_EXEC) != 0 && (pte & PTE_NX) != 0) stale |= EXEC;
  return stale;
}

function compare(maker: u32, cpu: u32, slot: u32, pte: u64, site: u32): void {
  const stale = staleRights(load<u64>(entryAt(hw(cpu), slot), ENTRY_PAYLOAD), pte);
  const mark = markOf(cpu, slot);
  if (stale == (mark & ALL)) return;
  let freed = mark & FREED;
  if ((mark & ~stale & READ) != 0) {
    // Mapped again: as good as filled now, whoever had the frame in between.
    const c = hw(cpu);
    rememberGeneration(c, slot);
    freed = (load<u32>(frameWordAt(frameOf(load<u64>(entryAt(c, slot), ENTRY_PAYLOAD)))) & FW_LIVE) == 0 ? FREED : 0;
  }
  // A right that is granted again is no longer owed: its promise goes with it.
  const kept = (mark & (COPIED | JUDGED | (stale << GONE_SHIFT))) | freed;
  setMark(cpu, slot, kept | stale);
  const newly = stale & ~mark;
  if (newly != 0) becameStale(maker, cpu, slot, newly);
  if ((mark & ~stale & ALL) != 0) noLongerStale(cpu, slot, mark & ~stale & ALL);
  store<u32>(st(cpu) + stMade + (<usize>slot << 2), site);
}

/** Hardware set D in `pte`: a translation of the same frame has the right to store without setting it again. */
function dirtied(cpu: u32, slot: u32, pte: u64): void {
  const mark = markOf(cpu, slot);
  if ((mark & (READ | DIRTY)) != DIRTY || pfnOf(pte) != frameOf(load<u64>(entryAt(hw(cpu), slot), ENTRY_PAYLOAD))) return;
  setMark(cpu, slot, mark & ~(DIRTY | (DIRTY << GONE_SHIFT)));
  noLongerStale(cpu, slot, DIRTY);
}

/** Looks at every slot of `cpu` that translates `page` of `size` under `root`: what = 0 compare with pte, 1 mark copied, 2 there is none, 3 D was set. */
export function visit(maker: u32, cpu: u32, root: u32, page: u64, size: u32, what: u32, value: u64, site: u32): void {
  const c = hw(cpu);
  for (let family: u32 = 0; family < 3; family++) {
    const structure = config(CFG_STRUCTURE_OF + family * 3 + size);
    const first = setOf(structure, page);
    const end = first + waysOf(structure);
    for (let slot = first; slot < end; slot++) {
      const key = load<u64>(entryAt(c, slot));
      if (key == 0 || pageOf(key) != page || (<u32>(key >> 1) & 3) != size) continue;
      if (rootOf(load<u64>(entryAt(c, slot), ENTRY_PAYLOAD)) != root) continue;
      assert(what != 2); // a holder that holders.ts missed
      if (what == 0) compare(maker, cpu, slot, value, site);
      else if (what == 3) dirtied(cpu, slot, value);
      else markCopied(cpu, slot, <u32>value);
    }
  }
}

/** A page-table entry changed from `old` to `value` by the micro-op at `site`, run by `cpu`. */
export function pteChanged(cpu: u32, address: usize, old: u64, value: u64, site: u32): void {
  entrySeen(address);
  const table = tableAt(address);
  const meta = tableMetaOf(table);
  if (old == value || load<u32>(meta, TM_LIVE) == 0) return;
  const level = load<u32>(meta, TM_LEVEL);
  const wasLeaf = (old & PTE_P) != 0 && (level == 0 || (old & PTE_PS) != 0);
  const isLeaf = (value & PTE_P) != 0 && (level == 0 || (value & PTE_PS) != 0);
  if (!wasLeaf && !isLeaf) return;
  if (wasLeaf) addMapped(pfnOf(old), -1);
  if (isLeaf) addMapped(pfnOf(value), 1);
  if (!config(CFG_ORACLE)) return;
  const root = load<u32>(meta, TM_ROOT);
  const index = <u64>(((address - tablePages) >> 3) & <usize>radixMask);
  const vpn = load<u64>(meta, TM_BASE) + (index << <u64>(radixBits * level));
  // Each frame of a large page may be a copy of its own.
  if (isLeaf) closeCopies(root, vpn, pfnOf(value), 1 << (radixBits * level), site);
  const now = isLeaf ? value : 0;
  visitAll(cpu, root, vpn >> <u64>(radixBits * level), level, 0, now, site);
}

/** visit() for every CPU that may have the page. */
export function visitAll(maker: u32, root: u32, page: u64, size: u32, what: u32, value: u64, site: u32): void {
  for (let word: u32 = 0; word < maskWords; word++) {
    const bits = holdersOf(root, page, size, word);
    for (let m = bits; m != 0; m &= m - 1) visit(maker, (word << 6) + <u32>ctz(m), root, page, size, what, value, site);
    if (!ASC_NO_ASSERT) mustBeElsewhere(root, ~bits, word, page, size);
  }
}

/** Nobody but the holders has the page: told by the debug build. */
function mustBeElsewhere(root: u32, others: u64, word: u32, page: u64, size: u32): void {
  for (let m = others; m != 0; m &= m - 1) {
    const cpu = (word << 6) + <u32>ctz(m);
    if (cpu < cpus && isHolder(root, cpu)) visit(cpu, cpu, root, page, size, 2, 0, NO_SITE);
  }
}

function closeCopies(root: u32, vpn: u64, pfn: u32, count: u32, site: u32): void {
  for (let i: u32 = 0; i < count && pfn + i < config(CFG_FRAMES); i++) closeCopy(root, vpn + i, pfn + i, site);
}

/**
 * Hardware set D in the present entry at `address`. That gives back the right to store without setting it; other rights are for writes of
 * programs to take and give, since a leaf table that nothing leads to may have been written for this page too.
 */
export function pteDirtied(address: usize, value: u64): void {
  if (load<u32>(pools + POOL_CLEANED) == 0 || !config(CFG_ORACLE)) return;
  const meta = tableMetaOf(tableAt(address));
  const level = load<u32>(meta, TM_LEVEL);
  if (load<u32>(meta, TM_LIVE) == 0 || (level != 0 && (value & PTE_PS) == 0)) return;
  const root = load<u32>(meta, TM_ROOT);
  const page = (load<u64>(meta, TM_BASE) >> <u64>(radixBits * level)) + (<u64>(address >> 3) & radixMask);
  for (let other: u32 = 0; other < cpus; other++) {
    if (load<u32>(hw(other), HW_MARKS) != 0 && isHolder(root, other)) visit(other, other, root, page, level, 3, value, NO_SITE);
  }
}

// @ts-ignore: decorator
@inline
function addMapped(pfn: u32, by: i32): void {
  const meta = frameMetaOf(pfn);
  store<i32>(meta, load<i32>(meta, FM_MAPPED) + by, FM_MAPPED);
  assert(load<i32>(meta, FM_MAPPED) >= 0);
}

/** A call of `promiser` is about to return after it took rights away: what is still stale in the range is promised gone. */
export function promise(promiser: u32, root: u32, start: u64, end: u64, remaining: u32, site: u32): void {
  const gone: u32 = remaining == 0 ? READ | WRITE | EXEC : remaining == 1 ? WRITE : DIRTY;
  for (let cpu: u32 = 0; cpu < cpus; cpu++) {
    const c = hw(cpu);
    if (load<u32>(c, HW_MARKS) == 0 || !isHolder(root, cpu)) continue;
    for (let slot: u32 = 0; slot < slots; slot++) {
      const key = load<u64>(entryAt(c, slot));
      if ((key & KEY_WATCH) == 0 || rootOf(load<u64>(entryAt(c, slot), ENTRY_PAYLOAD)) != root) continue;
      const size = <u32>(key >> 1) & 3;
      const vpn = pageOf(key) << <u64>(radixBits * size);
      if (vpn >= end || vpn + (<u64>1 << <u64>(radixBits * size)) <= start) continue;
      const mark = markOf(cpu, slot);
      const owed = mark & gone;
      const promised = (owed & ~excused(promiser, cpu, slot, owed)) << GONE_SHIFT;
      if ((mark & promised) == promised) continue;
      setMark(cpu, slot, mark | promised);
      store<u32>(st(cpu) + stBroken + (<usize>slot << 2), site);
    }
  }
}

/** A frame goes back to the allocator. Translations of it that no page-table write made stale are marked here: a kernel bug. */
export function frameFreed(pfn: u32, site: u32): void {
  const meta = frameMetaOf(pfn);
  store<u32>(frameSiteAt(pfn), site + 1, SITE_FREED);
  store<u32>(meta, 0, FM_COPY_OF);
  recordDirty(pfn);
  if (load<u32>(meta, FM_COPY_FROM) != 0) endCopy(pfn);
  // A stale translation is marked already, and its generation tells; but equal worlds have equal marks, whatever came first.
  if ((load<i32>(meta, FM_MAPPED) <= 0 && config(CFG_CANONICAL) == 0) || !config(CFG_ORACLE)) return;
  for (let other: u32 = 0; other < cpus; other++) {
    const c = hw(other);
    for (let from: u32 = 0; from < slots; from += 8) {
      for (let m = occupied(other, from); m != 0; m &= m - 1) {
        const slot = from + <u32>ctz(m);
        const at = entryAt(c, slot);
        if (((<u32>load<u64>(at) >> 1) & 3) == 3 || frameOf(load<u64>(at, ENTRY_PAYLOAD)) != pfn) continue;
        setMark(other, slot, markOf(other, slot) | FREED);
      }
    }
  }
}

/** Level of the leaf that currentPte() found. */
let currentLevel: i32 = 0;

/** The leaf entry that the page table holds for (root, vpn) now, without any hardware taking part; 0 when there is none. */
function currentPte(root: u32, vpn: u64): u64 {
  let table = root;
  for (let level: i32 = 3; level >= 0 && exists(table); level--) {
    const pte = load<u64>(pteAddress(table, <u32>(vpn >> <u64>(radixBits * level) & radixMask)));
    if ((pte & PTE_P) == 0) return 0;
    currentLevel = level;
    if (level == 0 || (pte & PTE_PS) != 0) return pte;
    table = pfnOf(pte);
  }
  return 0;
}

/** Copies the marks of an entry to the slot that it was refilled into from the second level. */
export function inherit(cpu: u32, from: u32, to: u32): void {
  const mark = markOf(cpu, from);
  if (mark == 0) return;
  setMark(cpu, to, mark);
  setGeneration(hw(cpu), to, generationOf(hw(cpu), from));
  inheritOrder(cpu, from, to);
  store<u32>(st(cpu) + stMade + (<usize>to << 2), load<u32>(st(cpu) + stMade + (<usize>from << 2)));
  store<u32>(st(cpu) + stBroken + (<usize>to << 2), load<u32>(st(cpu) + stBroken + (<usize>from << 2)));
}

/** An access went through a marked entry and succeeded; `setsDirty`: it set D on its way, which the log still holds. */
export function accessed(cpu: u32, slot: u32, vpn: u64, kind: u32, setsDirty: bool): void {
  if (!config(CFG_ORACLE)) return;
  const mark = markOf(cpu, slot);
  const at = entryAt(hw(cpu), slot);
  const payload = load<u64>(at, ENTRY_PAYLOAD);
  const pfn = frameOf(payload);
  const stale = mark & ALL;
  const made = stale != 0 ? load<u32>(st(cpu) + stMade + (<usize>slot << 2)) : NO_SITE;
  if (load<u32>(frameWordAt(pfn)) >> FW_GENERATION_SHIFT != generationOf(hw(cpu), slot) || (mark & FREED) != 0) {
    const freed = load<u32>(frameSiteAt(pfn), SITE_FREED) - 1;
    report(cpu, STALE_FRAME, vpn, kind, pfn, stale != 0 ? made : freed, freed);
    return;
  }
  const isStore = (kind & 1) != 0;
  const need: u32 = isStore ? WRITE : kind == KIND_FETCH ? EXEC : READ;
  if (((mark >> GONE_SHIFT) & need) != 0) report(cpu, STALE_RIGHT, vpn, kind, pfn, made, load<u32>(st(cpu) + stBroken + (<usize>slot << 2)));
  const root = rootOf(payload);
  const pte = (mark & (ALL | JUDGED)) != 0 ? currentPte(root, vpn) : 0;
  const isSameSize = (pte & PTE_P) != 0 && currentLevel == ((<i32>load<u64>(at) >> 1) & 3);
  if ((stale & READ) != 0 && isSameSize && pfnOf(pte) != pfn && !isKernelRunning()) report(cpu, SPLIT_VIEW, vpn, kind, pfn, made, NO_SITE);
  if (!isStore) return;
  // Only a copy was to keep what is stored here: a page that was dropped and faulted in again starts anew.
  const isSmall = (pte & PTE_P) != 0 && currentLevel == 0;
  if (stale != 0 && isSmall && pfnOf(pte) != pfn && load<u32>(frameMetaOf(pfnOf(pte)), FM_COPY_OF) == pfn) {
    report(cpu, LOST_WRITE, vpn, kind, pfn, made, made);
  }
  // What other CPUs log meanwhile is no news before the weave.
  const bits = setsDirty && root == load<u32>(hw(cpu), HW_ROOT) ? PTE_D | PTE_PEND_D : PTE_D;
  const isMapped = isSameSize && pfnOf(pte) == pfn;
  const isRecorded = isMapped && (pte & bits) != 0;
  if ((mark & JUDGED) != 0 && !isRecorded) {
    report(cpu, LOST_DIRTY, vpn, kind, pfn, made, load<u32>(frameSiteAt(pfn), SITE_JUDGED));
  } else if (((mark >> GONE_SHIFT) & DIRTY) != 0 && isMapped && !isRecorded) {
    report(cpu, LOST_DIRTY, vpn, kind, pfn, made, load<u32>(st(cpu) + stBroken + (<usize>slot << 2)));
  }
  if ((mark & COPIED) != 0) noteLost(cpu, pfn, root, vpn, kind, made);
}
