/*
 * The memory map, drawn once. Everything sits in one linear memory, in this order, each block aligned to a line (64 bytes):
 *
 *   0        16 KiB           32 KiB       64 KiB
 *   | static | fixed addresses | CONFIG ... | PROGRAM | STATE ........................ | TIME ............ | STATS ...... | FEED ... |
 *                       16 + 2 B/op   what a verdict can depend on      what it cannot     what we count  rings
 *
 *   STATE    | global | mm[] | cpu[] | task[] | table[] | frame[] |   records of u64 words, declared by mechanisms
 *            | table pages: 8 << radixBits bytes each | table meta[] | D bits | frame meta[] | frame words[] | free lists | nodes |
 *            | ranges[mm] | page cache | hw[cpu] |
 *   hw[cpu]  | contexts, flags | regs0 | regs1 | store buffer | call queue | broadcast | ENTRIES | GENERATIONS | MARKS | EXCUSES |
 *   TIME     | due tree | lines | holders | task time[] | waiters | users | calls done | clk[cpu] |
 *   clk[cpu] | clock, mode, trap ... | hints | STAMPS | TAGS | line cache | A/D log |
 *   STATS    | st[cpu]: counters | cycles by kind | violations | MADE | BROKEN | ORDER | sites | samples |
 *   FEED     | ring[task] |
 *
 * Slots of a CPU's translation structures are numbered through all ten of them; ENTRIES, GENERATIONS, MARKS, STAMPS, TAGS, MADE and BROKEN are
 * parallel arrays over slots; so is EXCUSES in a canonical world, and ORDER in any other (order.ts). Nothing is allocated after plan(); unused bytes of STATE are zero.
 */
import {
  CFG_CACHE, CFG_CANONICAL, CFG_CPUS, CFG_FRAMES, CFG_GEOMETRY, CFG_LINES, CFG_MMS, CFG_NODES, CFG_OPS, CFG_RADIX_BITS, CFG_RANGES, CFG_RECORD_WORDS,
  CFG_REGISTERS, CFG_RING, CFG_STORE_BUFFER, CFG_TABLES, CFG_TASKS, config, TLB_STRUCTURES,
} from "./config";
import { OP_BYTES } from "./isa";
import {
  CALLS_WINDOW, CK_STAMPS, ENTRY_BYTES, HW_QUEUE_HEAD, HW_REGS, LOG_MAX, RECORD_KINDS, SAMPLES_MAX, ST_FIXED, TT_BYTES, WAIT_BUCKETS,
} from "./offsets";
import { FM_BYTES, FRAME_SITES_BYTES, TM_BYTES, RANGE_BYTES } from "./meta";
export const PROGRAM: usize = 65536;
/** Behind the program: one u16 an op, what compiled.ts knows of it. */
export let codes: usize = 0;
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
/** With more than one node: a list of free single frames for each, and one u16 for each frame, the node of its memory. */
export let nodes: u32 = 1;
export let nodeFree: usize = 0;
export let frameNodes: usize = 0;
export let ranges: usize = 0;
export let rangesStride: usize = 0;
export let pageCache: usize = 0;
export let hwBase: usize = 0;
export let hwStride: usize = 0;
/**
 * How far apart the lines of call queues are in simulated memory. It decides which lines share a place in a simulated cache, and so
 * how long calls take; hence it is told by the machine, and does not follow the bytes that a block takes here.
 */
let queueStride: usize = 0;
const QUEUE_BYTES_A_SLOT: usize = 26;
/** In the block of CPU 0: {CPU that went on last + 1 u32, switches away from one that could have gone on u32, 0}, of a bounded search. */
export let hwBounds: usize = 0;
export let slots: u32 = 0;

export let hwRegs1: usize = 0;
export let hwStores: usize = 0;
export let hwQueue: usize = 0;
export let hwBroadcast: usize = 0;
/** What a slot holds, in one piece, so that an access touches few lines of the host: {key u64, payload u64}. */
export let hwEntries: usize = 0;
/** One u32 a slot: the generation that its frame had when the entry was filled, while the entry is marked; else 0. */
export let hwGenerations: usize = 0;
/** One u16 a slot. */
export let hwMarks: usize = 0;
/** One u64 a slot, in a canonical world. */
export let hwExcuses: usize = 0;

export let timeBase: usize = 0;
export let dueTree: usize = 0;
export let dueLeaves: u32 = 0;
export let lines: usize = 0;
export let holders: usize = 0;
/** Rows of `holders` behind those of tables: a power of two. */
export let regionRows: u32 = 0;
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

/** One u16 a slot: 0 when it is empty, else a hash of its key, so that a set is searched by a few comparisons. */
export let ckTags: usize = 0;
/** A set's tags are read by whole vectors, past the last slot too. */
const TAG_SLACK: usize = 64;
export let ckLines: usize = 0;
export let ckLog: usize = 0;

export let statsBase: usize = 0;
export let stBase: usize = 0;
export let stStride: usize = 0;
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

export let feedBase: usize = 0;
export let ringBytes: usize = 0;
export let memoryEnd: usize = 0;

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
  hwGenerations = hwEntries + <usize>slots * ENTRY_BYTES;
  hwMarks = hwGenerations + (<usize>slots << 2);
  // One line more than needed, so that the same offset of two CPUs does not fall on the same host cache set.
  hwExcuses = (hwMarks + (<usize>slots << 1) + 7) & ~(<usize>7);
  hwStride = line(hwExcuses + (config(CFG_CANONICAL) != 0 ? <usize>slots << 3 : 0)) + 64;
  hwBounds = hwStride - 16;
  queueStride = line(hwEntries + <usize>slots * QUEUE_BYTES_A_SLOT) + 64;
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
  nodes = config(CFG_NODES);
  nodeFree = at;
  if (nodes > 1) at = line(at + (<usize>nodes << 2));
  frameNodes = at;
  if (nodes > 1) at = line(at + (<usize>config(CFG_FRAMES) << 1));
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
  at = line(at + ((max(stateEnd, queueLine(cpus)) - stateBase) >> 4));
  holders = at;
  regionRows = 1;
  while (regionRows < config(CFG_TABLES)) regionRows <<= 1;
  at = line(at + ((<usize>(config(CFG_TABLES) + regionRows) * <usize>maskWords) << 3));
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
  codes = PROGRAM + <usize>config(CFG_OPS) * <usize>OP_BYTES;
  let at = planState(line(codes + (<usize>config(CFG_OPS) << 1)));
  at = planTime(at);
  at = planStats(at);
  feedBase = at;
  ringBytes = <usize>config(CFG_RING) << 3;
  memoryEnd = at + ringBytes * <usize>config(CFG_TASKS);
  return memoryEnd;
}

/** What accesses of a CPU's call queue are charged for: its address in simulated memory. */
export function queueLine(cpu: u32): usize {
  return hwBase + <usize>cpu * queueStride + HW_QUEUE_HEAD;
}
