/* Where the block of a CPU, a slot, a page-table entry, a table and a frame are, on the map that layout.ts has computed. */
import {
  clkBase, clkStride, frameMeta, frameWords, hwBase, hwEntries, hwStride, pageBytesShift, stBase, stStride, tableMeta, tablePages,
} from "./layout";
import { FM_BYTES, TM_BYTES } from "./meta";
import { ENTRY_BYTES } from "./offsets";

// @ts-ignore: decorator
@inline
export function hw(cpu: u32): usize {
  return hwBase + <usize>cpu * hwStride;
}

// @ts-ignore: decorator
@inline
export function clk(cpu: u32): usize {
  return clkBase + <usize>cpu * clkStride;
}

// @ts-ignore: decorator
@inline
export function st(cpu: u32): usize {
  return stBase + <usize>cpu * stStride;
}

/** What a slot of the CPU whose hw block is `c` holds. */
// @ts-ignore: decorator
@inline
export function entryAt(c: usize, slot: u32): usize {
  return c + hwEntries + <usize>slot * ENTRY_BYTES;
}

/** Address of a page-table entry. */
// @ts-ignore: decorator
@inline
export function pteAddress(table: u32, index: u32): usize {
  return tablePages + (<usize>table << pageBytesShift) + (<usize>index << 3);
}

// @ts-ignore: decorator
@inline
export function tableMetaOf(table: u32): usize {
  return tableMeta + <usize>table * TM_BYTES;
}

// @ts-ignore: decorator
@inline
export function frameMetaOf(pfn: u32): usize {
  return frameMeta + <usize>pfn * FM_BYTES;
}

// @ts-ignore: decorator
@inline
export function frameWordAt(pfn: u32): usize {
  return frameWords + (<usize>pfn << 2);
}
