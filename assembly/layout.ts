/*
 * The memory map, drawn once. Everything sits in one linear memory, in this order, each block aligned to a line (64 bytes):
 *
 *   0        16 KiB           32 KiB       64 KiB
 *   | static | fixed addresses | CONFIG ... | PROGRAM | STATE ........................ | TIME ............ | STATS ...... | FEED ... |
 *                          16 B/op    what a verdict can depend on      what it cannot     what we count  rings
 *
 *   STATE    | global | mm[] | cpu[] | task[] | table[] | frame[] |   records of u64 words, declared by mechanisms
 *            | table pages: 8 << radixBits bytes each | table meta[] | D bits | frame meta[] | frame words[] | free lists |
 *            | ranges[mm] | page cache | hw[cpu] |
 *   hw[cpu]  | contexts, flags | regs0 | regs1 | store buffer | call queue | broadcast | ENTRIES | MARKS | EXCUSES |
 *   TIME     | due tree | lines | holders | task time[] | waiters | users | calls done | clk[cpu] |
 *   clk[cpu] | clock, mode, trap ... | hints | STAMPS | TAGS | line cache | A/D log |
 *   STATS    | st[cpu]: counters | cycles by kind | violations | MADE | BROKEN | ORDER | sites | samples |
 *   FEED     | ring[task] |
 *
 * Slots of a CPU's translation structures are numbered through all ten of them; ENTRIES, MARKS, STAMPS, TAGS, MADE and BROKEN are
 * parallel arrays over slots; so is EXCUSES in a canonical world, and ORDER in any other (order.ts). Nothing is allocated after plan(); unused bytes of STATE are zero.
 */
import {
  CFG_CACHE, CFG_CANONICAL, CFG_CPUS, CFG_FRAMES, CFG_GEOMETRY, CFG_LINES, CFG_MMS, CFG_OPS, CFG_RADIX_BITS, CFG_RANGES, CFG_RECORD_WORDS,
  CFG_REGISTERS, CFG_RING, CFG_STORE_BUFFER, CFG_TABLES, CFG_TASKS, config, COUNTERS_MAX, TLB_STRUCTURES,
} from "./config";
import { OP_BYTES } from "./isa";
import { FM_BYTES, FRAME_SITES_BYTES, TM_BYTES, RANGE_BYTES } from "./meta";

export const PROGRAM: usize = 65536;
export let cpus: u32 = 0;
export let maskWords: u32 = 0;
export let radixBits: u32 = 9;
export let radixMask: u64 = 511;
export let pageBytesShift: u32 = 12;

/** Base and stride of each record kind: {u32 base, u32 stride bytes} x 6, read by the interpreter. */
export const RECORDS: usize = 16448;
/** {u32 first slot, u32 sets, u32 ways, u32 sets - 1 where that is a mask, else ANY_SETS} of each structure. */
export const STRUCTURES: usize = 16512;
export const ANY_SETS: u32 = 0xffffffff;

export let stateBase: usize = 0;
export let stateEnd: usize = 0;
export let tablePages: usize = 0;
export let tableMeta: usize = 0;
/** One bit for each page-table entry, through all tables: hardware set D in it, and no program has read it since. */
export let tableDirt: usize = 0;
export let frameMeta: usize = 0;
/** One u32 a frame, read at every fill, hence apart from the rest: bit 0 live, bit 1 source of an open copy or judged clean, bits 2.. generation. */
export let frameWords: usize = 0;
/** u32 {next free table, tables live, next free frame, frames live, table high water, frame high water, 0, marks of DIRTY}. */
export let pools: usize = 0;
export let ranges: usize = 0;
export let rangesStride: usize = 0;
export let pageCache: usize = 0;
export let hwBase: usize = 0;
export let hwStride: usize = 0;
/** In the block of CPU 0: {CPU that went on last + 1 u32, switches away from one that could have gone on u32, 0}, of a bounded search. */
export let hwBounds: usize = 0;
export let slots: u32 = 0;

