/*
 * Frames and page-table pages: allocation, generations. Both are handed out last in, first out, because early reuse is what makes a
 * stale translation hurt; numbers that were never used come in ascending order. Number 0 of either is never handed out.
 */
import { CFG_FRAMES, CFG_PER_SOCKET, CFG_TABLES, config } from "./config";
import { frameMetaOf, frameWordAt, pteAddress, tableMetaOf } from "./addresses";
import { frameNodes, nodeFree, nodes, pageBytesShift, pools, radixBits } from "./layout";
import { FM_NEXT, TM_BASE, TM_LEVEL, TM_LIVE, TM_NEXT, TM_ROOT, FW_GENERATION_SHIFT, FW_LIVE } from "./meta";
import { frameFreed } from "./oracle";
import { panic, TRAP_BAD_TABLE, TRAP_DOUBLE_FREE } from "./trap";
import { forgetDirt } from "./dirt";
import { tableFreed } from "./tables";

// Words of `pools`.
export const POOL_TABLE_FREE: usize = 0;
export const POOL_TABLES_LIVE: usize = 4;
export const POOL_FRAME_FREE: usize = 8;
export const POOL_FRAMES_LIVE: usize = 12;
export const POOL_TABLE_TOP: usize = 16;
export const POOL_FRAME_TOP: usize = 20;
/** Two lists: free blocks as large as a 2M page, and as a 1G page. */
export const POOL_BLOCK_FREE: usize = 32;

/** The node whose memory is nearest to a CPU. */
// @ts-ignore: decorator
@inline
function nodeOf(cpu: u32): u32 {
  return nodes == 1 ? 0 : min(cpu / config(CFG_PER_SOCKET), nodes - 1);
}

/** The node of a frame: that of the CPU that was the first to get it. */
// @ts-ignore: decorator
@inline
function homeOf(pfn: u32): u32 {
  return nodes == 1 ? 0 : <u32>load<u16>(frameNodes + (<usize>pfn << 1));
}

/** Whether a frame is memory of another node than the CPU's. */
export function isFar(cpu: u32, pfn: u32): bool {
  return nodes != 1 && homeOf(pfn) != nodeOf(cpu);
}

// @ts-ignore: decorator
@inline
function singlesOf(node: u32): usize {
  return nodes == 1 ? pools + POOL_FRAME_FREE : nodeFree + (<usize>node << 2);
}

/** The frame of a list that was freed last, or 0. */
function popSingle(node: u32): u32 {
  const pfn = load<u32>(singlesOf(node));
  if (pfn == 0) return 0;
  store<u32>(singlesOf(node), load<u32>(frameMetaOf(pfn), FM_NEXT));
  store<u32>(frameMetaOf(pfn), 0, FM_NEXT);
  return pfn;
}

function pushSingle(pfn: u32): void {
  const list = singlesOf(homeOf(pfn));
  store<u32>(frameMetaOf(pfn), load<u32>(list), FM_NEXT);
  store<u32>(list, pfn);
}

/** Frames that were never handed out become memory of a node. */
function settle(pfn: u32, count: u32, node: u32): void {
  if (nodes == 1) return;
  for (let each = pfn; each < pfn + count; each++) store<u16>(frameNodes + (<usize>each << 1), <u16>node);
}

/** A frame, of the CPU's own node if it has one, or 0 when memory is out. */
export function allocateFrame(cpu: u32): u32 {
  const node = nodeOf(cpu);
  let pfn = popSingle(node);
  if (pfn == 0) {
    pfn = load<u32>(pools + POOL_FRAME_TOP) + 1;
    if (pfn >= config(CFG_FRAMES)) {
      if (breakBlock()) return allocateFrame(cpu);
      pfn = 0;
      for (let other: u32 = 0; other < nodes && pfn == 0; other++) pfn = popSingle(other);
      if (pfn == 0) return 0;
    } else {
      store<u32>(pools + POOL_FRAME_TOP, pfn);
      settle(pfn, 1, node);
    }
  }
  handOut(pfn, 1);
  return pfn;
}

function handOut(pfn: u32, count: u32): void {
  for (let each = pfn; each < pfn + count; each++) {
    assert((load<u32>(frameWordAt(each)) & FW_LIVE) == 0); // never handed out twice
    store<u32>(frameWordAt(each), load<u32>(frameWordAt(each)) | FW_LIVE);
  }
  store<u32>(pools + POOL_FRAMES_LIVE, load<u32>(pools + POOL_FRAMES_LIVE) + count);
}

/** Puts free frames into the list of single ones, so that the first of them is handed out first. */
function listSingly(pfn: u32, count: u32): void {
  for (let each = pfn + count - 1; each >= pfn; each--) pushSingle(each);
}

// @ts-ignore: decorator
@inline
function blocksOf(order: u32): usize {
  return pools + POOL_BLOCK_FREE + (order > radixBits ? 4 : 0);
}

function takeBlock(order: u32): u32 {
  const pfn = load<u32>(blocksOf(order));
  if (pfn == 0) return 0;
  store<u32>(blocksOf(order), load<u32>(frameMetaOf(pfn), FM_NEXT));
  store<u32>(frameMetaOf(pfn), 0, FM_NEXT);
  return pfn;
}

