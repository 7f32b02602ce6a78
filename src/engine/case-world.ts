/** From a case to a world that is ready to be played: the setup done, threads and liberties in the engine's memory. */

import type { Case, Doing, Liberty } from "../dsl/case.js";
import { argumentOf, configOf, setUp } from "../reference/setup.js";
import type { Build } from "./load.js";
import { EngineMachine } from "./machine.js";
import { type GroupBits, opTable } from "./op-table.js";
import { writePieces } from "./piece-tables.js";
import { reductionBytes, writeReduction } from "./reduce-tables.js";
import { analyse, type Reduction } from "./reduction.js";
import { registersOf } from "./register-use.js";
import { piecesOf } from "./state-pieces.js";
import { symmetryOf } from "./symmetry.js";
import { maskWords, type PlacedSymmetry, symmetryBytes, writeSymmetry } from "./symmetry-tables.js";
import { aligned, Tables } from "./tables.js";
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