// Offsets within hw[cpu].
export const HW_PC0: usize = 0;
export const HW_LIVE0: usize = 4;
export const HW_STATUS0: usize = 8;
export const HW_PC1: usize = 16;
export const HW_LIVE1: usize = 20;
export const HW_STATUS1: usize = 24;
export const HW_IRQ_OFF: usize = 32;
export const HW_IN_IRQ: usize = 36;
export const HW_PENDING: usize = 40;
export const HW_ROOT: usize = 44;
export const HW_PCID: usize = 48;
/** Current task + 1; 0 is the idle task. */
export const HW_TASK: usize = 52;
export const HW_SB_COUNT: usize = 56;
/** TLB entries of this CPU that carry a mark of the oracle. */
export const HW_MARKS: usize = 60;
export const HW_QUEUE_HEAD: usize = 64;
export const HW_QUEUE_COUNT: usize = 68;
/** 1 once the call in the task context has taken a step. */
export const HW_STARTED: usize = 72;
/** u16: spinlocks that this CPU holds. */
export const HW_SPINS: usize = 76;
/** u16: how far the thread has come in a case that is played, number of its item << 1, and PLAY_FAULT (script.ts). */
export const HW_PLAY: usize = 78;
export const HW_REGS: usize = 80;
export let hwRegs1: usize = 0;
export let hwStores: usize = 0;
export let hwQueue: usize = 0;
export let hwBroadcast: usize = 0;
/** What a slot holds, in one piece, so that an access touches few lines of the host: {key u64, payload u64, ghost u64}. */
export let hwEntries: usize = 0;
export const ENTRY_BYTES: usize = 24;
export const ENTRY_PAYLOAD: usize = 8;
export const ENTRY_GHOST: usize = 16;
export const ENTRY_ROOT: usize = 20;
/** One u16 a slot. */
export let hwMarks: usize = 0;
/** One u64 a slot, in a canonical world. */
export let hwExcuses: usize = 0;

export let timeBase: usize = 0;
export let dueTree: usize = 0;
export let dueLeaves: u32 = 0;
export let lines: usize = 0;
export let holders: usize = 0;
export let taskTime: usize = 0;
export let waitBuckets: usize = 0;
/** u32 a CPU: the word that it waits for, or 0. Apart from clk[cpu], so that a write with waiters reads few lines. */
export let waitAddresses: usize = 0;
/** Bit a CPU: it executes its task's accesses now. And: it had a turn in this quantum's bound phase. */
export let users: usize = 0;
export let turns: usize = 0;
export let callsDone: usize = 0;
export let clkBase: usize = 0;
export let clkStride: usize = 0;

// Offsets within clk[cpu].
export const CK_CLOCK: usize = 0;
export const CK_ARRIVAL: usize = 8;
export const CK_WAIT_SINCE: usize = 16;
export const CK_TRAP_TIME: usize = 24;
export const CK_SHOOTDOWN_SINCE: usize = 32;
export const CK_SLICE_END: usize = 40;
export const CK_MODE: usize = 48;
export const CK_TRAP: usize = 52;
export const CK_TRAP_A: usize = 56;
export const CK_TRAP_B: usize = 64;
export const CK_ENTRY: usize = 68;
export const CK_IN_SHOOTDOWN: usize = 72;
export const CK_TICK: usize = 84;
export const CK_LOG_COUNT: usize = 88;
export const CK_WAIT_LOCK: usize = 92;
export const CK_NEXT_TASK: usize = 96;
export const CK_LAST_FAULT: usize = 104;
export const CK_FAULT_REPEATS: usize = 112;
/** In a world that is not canonical: number of the call in the task context, counted over all CPUs. */
export const CK_CALL: usize = 120;
/** A feed record for an access that no feed holds. */
export const CK_RECORD: usize = 128;
/** What run() of quick.ts works on: one line. */
export const CK_RUN: usize = 192;
/** Two tables of 256 u32, {u16 slot, u16 its way}: a recent slot for a page's low bits, for data and for instructions. */
export const CK_HINTS: usize = 256;
export const HINT_BYTES: usize = 1024;
/** 128 u32: a recent slot of the paging-structure entry for a page table's low bits. */
export const CK_REGIONS: usize = CK_HINTS + 2 * HINT_BYTES;
export const REGION_MASK: u64 = 127;
/** One u32 a slot. */
export const CK_STAMPS: usize = CK_REGIONS + 512;
/** One u16 a slot: 0 when it is empty, else a hash of its key, so that a set is searched by a few comparisons. */
export let ckTags: usize = 0;
/** A set's tags are read by whole vectors, past the last slot too. */
const TAG_SLACK: usize = 64;
export let ckLines: usize = 0;
export let ckLog: usize = 0;
/** A/D updates that one CPU may log in one bound phase; a full log ends its turn. */
export const LOG_MAX: u32 = 1024;

