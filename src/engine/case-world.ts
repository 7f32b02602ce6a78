/** From a case to a world that is ready to be played: the setup done, threads and liberties in the engine's memory. */

import type { Case, Doing, Liberty } from "../dsl/case.js";
import { argumentOf, configOf, setUp } from "../reference/setup.js";
import type { Build } from "./load.js";
import { EngineMachine } from "./machine.js";
import { type GroupBits, opTable } from "./op-table.js";
import { reductionBytes, writeReduction } from "./reduce-tables.js";
import { analyse, type Reduction } from "./reduction.js";
import { registersOf } from "./register-use.js";
import { type Piece, piecesOf, type Run } from "./state-pieces.js";
import { symmetryOf } from "./symmetry.js";
import { maskWords, type PlacedSymmetry, symmetryBytes, writeSymmetry } from "./symmetry-tables.js";
import type { World } from "./world.js";

/** A case in the engine, before the first choice. */
export interface CaseWorld {
  readonly play: Case;
  readonly machine: EngineMachine;
  readonly world: World;
  /** Address of the control words; the tables lie behind them. */
  readonly control: number;
  /** First byte behind the tables. */
  readonly free: number;
}

export interface CaseWorldOptions {
  readonly build?: Build;
  /** States will be loaded: nothing may depend on what lies outside of them. */
  readonly searched?: boolean;
  /** Choices that make no difference may be left out (docs/modelling.md); nothing is left out unless said. */
  readonly reduce?: boolean | ((reduction: Reduction) => Reduction);
  /** States that differ in the numbers of identical CPUs may be taken for one (docs/modelling.md). */
  readonly symmetry?: boolean | ((symmetry: PlacedSymmetry) => PlacedSymmetry);
}

const SAMPLES_HEAD = 64;

/** Mappings of an address space and pages of files that a small machine can hold. */
const RANGES = 12;
const CACHE = 16;

/** Throws UsageError or EngineAbort, naming the step of the setup that fails. */
export function createCaseWorld(
  play: Case,
  { build = "release", searched = false, reduce = false, symmetry = false }: CaseWorldOptions = {},
): CaseWorld {
  const machine = new EngineMachine(play.program, configOf(play.machine), build, undefined, {
    ranges: RANGES,
    cache: CACHE,
    ring: 2,
    lines: 2,
    canonical: true,
    searched,
    devices: play.devices ?? [],
  });
  setUp(machine, play.setup);
  const { world } = machine;
  forgetStatistics(world);
  const control = aligned(world.value("memoryEnd"));
  const tables = new Tables(world, control + world.value("SC_WORDS") * 4);
  const told = {
    ...writeTables(play, machine, tables),
    REDUCTION: reduction(play, machine, tables, reduce),
    SYMMETRY: symmetryTables(play, machine, tables, symmetry),
  };
  const words = new Uint32Array(world.memory.buffer, control, world.value("SC_WORDS"));
  for (const [name, value] of Object.entries({ ...told, FREE: tables.at }))
    words[world.value(`SC_${name}`)] = value;
  world.functions.beginPlay(control);
  return { play, machine, world, control, free: tables.at };
}

/** Address of the tables of a reduction; 0 for none. */
function reduction(
  play: Case,
  machine: EngineMachine,
  tables: Tables,
  reduce: boolean | ((right: Reduction) => Reduction),
): number {
  if (reduce === false) return 0;
  const known = analyse(play, (kind, record, word) => machine.peek(kind, record, word));
  if (known === undefined) return 0;
  const used = reduce === true ? known : reduce(known);
  const { at } = tables.take(reductionBytes(machine.world, used));
  writeReduction(machine.world, at, used);
  return at;
}

/** Address of the tables of identical CPUs; 0 where there are none. */
function symmetryTables(
  play: Case,
  { world }: EngineMachine,
  tables: Tables,
  symmetry: NonNullable<CaseWorldOptions["symmetry"]>,
): number {
  const known = symmetry === false ? undefined : symmetryOf(play);
  if (known === undefined) return 0;
  const placed = { ...known, masks: maskWords(world) };
  const used = typeof symmetry === "function" ? symmetry(placed) : placed;
  const { at } = tables.take(symmetryBytes(world, used));
  writeSymmetry(world, at, used);
  return at;
}

/** What the setup did is not counted. Samples, a megabyte that nobody touches without a clock, count by their head. */
function forgetStatistics(world: World): void {
  const samples = world.value("samples");
  world.u8.fill(0, world.value("statsBase"), samples + SAMPLES_HEAD);
}

