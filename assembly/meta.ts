/* What STATE knows about each page table and each frame, besides what they contain. */

// Offsets within a table's record.
export const TM_BYTES: usize = 32;
export const TM_ROOT: usize = 0;
export const TM_LEVEL: usize = 4;
export const TM_NEXT: usize = 8;
export const TM_LIVE: usize = 12;
export const TM_BASE: usize = 16;

// Offsets within a frame's record.
export const FM_BYTES: usize = 48;
/** The frame that this one was copied from, once the page table maps it in that one's place. */
export const FM_COPY_OF: usize = 0;
export const FM_NEXT: usize = 4;
/** 1 while software takes the frame for clean. */
export const FM_JUDGED: usize = 8;
/** Leaf page-table entries that map this frame now. */
export const FM_MAPPED: usize = 12;
/** First open copy whose source this frame is: the frame copied to; further ones are chained by FM_COPY_NEXT. */
export const FM_COPY_TO: usize = 16;
// On the target of an open copy: the source, the next target of that source, the address space and page.
export const FM_COPY_FROM: usize = 20;
export const FM_COPY_NEXT: usize = 24;
export const FM_COPY_ROOT: usize = 28;
export const FM_COPY_VPN: usize = 32;
/** A store hit the source after the copy: CPU + 1. */
export const FM_LOST_CPU: usize = 40;

// Bits of a frame's word.
export const FW_LIVE: u32 = 1;
export const FW_WATCHED: u32 = 2;
export const FW_GENERATION_SHIFT: u32 = 2;

// Words of `pools`, besides those of the allocator (frames.ts).
/** Translations that store without setting D, though the page table has D clear. */
export const POOL_CLEANED: usize = 28;

// What STATS knows about each frame, for reports: offsets within its record.
export const FRAME_SITES_BYTES: usize = 20;
/** On the target of an open copy, the step that copied; of the store that hit the source, what made its translation stale (NO_SITE: it was not), and its kind. */
export const SITE_COPY: usize = 0;
export const SITE_LOST_MADE: usize = 4;
export const SITE_LOST_KIND: usize = 8;
/** The step of the last free + 1; 0 when it was never freed. */
export const SITE_FREED: usize = 12;
/** The step of the last judgement that it is clean. */
export const SITE_JUDGED: usize = 16;

/** No step at all. */
export const NO_SITE: u32 = 0xffffffff;

/** Bytes of a range: {start vpn u64, end vpn u64, value u64}; a map starts with its count (u64). */
export const RANGE_BYTES: usize = 24;
