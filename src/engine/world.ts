/** A world: the engine's memory, laid out and filled for one program on one machine. */

import { type FieldPlace, type Program, RECORD_KINDS, type RecordKind } from "../dsl/program.js";
import { UsageError } from "../errors.js";
import type { MachineNumbers, PriceName, StructureName } from "../machine/preset.js";
import { priceNames } from "../machine/preset.js";
import { encodeProgram } from "./encode.js";
import { type Build, createMemory, growMemory, type Instance, instantiate } from "./load.js";

/** Everything that the layout depends on. Counts include number 0, which tables and frames never hand out. */
export interface WorldSize {
  readonly cpus: number;
  readonly mms: number;
  readonly tasks: number;
  readonly tables: number;
  readonly frames: number;
  readonly radixBits: number;
  readonly model: "sc" | "tso" | "weak";
  readonly assist: "strict" | "legacy" | "knl";
  readonly storeBuffer: number;
  /** Mappings per mm, file pages (a power of two), records per ring (a power of two). */
  readonly ranges: number;
  readonly cache: number;
  readonly ring: number;
  /** Lines of a CPU's private cache, a power of two. */
  readonly lines: number;
  readonly oracle: boolean;
  /** What hardware does at a time of its own is left to the scheduler; at once unless said. */
  readonly freeHardware?: boolean;
  /** Equal worlds have equal bytes; for up to 16 CPUs. A clock, which compares no worlds, does without. */
  readonly canonical: boolean;
  /** CPUs, below 64, that stand for devices: what they do wrong is stale-device. */
  readonly devices?: readonly number[];
  /** Only STATE tells what a CPU has cached, so that states can be loaded; a set that would have to evict is a trap. */
  readonly searched?: boolean;
  /** NUMA nodes; 1 unless said. */
  readonly nodes?: number;
  readonly quantum: number;
  readonly slice: number;
  /** The order of CPUs in the bound phase: 0, 1 or 2. It never changes a result. */
  readonly boundOrder: number;
}

/** {sets, ways} of each of the ten structures, and which one serves each page size. */
export interface Structures {
  readonly arrays: readonly { readonly sets: number; readonly ways: number }[];
  /** Data, instructions, second level; 4K, 2M, 1G each: indexes into arrays. */
  readonly serves: readonly number[];
}

export interface World extends Instance {
  readonly program: Program;
  readonly size: WorldSize;
  /** Views over the whole memory; it never grows. */
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly u64: BigUint64Array;
  /** Byte address of a declared field; throws when the program has none of that name. */
  fieldAddress(record: RecordKind, name: string, index: number): number;
  entryPc(name: string): number;
}

const models = ["sc", "tso", "weak"];
const assists = ["strict", "legacy", "knl"];
const structureOrder: readonly StructureName[] = [
  "l1d4k",
  "l1d2m",
  "l1d1g",
  "l1i4k",
  "l1i2m",
  "stlb",
  "stlb1g",
  "pde",
  "pdpte",
  "pml4e",
];

/** The machine's arrays as the engine wants them; a shared array holds all its sizes, its other names are empty. */
export function structuresOf(machine: MachineNumbers): Structures {
  const index = (name: StructureName): number => structureOrder.indexOf(machine.structures[name].owner);
  const arrays = structureOrder.map((name) => {
    const { entries, ways, owner } = machine.structures[name];
    return owner === name && entries > 0 ? { sets: entries / ways, ways } : { sets: 1, ways: 0 };
  });
  const serves = [
    index("l1d4k"),
    index("l1d2m"),
    index("l1d1g"),
    index("l1i4k"),
    index("l1i2m"),
    index("l1i2m"),
    index("stlb"),
    index("stlb"),
    index("stlb1g"),
  ];
  return { arrays, serves };
}

/** What the engine charges: prices by name, topology, and the price of every work of the program. */
export interface Charges {
  readonly prices: Readonly<Record<PriceName, number>>;
  readonly works: readonly number[];
  readonly perCore: number;
  readonly perCcx: number;
  readonly perSocket: number;
}

/** What an instance of the engine can address. */
const MEMORY_MAX = 2 ** 32;
/** Worlds with fewer frames, mms and tasks than these are far from it. */
const MANY_FRAMES = 2 ** 22;
const MANY_TASKS = 2 ** 10;

/**
 * Bytes of a world that may be too large. plan() counts in 32 bits, but what grows with a world grows in proportion, so that two
 * small ones tell how large a large one is.
 */
function bytesOfLarge(size: WorldSize, plan: (size: WorldSize) => number): number {
  if (size.frames < MANY_FRAMES && size.mms + size.tasks < MANY_TASKS) return 0;
  const part = (share: number): number => {
    const of = (number: number): number => Math.ceil(number / share);
    const { frames, tables, mms, tasks, cache } = size;
    return plan({
      ...size,
      frames: of(frames),
      tables: of(tables),
      mms: of(mms),
      tasks: of(tasks),
      cache: of(cache),
    });
  };
  const [small, twice] = [part(16), part(8)];
  // Tables alone tell where even the small ones are too large.
  return Math.max(small + (twice - small) * 15, size.tables * 8 * 2 ** size.radixBits);
}