function aligned(address: number): number {
  return Math.ceil(address / 64) * 64;
}

/** Appends tables behind everything else; memory grows with them. */
class Tables {
  at: number;
  readonly #world: World;

  constructor(world: World, at: number) {
    this.#world = world;
    this.at = aligned(at);
  }

  /** A view of fresh, zeroed memory. */
  take(bytes: number): { readonly at: number; readonly view: DataView } {
    const { memory } = this.#world;
    const at = this.at;
    this.at = aligned(at + bytes);
    const missing = this.at - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / 65536));
    return { at, view: new DataView(memory.buffer, at, bytes) };
  }
}

function writeTables(play: Case, machine: EngineMachine, tables: Tables): Record<string, number> {
  const { world } = machine;
  const groups = piecesOf(world, registersOf(play));
  return {
    OPS: writeOps(world, tables),
    SCRIPTS: writeScripts(play, machine, tables),
    LIBERTIES: writeLiberties(play.liberties, world, tables),
    LIBERTY_COUNT: play.liberties.length,
    BROADCASTS: play.program.ops.some(({ op }) => op === "TLBI") ? 1 : 0,
    ...writePieces(groups, world, tables),
  };
}

function writeOps(world: World, tables: Tables): number {
  const bit = (name: string): number => 1 << world.value(`GROUP_${name}`);
  const bits: GroupBits = {
    tables: bit("TABLES"),
    frames: bit("FRAMES"),
    ranges: bit("RANGES"),
    cache: bit("CACHE"),
    holders: bit("HOLDERS"),
    cpus: bit("CPUS"),
    queue: bit("OWN_QUEUE"),
    entries: bit("OWN_ENTRIES"),
    all: bit("CPU") - bit("TABLES"),
  };
  const { live, written, groups, looks } = opTable(world.program, bits);
  const { at, view } = tables.take(groups.length * 24);
  for (let pc = 0; pc < groups.length; pc++) {
    const { looks: what, keeps } = looks[pc]!;
    const looksAt = world.value(`LOOKS_${what}`) | (keeps ? world.value("LOOKS_KEEPS") : 0);
    const words = [live.low[pc]!, live.high[pc]!, written.low[pc]!, written.high[pc]!, groups[pc]!, looksAt];
    for (const [word, value] of words.entries()) view.setUint32(pc * 24 + word * 4, value, true);
  }
  return at;
}

const ITEM_BYTES = 64;
const ARGUMENTS_MOST = 6;

function writeScripts(play: Case, machine: EngineMachine, tables: Tables): number {
  const { world } = machine;
  const { at, view } = tables.take(world.size.cpus * 8);
  for (const { cpu, does } of play.threads) {
    const items = tables.take(does.length * ITEM_BYTES);
    does.forEach((item, index) => {
      writeItem(new DataView(items.view.buffer, items.at + index * ITEM_BYTES, ITEM_BYTES), item, machine);
    });
    view.setUint32(cpu * 8, items.at, true);
    view.setUint32(cpu * 8 + 4, does.length, true);
  }
  return at;
}

function writeItem(view: DataView, item: Doing, machine: EngineMachine): void {
  const { world } = machine;
  if ("access" in item) {
    view.setUint32(0, world.value("ITEM_ACCESS"), true);
    view.setUint32(4, item.vpn, true);
    view.setUint32(8, item.access, true);
  } else if ("switchTo" in item) {
    view.setUint32(0, world.value("ITEM_SWITCH"), true);
    view.setUint32(4, item.switchTo, true);
  } else {
    if (item.args.length > ARGUMENTS_MOST)
      throw new RangeError(`${item.call} has more than ${ARGUMENTS_MOST} arguments`);
    view.setUint32(0, world.value("ITEM_CALL"), true);
    view.setUint32(4, world.entryPc(item.call), true);
    view.setUint32(12, item.args.length, true);
    item.args.forEach((argument, index) => {
      view.setBigUint64(16 + index * 8, argumentOf(machine, argument), true);
    });
  }
}

function writeLiberties(liberties: readonly Liberty[], world: World, tables: Tables): number {
  const kinds = { touch: "LIBERTY_TOUCH", fill: "LIBERTY_FILL", evict: "LIBERTY_EVICT" } as const;
  const { at, view } = tables.take(liberties.length * 16);
  liberties.forEach(({ cpu, may, vpn, kind = 0 }, index) => {
    [world.value(kinds[may]), cpu, vpn, kind].forEach((word, i) => {
      view.setUint32(index * 16 + i * 4, word, true);
    });
  });
  return at;
}