/** A free block becomes single frames, the smallest first. */
function breakBlock(): bool {
  for (let order = radixBits; order <= 2 * radixBits; order += radixBits) {
    const pfn = takeBlock(order);
    if (pfn == 0) continue;
    listSingly(pfn, 1 << order);
    return true;
  }
  return false;
}

/** 2^order frames in a row whose first number is a multiple of that, or 0 when there are none: nothing is moved to make room. */
export function allocateBlock(cpu: u32, order: u32): u32 {
  if (order == 0) return allocateFrame(cpu);
  const count: u32 = 1 << order;
  let pfn = takeBlock(order);
  if (pfn == 0) {
    const next = load<u32>(pools + POOL_FRAME_TOP) + 1;
    pfn = (next + count - 1) & ~(count - 1);
    if (pfn + count > config(CFG_FRAMES)) return 0;
    settle(next, pfn + count - next, nodeOf(cpu));
    listSingly(next, pfn - next);
    store<u32>(pools + POOL_FRAME_TOP, pfn + count - 1);
  }
  handOut(pfn, count);
  return pfn;
}

export function freeBlock(pfn: u32, order: u32, site: u32): void {
  if (order == 0) return freeFrame(pfn, site);
  const count: u32 = 1 << order;
  for (let each = pfn; each < pfn + count; each++) {
    if (pfn == 0 || each >= config(CFG_FRAMES) || (load<u32>(frameWordAt(each)) & FW_LIVE) == 0) panic(TRAP_DOUBLE_FREE, (<u64>site << 32) | each);
    frameFreed(each, site);
    store<u32>(frameWordAt(each), (load<u32>(frameWordAt(each)) & ~FW_LIVE) + (1 << FW_GENERATION_SHIFT));
  }
  store<u32>(frameMetaOf(pfn), load<u32>(blocksOf(order)), FM_NEXT);
  store<u32>(blocksOf(order), pfn);
  store<u32>(pools + POOL_FRAMES_LIVE, load<u32>(pools + POOL_FRAMES_LIVE) - count);
}

export function freeFrame(pfn: u32, site: u32): void {
  if (pfn == 0 || pfn >= config(CFG_FRAMES) || (load<u32>(frameWordAt(pfn)) & FW_LIVE) == 0) panic(TRAP_DOUBLE_FREE, (<u64>site << 32) | pfn);
  frameFreed(pfn, site);
  store<u32>(frameWordAt(pfn), (load<u32>(frameWordAt(pfn)) & ~FW_LIVE) + (1 << FW_GENERATION_SHIFT));
  pushSingle(pfn);
  store<u32>(pools + POOL_FRAMES_LIVE, load<u32>(pools + POOL_FRAMES_LIVE) - 1);
}

/** A zeroed page table, or 0 when there is none left. `root` 0 makes it a root of its own. */
export function allocateTable(root: u32, level: u32, base: u64): u32 {
  let table = load<u32>(pools + POOL_TABLE_FREE);
  if (table != 0) {
    store<u32>(pools + POOL_TABLE_FREE, load<u32>(tableMetaOf(table), TM_NEXT));
  } else {
    table = load<u32>(pools + POOL_TABLE_TOP) + 1;
    if (table >= config(CFG_TABLES)) return 0;
    store<u32>(pools + POOL_TABLE_TOP, table);
  }
  const meta = tableMetaOf(table);
  assert(load<u32>(meta, TM_LIVE) == 0);
  assert(level < 4 && (root == 0) == (level == 3));
  store<u32>(meta, root == 0 ? table : root, TM_ROOT);
  store<u32>(meta, level, TM_LEVEL);
  store<u32>(meta, 0, TM_NEXT);
  store<u32>(meta, 1, TM_LIVE);
  store<u64>(meta, base, TM_BASE);
  memory.fill(pteAddress(table, 0), 0, <usize>1 << pageBytesShift);
  forgetDirt(table);
  store<u32>(pools + POOL_TABLES_LIVE, load<u32>(pools + POOL_TABLES_LIVE) + 1);
  return table;
}

export function freeTable(table: u32, site: u32): void {
  const meta = tableMetaOf(table);
  if (table == 0 || table >= config(CFG_TABLES)) panic(TRAP_BAD_TABLE, table);
  if (load<u32>(meta, TM_LIVE) == 0) panic(TRAP_DOUBLE_FREE, (<u64>site << 32) | (1 << 31) | table);
  tableFreed(table, load<u32>(meta, TM_ROOT), site);
  forgetDirt(table);
  store<u32>(meta, 0, TM_LIVE);
  store<u32>(meta, 0, TM_ROOT);
  store<u32>(meta, 0, TM_LEVEL);
  store<u64>(meta, 0, TM_BASE);
  store<u32>(meta, load<u32>(pools + POOL_TABLE_FREE), TM_NEXT);
  store<u32>(pools + POOL_TABLE_FREE, table);
  store<u32>(pools + POOL_TABLES_LIVE, load<u32>(pools + POOL_TABLES_LIVE) - 1);
}
