/* What random programs run on: a configuration, the declared words, and two address spaces that the entry `boot` builds. */
import fc from "fast-check";
import type { FieldPlace, MicroOp, RecordKind, StateLayout } from "../src/dsl/program.js";
import { SMALL_CONFIG } from "../src/reference/small-config.js";
import type { MachineConfig } from "../src/reference/state.js";
import { at, op } from "./tiny-program.js";

/** A table above the leaves; `children` by index, as far as boot hooks them. */
export interface UpperTable {
  readonly table: number;
  readonly level: number;
  readonly children: readonly number[];
}

export interface World {
  readonly config: MachineConfig;
  /** No page is large or global: what an engine may take for the common case. */
  readonly plainPages: boolean;
  readonly layout: StateLayout;
  /** Entries of a table. */
  readonly entries: number;
  /** Pages that accesses go to: those of both leaf tables, and a few that nothing maps. */
  readonly pages: number;
  readonly dataWords: readonly {
    readonly kind: RecordKind;
    readonly records: number;
    readonly word: number;
  }[];
  readonly roots: readonly number[];
  readonly leafTables: readonly number[];
  readonly upperTables: readonly UpperTable[];
}

/** Words of the global record. */
const GLOBAL = { data: 0, lock: 2, rwlock: 3, mask: 4, frameSlot: 5, tableSlot: 6 } as const;
/** Words of a CPU's record: `asked` has a word per target, set while this CPU's call to it is under way. */
const CPU = { data: 0, mask: 1, asked: 2 } as const;

export const LOCK = at("global", GLOBAL.lock);
export const RWLOCK = at("global", GLOBAL.rwlock);
export const MASK = at("global", GLOBAL.mask);
/** Needs the CPU as record. */
export const OWN_MASK = at("cpu", CPU.mask);
export const ASKED = at("cpu", CPU.asked);
/** Needs the mm as record. */
export const PTL = at("mm", 1);
export const FRAME_SLOT = at("global", GLOBAL.frameSlot);
export const TABLE_SLOT = at("global", GLOBAL.tableSlot);

/** Tables 1..5 and 6..10: root, level 2, level 1, and two leaf tables. */
const TABLES_PER_SPACE = 5;
const SPACES = 2;
/** Frames that boot takes for good; the others come and go. */
const OWNED_FRAMES = 5;

/** Numbers of ways that an engine may treat apart: by the four, as in real machines, more than a vector has, and none of these. */
const SHAPES = ["narrow", "fours", "real", "full", "odd"] as const;

function arraysOf(
  shape: (typeof SHAPES)[number],
  sets: number,
  ways: number,
): Partial<Pick<MachineConfig, "geometry" | "pwc">> {
  const set = (ways: number, sets = 1) => ({ sets, ways });
  const { geometry, pwc } = SMALL_CONFIG;
  const real = { ...pwc, pde: set(8), pdpte: set(4), pml4e: set(4) };
  const shapes = {
    narrow: { geometry: { ...geometry, l1d4k: set(ways, sets), stlb4k: set(ways + 1, 4 - sets) } },
    fours: {
      geometry: { ...geometry, l1d4k: set(4), l1i4k: set(4), stlb4k: set(4, ways) },
    },
    real: { geometry: { ...geometry, l1d4k: set(4, ways), l1i4k: set(8), stlb4k: set(12) }, pwc: real },
    full: { geometry: { ...geometry, l1d4k: set(16 + sets), l1i4k: set(18), stlb4k: set(12) }, pwc: real },
    odd: {
      geometry: { ...geometry, l1d4k: set(4 + sets), l1i4k: set(3), stlb4k: set(5 + sets, sets) },
      pwc: { ...pwc, pdpte: set(3) },
    },
  };
  return shapes[shape];
}

const config: fc.Arbitrary<MachineConfig> = fc
  .record({
    cpus: fc.integer({ min: 2, max: 3 }),
    radixBits: fc.integer({ min: 1, max: 2 }),
    model: fc.constantFrom("sc", "tso", "weak"),
    storeBuffer: fc.constantFrom(1, 2, 4, 8),
    assist: fc.constantFrom("strict", "legacy", "knl"),
    freeHardware: fc.boolean(),
    // Small arrays lose their entries most often, which is what most differences show in.
    shape: fc.constantFrom<(typeof SHAPES)[number]>("narrow", "narrow", "narrow", "narrow", ...SHAPES),
    sets: fc.integer({ min: 1, max: 3 }),
    ways: fc.integer({ min: 1, max: 2 }),
    oneArray: fc.boolean(),
    hasDevice: fc.boolean(),
  })
  .map(({ shape, sets, ways, oneArray, hasDevice, ...rest }) => {
    const { geometry, pwc } = arraysOf(shape, sets, ways);
    const serves = { ...SMALL_CONFIG.serves, data: ["l1d4k", "l1d4k", "l1d4k"] } as const;
    return {
      ...SMALL_CONFIG,
      ...rest,
      ...(hasDevice && { devices: [rest.cpus - 1] }),
      geometry: { ...SMALL_CONFIG.geometry, ...geometry },
      pwc: { ...SMALL_CONFIG.pwc, ...pwc },
      serves: oneArray ? serves : SMALL_CONFIG.serves,
      frames: 10,
      tables: 14,
    };
  });