/** Creates a world, before its first step. Throws UsageError when it would not fit into 4 GiB. */
export function createWorld(
  build: Build,
  program: Program,
  size: WorldSize,
  structures: Structures,
  charges: Charges,
): World {
  // plan() computes how much is needed, and writes nothing beyond its fixed addresses.
  const memory = createMemory();
  const instance = instantiate(build, memory);
  const plan = (planned: WorldSize): number => {
    configure(instance, program, planned, structures, charges);
    return instance.functions.plan() >>> 0;
  };
  const large = bytesOfLarge(size, plan);
  if (large > MEMORY_MAX) {
    const gib = (large / 2 ** 30).toFixed(1);
    throw new UsageError(
      `simulating ${size.frames} pages, ${size.mms} address spaces and ${size.tasks} threads takes ${gib} GiB; at most 4 GiB fit`,
    );
  }
  const most = instance.value("TABLES_MAX");
  if (size.tables > most) throw new UsageError(`simulating ${size.tables} page tables; at most ${most} fit`);
  growMemory(memory, plan(size));
  encodeProgram(program, instance);
  instance.functions.init();
  const fields = new Map(program.layout.fields.map((field) => [`${field.record}.${field.name}`, field]));
  const { buffer } = memory;
  const u32 = new Uint32Array(buffer);
  return {
    ...instance,
    program,
    size,
    u8: new Uint8Array(buffer),
    u16: new Uint16Array(buffer),
    u32,
    u64: new BigUint64Array(buffer),
    fieldAddress: (record, name, index) =>
      addressOf(instance, u32, fields.get(`${record}.${name}`), name, index),
    entryPc: (name) => {
      const entry = program.entries.find((candidate) => candidate.name === name);
      if (entry === undefined) throw new RangeError(`the program has no entry '${name}'`);
      return entry.pc;
    },
  };
}

function addressOf(
  instance: Instance,
  u32: Uint32Array,
  field: FieldPlace | undefined,
  name: string,
  index: number,
): number {
  if (field === undefined) throw new RangeError(`the program declares no field '${name}'`);
  const at = instance.value("RECORDS") / 4 + RECORD_KINDS.indexOf(field.record) * 2;
  return u32[at]! + u32[at + 1]! * index + field.word * 8;
}

function configure(
  instance: Instance,
  program: Program,
  size: WorldSize,
  structures: Structures,
  charges: Charges,
): void {
  const words = new Uint32Array(
    instance.memory.buffer,
    instance.value("CONFIG"),
    instance.value("CFG_WORDS"),
  );
  const set = (name: string, value: number, offset = 0): void => {
    words[instance.value(`CFG_${name}`) + offset] = value;
  };
  const pc = (name: string): number => program.entries.find((entry) => entry.name === name)?.pc ?? 0;
  const index = (name: string): number => {
    const at = program.entries.findIndex((entry) => entry.name === name);
    return at < 0 ? 0xffff : at;
  };
  set("CPUS", size.cpus);
  set("MMS", size.mms);
  set("TASKS", size.tasks);
  set("TABLES", size.tables);
  set("FRAMES", size.frames);
  set("RADIX_BITS", size.radixBits);
  set("MODEL", models.indexOf(size.model));
  set("ASSIST", assists.indexOf(size.assist));
  set("REGISTERS", program.registers);
  set("OPS", program.ops.length);
  set("STORE_BUFFER", size.storeBuffer);
  set("RANGES", size.ranges);
  set("CACHE", size.cache);
  set("RING", size.ring);
  set("QUANTUM", size.quantum);
  set("SLICE", size.slice);
  set("LINES", size.lines);
  set("ORACLE", size.oracle ? 1 : 0);
  set("FREE_HARDWARE", size.freeHardware ? 1 : 0);
  if (size.canonical && size.cpus > instance.value("CANONICAL_CPUS"))
    throw new RangeError(`a canonical world has at most ${instance.value("CANONICAL_CPUS")} CPUs`);
  set("CANONICAL", size.canonical ? 1 : 0);
  for (const word of [0, 1]) {
    const own = (size.devices ?? []).filter((cpu) => cpu >> 5 === word);
    set(
      "DEVICES",
      own.reduce((bits, cpu) => (bits | (1 << (cpu & 31))) >>> 0, 0),
      word,
    );
  }
  set("SEARCHED", size.searched ? 1 : 0);
  set("PER_CORE", charges.perCore);
  set("PER_CCX", charges.perCcx);
  set("PER_SOCKET", charges.perSocket);
  set("NODES", size.nodes ?? 1);
  set("IRQ_ENTRY", pc("call_function_interrupt"));
  set("FAULT_ENTRY", pc("page_fault"));
  set("SWITCH_ENTRY", pc("context_switch"));
  set("IMAGE_INDEX", index("image"));
  set("FAULT_INDEX", index("page_fault"));
  set("SWITCH_INDEX", index("context_switch"));
  set("BOUND_ORDER", size.boundOrder);
  set("ENTRIES", program.entries.length);
  RECORD_KINDS.forEach((kind, i) => set("RECORD_WORDS", program.layout.words[kind], i));
  structures.arrays.forEach(({ sets, ways }, i) => {
    set("GEOMETRY", sets, i * 2);
    set("GEOMETRY", ways, i * 2 + 1);
  });
  structures.serves.forEach((structure, i) => set("STRUCTURE_OF", structure, i));
  const prices = instance.constants("PRICE_");
  for (const name of priceNames) {
    const at = prices.get(priceKey(name));
    if (at === undefined) throw new RangeError(`the engine has no price '${name}'`);
    set("PRICES", charges.prices[name], at);
  }
  if (charges.works.length > instance.value("WORKS_MAX"))
    throw new RangeError("the program has too many kinds of work");
  charges.works.forEach((price, i) => set("WORKS", price, i));
  if (program.entries.length > instance.value("ENTRIES_MAX"))
    throw new RangeError("the program has too many entries");
  program.entries.forEach((entry, i) => set("ENTRY_PC", entry.pc, i));
}

/** PRICE_MEM_L1 for memL1, PRICE_CR3_NO_FLUSH for cr3NoFlush. */
function priceKey(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase();
}