// Offsets within task time: {consumed u64, limit u64 (records appended), state u32, flags u32, wait a u64, wait b u64}.
export const TT_BYTES: usize = 64;
export const TT_CONSUMED: usize = 0;
export const TT_APPENDED: usize = 8;
export const TT_STATE: usize = 16;
export const TT_FLAGS: usize = 20;
export const TT_WAIT_A: usize = 24;
export const TT_WAIT_B: usize = 32;
/** Earliest cycle at which the task may run again. */
export const TT_READY: usize = 40;
/** Records consumed at the start of the quantum: what others may look at in a bound phase. */
export const TT_SEEN: usize = 48;

export let statsBase: usize = 0;
export let stBase: usize = 0;
export let stStride: usize = 0;
export const ST_CYCLES: usize = 0; // u64 x 8, by CYCLES_*
export const ST_TLB: usize = 64; // u64 x 24, by TLB_* and what follows it in stats.ts
export const ST_COUNTERS: usize = 256; // u64 x COUNTERS_MAX, by Program.counters
export const ST_VIOLATIONS: usize = ST_COUNTERS + 8 * <usize>COUNTERS_MAX; // VIOLATION_BYTES x 8 invariants
export const VIOLATION_BYTES: usize = 64;
export const ST_WINDOWS: usize = ST_VIOLATIONS + 8 * VIOLATION_BYTES; // u64 x 64: times a window was entered
/** Site + 1 of the last step that took a spinlock or switched interrupts off. */
export const ST_ATOMIC: usize = ST_WINDOWS + 64 * 8;
export const ST_FIXED: usize = ST_ATOMIC + 8;
export let stMade: usize = 0;
export let stBroken: usize = 0;
/** Four u64 a slot, in a world that is not canonical. */
export let stOrder: usize = 0;
/** One u32 for each store that can be buffered: its site. */
export let stStores: usize = 0;
export let frameSites: usize = 0;
/** One u32 for each table: site of the last free + 1. */
export let tableSites: usize = 0;
/** {u32 count, u32 lost} then SAMPLES_MAX x {u32 entry, u32 cpu, u64 cycles}. */
export let samples: usize = 0;
export const SAMPLES_MAX: u32 = 65536;

export let feedBase: usize = 0;
export let ringBytes: usize = 0;
export let memoryEnd: usize = 0;

/** Calls that may be outstanding in feeds at once: bits of the window of `callsDone`. */
export const CALLS_WINDOW: u32 = 1 << 21;
export const WAIT_BUCKETS: u32 = 1024;

export const RECORD_KINDS: u32 = 6;
function line(address: usize): usize {
  return (address + 63) & ~(<usize>63);
}

function planRecords(at: usize): usize {
  for (let kind: u32 = 0; kind < RECORD_KINDS; kind++) {
    const stride = <usize>config(CFG_RECORD_WORDS + kind) << 3;
    let count: u32 = 1;
    if (kind == 1) count = config(CFG_MMS);
    if (kind == 2) count = cpus;
    if (kind == 3) count = config(CFG_TASKS);
    if (kind == 4) count = config(CFG_TABLES);
    if (kind == 5) count = config(CFG_FRAMES);
    store<u32>(RECORDS + (kind << 3), <u32>at);
    store<u32>(RECORDS + (kind << 3) + 4, <u32>stride);
    at = line(at + stride * <usize>count);
  }
  return at;
}

function planStructures(): void {
  let slot: u32 = 0;
  for (let s: u32 = 0; s < TLB_STRUCTURES; s++) {
    const sets = config(CFG_GEOMETRY + s * 2);
    const ways = config(CFG_GEOMETRY + s * 2 + 1);
    const d = STRUCTURES + (<usize>s << 4);
    store<u32>(d, slot);
    store<u32>(d + 4, sets);
    store<u32>(d + 8, ways);
    store<u32>(d + 12, (sets & (sets - 1)) == 0 ? sets - 1 : ANY_SETS);
    slot += sets * ways;
  }
  slots = slot;
}

function planHw(at: usize): usize {
  const registers = <usize>(config(CFG_REGISTERS) + 1) << 3;
  hwRegs1 = HW_REGS + registers;
  hwStores = hwRegs1 + registers;
  hwQueue = hwStores + (<usize>config(CFG_STORE_BUFFER) << 4);
  hwBroadcast = (hwQueue + (<usize>cpus << 1) + 7) & ~(<usize>7);
  // A search cuts what lies before it into pieces of 16 bytes, the last of which may stick out.
  hwEntries = line(hwBroadcast + 24 + (<usize>maskWords << 3) + (config(CFG_CANONICAL) != 0 ? 8 : 0));
  hwMarks = hwEntries + <usize>slots * ENTRY_BYTES;
  // One line more than needed, so that the same offset of two CPUs does not fall on the same host cache set.
  hwExcuses = (hwMarks + (<usize>slots << 1) + 7) & ~(<usize>7);
  hwStride = line(hwExcuses + (config(CFG_CANONICAL) != 0 ? <usize>slots << 3 : 0)) + 64;
  hwBounds = hwStride - 16;
  hwBase = at;
  return at + hwStride * <usize>cpus;
}

