/*
 * Memory of a search, behind everything else: it grows, up to a limit, and what is given back is used again. Blocks of one size; what has
 * to be larger is a span, which is never shared and falls apart into blocks when it is given back.
 */
import { SC_FREE, SC_PAGES_MOST, told } from "./control";

export const BLOCK_BYTES: usize = 1 << 18;
const PAGE_SHIFT: usize = 16;

let end: usize = 0;
/** Blocks that were given back; the first u32 of each is the next one. */
let spare: usize = 0;

export function openBlocks(): void {
  end = (<usize>told(SC_FREE) + 63) & ~(<usize>63);
  spare = 0;
}

/** Bytes behind everything that is used; 0 when there is no room. Not zeroed unless it is fresh. */
export function takeSpan(bytes: usize): usize {
  const at = end;
  const next = (<u64>at + <u64>bytes + 63) & ~(<u64>63);
  const pages = <u32>((next + 0xffff) >> <u64>PAGE_SHIFT);
  if (pages > told(SC_PAGES_MOST)) return 0;
  const has = <u32>memory.size();
  if (pages > has) {
    // A bit more than is needed: growing takes longer than using.
    const wanted = min(told(SC_PAGES_MOST), pages + 64);
    if (memory.grow(wanted - has) < 0 && memory.grow(pages - has) < 0) return 0;
  }
  end = <usize>next;
  return at;
}

export function takeBlock(): usize {
  if (spare == 0) return takeSpan(BLOCK_BYTES);
  const block = spare;
  spare = <usize>load<u32>(block);
  return block;
}

export function giveBlock(block: usize): void {
  store<u32>(block, <u32>spare);
  spare = block;
}

/** What does not fill a block is lost. */
export function giveSpan(at: usize, bytes: usize): void {
  for (let offset: usize = 0; offset + BLOCK_BYTES <= bytes; offset += BLOCK_BYTES) giveBlock(at + offset);
}