export const world: fc.Arbitrary<World> = fc.tuple(config, fc.boolean()).map(([chosen, plainPages]) => {
  const entries = 2 ** chosen.radixBits;
  const spaces = Array.from({ length: SPACES }, (_, space) => space * TABLES_PER_SPACE);
  return {
    config: chosen,
    plainPages,
    layout: layoutFor(chosen.cpus),
    entries,
    pages: 2 * entries + 2,
    dataWords: [
      { kind: "global", records: 1, word: GLOBAL.data },
      { kind: "global", records: 1, word: GLOBAL.data + 1 },
      { kind: "mm", records: chosen.mms, word: 0 },
      { kind: "cpu", records: chosen.cpus, word: CPU.data },
      { kind: "task", records: chosen.tasks, word: 0 },
      { kind: "table", records: chosen.tables, word: 0 },
      { kind: "frame", records: chosen.frames, word: 0 },
    ],
    roots: spaces.map((first) => first + 1),
    leafTables: spaces.flatMap((first) => [first + 4, first + 5]),
    upperTables: spaces.flatMap((first) => [
      { table: first + 1, level: 3, children: [first + 2] },
      { table: first + 2, level: 2, children: [first + 3] },
      { table: first + 3, level: 1, children: [first + 4, first + 5] },
    ]),
  };
});

/** A page; often one of the first two, so that what CPUs do meets. */
export function page({ pages }: World): fc.Arbitrary<number> {
  return fc.oneof(
    { weight: 2, arbitrary: fc.nat({ max: 1 }) },
    { weight: 1, arbitrary: fc.nat({ max: pages - 1 }) },
  );
}

function layoutFor(cpus: number): StateLayout {
  const field = (
    record: RecordKind,
    name: string,
    word: number,
    words = 1,
    kind: FieldPlace["kind"] = "word",
  ) => ({
    record,
    name,
    word,
    words,
    kind,
  });
  return {
    cpus,
    words: { global: 7, mm: 2, cpu: CPU.asked + cpus, task: 1, table: 1, frame: 1 },
    fields: [
      field("global", "data", GLOBAL.data, 2, "array"),
      field("global", "lock", GLOBAL.lock, 1, "lock"),
      field("global", "rwlock", GLOBAL.rwlock, 1, "rwlock"),
      field("global", "mask", GLOBAL.mask, 1, "mask"),
      field("global", "frameSlot", GLOBAL.frameSlot),
      field("global", "tableSlot", GLOBAL.tableSlot),
      field("mm", "data", 0),
      field("mm", "ptl", 1, 1, "lock"),
      field("cpu", "data", CPU.data),
      field("cpu", "mask", CPU.mask, 1, "mask"),
      field("cpu", "asked", CPU.asked, cpus, "array"),
      field("task", "mm", 0),
      field("table", "data", 0),
      field("frame", "data", 0),
    ],
  };
}

/** Builds both address spaces, maps the first pages of each, and puts a frame and a table into the slots. */
export function bootOps({ entries, upperTables, leafTables }: World): MicroOp[] {
  const li = (dst: number, imm: bigint | number) => op("LI", { dst, imm });
  const allocate = (table: number, level: number, page: number) => {
    const root = table - ((table - 1) % TABLES_PER_SPACE);
    return [
      li(1, root),
      li(2, level),
      li(3, page),
      op("TALLOC", { dst: 4, a: table === root ? 255 : 1, b: 2, c: 3 }),
    ];
  };
  const store = (table: number, index: number, pte: bigint) => [
    li(1, table),
    li(2, index),
    li(3, pte),
    op("PTE_XCHG", { dst: 4, a: 1, b: 2, c: 3 }),
  ];
  const tables = Array.from({ length: SPACES }, (_, space) => space * TABLES_PER_SPACE).flatMap((first) => [
    ...allocate(first + 1, 3, 0),
    ...allocate(first + 2, 2, 0),
    ...allocate(first + 3, 1, 0),
    ...allocate(first + 4, 0, 0),
    ...allocate(first + 5, 0, entries),
  ]);
  const pointers = upperTables.flatMap(({ table, children }) =>
    children.flatMap((child, index) => store(table, index, (BigInt(child) << 12n) | 7n)),
  );
  const frames = Array.from({ length: OWNED_FRAMES }, () => op("FALLOC", { dst: 4 }));
  const leaves = leafTables.flatMap((table, at) =>
    Array.from({ length: entries }, (_, index) => store(table, index, firstLeaf(at % 2, index))).flat(),
  );
  const slots = [
    op("FALLOC", { dst: 4 }),
    op("XCHG", { dst: 5, imm: FRAME_SLOT, c: 4 }),
    li(1, 1),
    li(2, 0),
    li(3, 0),
    op("TALLOC", { dst: 4, a: 1, b: 2, c: 3 }),
    op("XCHG", { dst: 5, imm: TABLE_SLOT, c: 4 }),
  ];
  return [...tables, ...pointers, ...frames, ...leaves, ...slots];
}

/** Even pages may be written, odd ones may not, nor executed; the first page of the second leaf table is the kernel's alone. */
function firstLeaf(half: number, index: number): bigint {
  const frame = BigInt(1 + ((2 * half + index) % OWNED_FRAMES)) << 12n;
  if (index % 2 === 1) return frame | 5n | (1n << 63n);
  return frame | (half === 1 && index === 0 ? 3n : 7n);
}

/** Every CPU runs this once after boot: it enters the address space given by its root and PCID. */
export const ENTER_OPS: readonly MicroOp[] = [op("LI", { dst: 2, imm: 0 }), op("CR3", { a: 0, b: 1, c: 2 })];