function planState(at: usize): usize {
  stateBase = at;
  at = planRecords(at);
  tablePages = at;
  at = line(at + (<usize>config(CFG_TABLES) << pageBytesShift));
  tableMeta = at;
  at = line(at + <usize>config(CFG_TABLES) * TM_BYTES);
  tableDirt = at;
  at = line(at + (((<usize>config(CFG_TABLES) << radixBits) + 7) >> 3));
  frameMeta = at;
  at = line(at + <usize>config(CFG_FRAMES) * FM_BYTES);
  frameWords = at;
  at = line(at + (<usize>config(CFG_FRAMES) << 2));
  pools = at;
  at += 64;
  ranges = at;
  rangesStride = 8 + <usize>config(CFG_RANGES) * RANGE_BYTES;
  at = line(at + rangesStride * <usize>config(CFG_MMS));
  pageCache = at;
  at = line(at + (<usize>config(CFG_CACHE) << 4));
  at = planHw(at);
  stateEnd = at;
  return at;
}

function planTime(at: usize): usize {
  timeBase = at;
  dueTree = at;
  dueLeaves = 1;
  while (dueLeaves < cpus) dueLeaves <<= 1;
  at = line(at + (<usize>dueLeaves << 4));
  lines = at;
  at = line(at + ((stateEnd - stateBase) >> 4));
  holders = at;
  at = line(at + ((<usize>config(CFG_TABLES) * <usize>maskWords) << 3));
  taskTime = at;
  at += <usize>config(CFG_TASKS) * TT_BYTES;
  waitBuckets = at;
  at += <usize>WAIT_BUCKETS << 2;
  waitAddresses = at;
  at = line(at + (<usize>cpus << 2));
  users = at;
  at = line(at + (<usize>maskWords << 3));
  turns = at;
  at = line(at + (<usize>maskWords << 3));
  callsDone = at;
  at += 64 + (<usize>CALLS_WINDOW >> 3);
  ckTags = line(CK_STAMPS + (<usize>slots << 2));
  ckLines = line(ckTags + (<usize>slots << 1) + TAG_SLACK);
  ckLog = ckLines + (<usize>config(CFG_LINES) << 3);
  clkStride = line(ckLog + (<usize>LOG_MAX << 2)) + 64;
  clkBase = at;
  return at + clkStride * <usize>cpus;
}

function planStats(at: usize): usize {
  statsBase = at;
  stMade = ST_FIXED;
  stBroken = stMade + (<usize>slots << 2);
  stOrder = (stBroken + (<usize>slots << 2) + 7) & ~(<usize>7);
  stStores = stOrder + (config(CFG_CANONICAL) != 0 ? 0 : <usize>slots << 5);
  stStride = line(stStores + (<usize>config(CFG_STORE_BUFFER) << 2)) + 64;
  stBase = at;
  at += stStride * <usize>cpus;
  frameSites = at;
  at = line(at + <usize>config(CFG_FRAMES) * FRAME_SITES_BYTES);
  tableSites = at;
  at = line(at + (<usize>config(CFG_TABLES) << 2));
  samples = at;
  return at + 64 + (<usize>SAMPLES_MAX << 4);
}

/** Computes every base from the configuration. Each instance that shares the memory calls it once. Returns bytes needed. */
export function plan(): usize {
  assert(__heap_base <= 16384); // the compiler's static data ends below everything that has a fixed address
  cpus = config(CFG_CPUS);
  maskWords = (cpus + 63) >> 6;
  radixBits = config(CFG_RADIX_BITS);
  radixMask = (1 << <u64>radixBits) - 1;
  pageBytesShift = radixBits + 3;
  planStructures();
  let at = line(PROGRAM + <usize>config(CFG_OPS) * <usize>OP_BYTES);
  at = planState(at);
  at = planTime(at);
  at = planStats(at);
  feedBase = at;
  ringBytes = <usize>config(CFG_RING) << 3;
  memoryEnd = at + ringBytes * <usize>config(CFG_TASKS);
  return memoryEnd;
}

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
