/*
 * The configuration: u32 words that the host writes before plan(), read-only afterwards. Every limit of the engine is here.
 */

/** Where the configuration starts; the first 32 KiB are left to the compiler's static data. */
export const CONFIG: usize = 32768;

export const CFG_CPUS: u32 = 0;
export const CFG_MMS: u32 = 1;
export const CFG_TASKS: u32 = 2;
export const CFG_TABLES: u32 = 3;
export const CFG_FRAMES: u32 = 4;
export const CFG_RADIX_BITS: u32 = 5;
/** 0 sc, 1 tso, 2 weak. */
export const CFG_MODEL: u32 = 6;
/** Dirty assist: 0 strict, 1 legacy, 2 knl. */
export const CFG_ASSIST: u32 = 7;
export const CFG_REGISTERS: u32 = 8;
export const CFG_OPS: u32 = 9;
export const CFG_STORE_BUFFER: u32 = 10;
/** Ranges (VMAs) that one mm can hold. */
export const CFG_RANGES: u32 = 11;
/** Slots of the page-cache table; a power of two. */
export const CFG_CACHE: u32 = 12;
/** Records of a task's ring; a power of two. */
export const CFG_RING: u32 = 13;
export const CFG_QUANTUM: u32 = 14;
/** Cycles a task runs before another runnable task of its CPU gets its turn. */
export const CFG_SLICE: u32 = 15;
/** Lines that a CPU's private cache holds, for costs; a power of two. */
export const CFG_LINES: u32 = 16;
export const CFG_ORACLE: u32 = 17;
// Topology: logical CPUs per core, per core complex, per socket.
export const CFG_PER_CORE: u32 = 18;
export const CFG_PER_CCX: u32 = 19;
export const CFG_PER_SOCKET: u32 = 20;
/** Program counter of call_function_interrupt. */
export const CFG_IRQ_ENTRY: u32 = 21;
export const CFG_FAULT_ENTRY: u32 = 22;
export const CFG_SWITCH_ENTRY: u32 = 23;
/** Index of the entry `image`, which is no system call. */
export const CFG_IMAGE_INDEX: u32 = 24;
export const CFG_FAULT_INDEX: u32 = 25;
export const CFG_SWITCH_INDEX: u32 = 26;
/**
 * What hardware does at a time of its own is left to the scheduler: each effect of a broadcast invalidation, and when the release of a
 * spinlock becomes visible. Else both are at once.
 */
export const CFG_FREE_HARDWARE: u32 = 27;
/** Order in which the bound phase visits CPUs: 0 ascending, 1 descending, 2 odd ones first. Never changes a result. */
export const CFG_BOUND_ORDER: u32 = 28;
/** 1: equal worlds have equal bytes in STATE, as a search wants it; up to CANONICAL_CPUS CPUs. */
export const CFG_CANONICAL: u32 = 29;
export const CFG_ENTRIES: u32 = 30;
/** 1: nothing in TIME is looked at to find a translation, so that STATE alone can be loaded; a set that is full is a trap. */
export const CFG_SEARCHED: u32 = 31;

/** Record kinds: global, mm, cpu, task, table, frame. Words of each record: six u32 from here. */
export const CFG_RECORD_WORDS: u32 = 32;
/** Structures of a CPU's TLB: {sets, ways} from here, TLB_STRUCTURES of them. */
export const CFG_GEOMETRY: u32 = 40;
/** Which structure serves page size 0, 1, 2 (4K, 2M, 1G) for data, instructions, second level: nine u32. */
export const CFG_STRUCTURE_OF: u32 = 64;
/** CPUs that stand for devices: two words of bits, for CPUs 0 to 63. */
export const CFG_DEVICES: u32 = 80;
/** NUMA nodes: a socket is one. 1 where all memory is equally near. */
export const CFG_NODES: u32 = 82;
/** Prices in cycles: PRICES u32 from here, in the order of prices.ts; then those of WORK. */
export const CFG_PRICES: u32 = 96;
export const CFG_WORKS: u32 = 192;
export const WORKS_MAX: u32 = 128;
/** Program counter of every entry, by its index. */
export const CFG_ENTRY_PC: u32 = 320;
export const ENTRIES_MAX: u32 = 64;
export const CFG_WORDS: u32 = 384;

export const TLB_STRUCTURES: u32 = 10;
export const L1D4K: u32 = 0;
export const L1D2M: u32 = 1;
export const L1D1G: u32 = 2;
export const L1I4K: u32 = 3;
export const L1I2M: u32 = 4;
export const STLB: u32 = 5;
export const STLB1G: u32 = 6;
export const PWC_PDE: u32 = 7;
export const PWC_PDPTE: u32 = 8;
export const PWC_PML4E: u32 = 9;

export const COUNTERS_MAX: u32 = 96;
export const CANONICAL_CPUS: u32 = 16;

// @ts-ignore: decorator
@inline
export function config(index: u32): u32 {
  return load<u32>(CONFIG + (<usize>index << 2));
}