const PIECE_BYTES = 32;

function writePieces(
  groups: readonly (readonly Run[])[],
  world: World,
  tables: Tables,
): Record<string, number> {
  const all = groups.flatMap((runs) => runs.flatMap(({ pieces }) => pieces));
  const parts = groups.flatMap((runs, group) =>
    runs.flatMap(({ pieces }) => pieces.map((_, index) => partOf(world, group, index))),
  );
  const pieces = tables.take(all.length * PIECE_BYTES);
  all.forEach(({ address, masks }, number) => {
    pieces.view.setBigUint64(number * PIECE_BYTES, masks[0], true);
    pieces.view.setBigUint64(number * PIECE_BYTES + 8, masks[1], true);
    pieces.view.setBigUint64(number * PIECE_BYTES + 16, salt(number), true);
    pieces.view.setUint32(number * PIECE_BYTES + 24, address, true);
    pieces.view.setUint32(number * PIECE_BYTES + 28, parts[number]!, true);
  });
  const directory = tables.take(groups.length * 8);
  const pieceOf = writePieceNumbers(all, world, tables);
  let number = 0;
  groups.forEach((runs, group) => {
    const table = tables.take(runs.length * 16);
    runs.forEach((run, index) => {
      table.view.setUint32(index * 16, run.pieces[0]!.address, true);
      table.view.setUint32(index * 16 + 4, run.pieces.length, true);
      table.view.setUint32(index * 16 + 8, number, true);
      number += run.pieces.length;
    });
    directory.view.setUint32(group * 8, table.at, true);
    directory.view.setUint32(group * 8 + 4, runs.length, true);
  });
  return { PIECES: pieces.at, PIECE_COUNT: all.length, PIECE_OF: pieceOf, GROUPS: directory.at };
}

/** Pieces of a CPU's flags in which nobody else looks at anything: program counters, and what goes with them. */
const UNSEEN_FLAGS = 2;

const PART_OF_GROUP = {
  TABLES: "PART_TABLES",
  FRAMES: "PART_FRAMES",
  RANGES: "PART_REST",
  CACHE: "PART_REST",
  HOLDERS: "PART_REST",
} as const;

/** The part of a state (assembly/pieces.ts) that a piece belongs to, by its group and its place in it. */
function partOf(world: World, group: number, index: number): number {
  const value = (name: string): number => world.value(name);
  const first = value("GROUP_CPU");
  if (group < first) {
    const shared = Object.entries(PART_OF_GROUP).find(([name]) => value(`GROUP_${name}`) === group);
    return value(shared?.[1] ?? "PART_NONE");
  }
  const kind = (group - first) % value("OF_CPU");
  const isSeen = kind === value("OF_CPU_FLAGS") && index >= UNSEEN_FLAGS;
  const name =
    kind === value("OF_CPU_QUEUE")
      ? "QUEUE"
      : kind === value("OF_CPU_ENTRIES")
        ? "ENTRIES"
        : isSeen
          ? "SEEN"
          : "OWN";
  const cpu = Math.floor((group - first) / value("OF_CPU"));
  return value("PART_CPU") + cpu * value("PARTS_OF_CPU") + value(`PART_OF_CPU_${name}`);
}

/** For each word up to the frames, of records, page tables and what is known of those, the piece that it is in. */
function writePieceNumbers(pieces: readonly Piece[], world: World, tables: Tables): number {
  const from = world.value("stateBase");
  const words = (world.value("frameMeta") - from) / 8;
  const { at, view } = tables.take(words * 2);
  for (let word = 0; word < words; word++) view.setUint16(word * 2, world.value("NO_PIECE"), true);
  pieces.forEach(({ address }, number) => {
    const word = (address - from) / 8;
    for (const one of [word, word + 1]) if (one < words) view.setUint16(one * 2, number, true);
  });
  return at;
}

/** A fixed random number for each piece: SplitMix64. */
function salt(number: number): bigint {
  const mixed = (value: bigint, shift: bigint, factor: bigint): bigint =>
    BigInt.asUintN(64, (value ^ (value >> shift)) * factor);
  const start = BigInt.asUintN(64, BigInt(number + 1) * 0x9e3779b97f4a7c15n);
  const once = mixed(start, 30n, 0xbf58476d1ce4e5b9n);
  const twice = mixed(once, 27n, 0x94d049bb133111ebn);
  return twice ^ (twice >> 31n);
}
