import { UsageError } from "../errors.js";

/** A: read first-hand in the primary text. B: an abstract's claim. C: second-hand. D: an assumption, stated as one. */
export type Confidence = "A" | "B" | "C" | "D";
export type TimeUnit = "cycles" | "ns";
export type Unit = TimeUnit | "GHz" | "CPUs" | "entries";

/** Where a number comes from: who measured it, on what, and a place to read it. */
export interface Provenance {
  readonly source: string;
  readonly confidence: Confidence;
}

export interface Quantity<U extends Unit = Unit> extends Provenance {
  readonly value: number;
  readonly unit: U;
}

/** A set-associative array of translations, without entries where the machine has none; or the name of the array that holds this size too. */
export type Geometry =
  | ({ readonly entries: number; readonly ways: number } & Provenance)
  | ({ readonly sharedWith: StructureName } & Provenance);

/** Prices that the engine asks for, one per kind of event. What each covers is said in docs/modelling.md. */
// biome-ignore format: grouped by what they price
export const priceNames = [
  "access", "stlbHit", "memL1", "memL2", "memL3", "memDram",
  "lineSmt", "lineCcx", "lineSocket", "lineRemote",
  "store", "rmw", "fence", "invlpg", "flushPcid", "flushAll", "cr3Flush", "cr3NoFlush", "irqToggle",
  "ipiSend", "ipiPerTarget", "ipiDeliverSmt", "ipiDeliverCcx", "ipiDeliverSocket", "ipiDeliverRemote",
  "irqEntry", "irqExit", "syscallEntry", "syscallExit", "faultEntry", "faultExit", "assist",
  "frameAlloc", "frameFree", "frameZero", "frameCopy", "tableAlloc", "tableFree",
  "rangeFind", "rangeSet", "cacheLoad", "cacheStore", "queuePush", "queuePop", "maskStep",
  "contextSwitch", "idleWake", "tlbi", "dsb", "frameRemote",
] as const;
export type PriceName = (typeof priceNames)[number];

/** Data side, instruction side, second level, paging-structure caches. */
// biome-ignore format: grouped as said
export const structureNames = [
  "l1d4k", "l1d2m", "l1d1g", "l1i4k", "l1i2m", "stlb", "stlb1g", "pde", "pdpte", "pml4e",
] as const;
export type StructureName = (typeof structureNames)[number];

export interface MachinePreset {
  readonly name: string;
  /** One line for `shootdown list machines`. */
  readonly title: string;
  readonly ghz: Quantity<"GHz">;
  readonly topology: Readonly<Record<TopologyName, Quantity<"CPUs">>>;
  readonly structures: Readonly<Record<StructureName, Geometry>>;
  readonly prices: Readonly<Record<PriceName, Quantity<TimeUnit>>>;
  /** Private kernel work by name (Program.works). A name that a program uses and that is not here is an error. */
  readonly work: Readonly<Record<string, Quantity<TimeUnit>>>;
  /** Added while page-table isolation is on: per kernel entry, per kernel exit, per INVLPG. */
  readonly ptiExtra: Readonly<Record<"entry" | "exit" | "invlpg", Quantity<TimeUnit>>>;
  readonly pcid: boolean;
  readonly pti: boolean;
}

export type TopologyName = "threadsPerCore" | "coresPerCcx" | "coresPerSocket" | "sockets";

/** A preset as the engine wants it: whole cycles, plain numbers, page-table isolation already added. */
export interface MachineNumbers {
  readonly name: string;
  readonly ghz: number;
  readonly topology: Readonly<Record<TopologyName, number>>;
  readonly structures: Readonly<Record<StructureName, ArrayShape>>;
  readonly prices: Readonly<Record<PriceName, number>>;
  readonly work: Readonly<Record<string, number>>;
  readonly pcid: boolean;
  readonly pti: boolean;
  /** No CPU may run further than this ahead of the others: the shortest time in which one can interrupt another. */
  readonly quantumCycles: number;
}

/** `owner` is the array that really holds the entries; it is the structure's own name unless it is shared. */
export interface ArrayShape {
  readonly entries: number;
  readonly ways: number;
  readonly owner: StructureName;
}

/** A number with its unit and its origin. Throws RangeError when the number is not one, or has no origin. */
export function quantity<U extends Unit>(value: number, unit: U, origin: Provenance): Quantity<U> {
  if (!Number.isFinite(value) || value < 0) throw new RangeError(`${value} ${unit} is not a quantity`);
  if (origin.source.trim() === "") throw new RangeError(`${value} ${unit} has no source`);
  return { value, unit, source: origin.source, confidence: origin.confidence };
}

/** The only place where nanoseconds become cycles. Rounded to whole cycles. */
export function toCycles(price: Quantity<TimeUnit>, ghz: number): number {
  return Math.round(price.unit === "ns" ? price.value * ghz : price.value);
}

const entryPrices: readonly PriceName[] = ["syscallEntry", "faultEntry", "irqEntry"];
const exitPrices: readonly PriceName[] = ["syscallExit", "faultExit", "irqExit"];
const deliveries = ["ipiDeliverSmt", "ipiDeliverCcx", "ipiDeliverSocket", "ipiDeliverRemote"] as const;

/** Everything the engine needs to know of a machine, in whole cycles. */
export function machineNumbers(preset: MachinePreset): MachineNumbers {
  const ghz = preset.ghz.value;
  const cycles = (price: Quantity<TimeUnit>): number => toCycles(price, ghz);
  const prices = mapValues(preset.prices, cycles);
  if (preset.pti) {
    for (const name of entryPrices) prices[name] += cycles(preset.ptiExtra.entry);
    for (const name of exitPrices) prices[name] += cycles(preset.ptiExtra.exit);
    prices.invlpg += cycles(preset.ptiExtra.invlpg);
  }
  return {
    name: preset.name,
    ghz,
    topology: mapValues(preset.topology, (count) => count.value),
    structures: mapValues(preset.structures, (geometry, name) => arrayShape(preset, geometry, name)),
    prices,
    work: mapValues(preset.work, cycles),
    pcid: preset.pcid,
    pti: preset.pti,
    quantumCycles: Math.min(...deliveries.map((name) => prices[name])),
  };
}

/**
 * Prices of a program's private work, in the order of `names` (Program.works).
 *
 * Throws: UsageError naming every work that the machine has no price for.
 */
export function workPrices(machine: MachineNumbers, names: readonly string[]): number[] {
  const missing = names.filter((name) => machine.work[name] === undefined);
  if (missing.length > 0) {
    throw new UsageError(`machine '${machine.name}' has no price for the kernel work: ${missing.join(", ")}`);
  }
  return names.map((name) => machine.work[name]!);
}

/** How many CPUs the machine has. */
export function cpuCount(preset: MachinePreset): number {
  const { threadsPerCore, coresPerSocket, sockets } = preset.topology;
  return threadsPerCore.value * coresPerSocket.value * sockets.value;
}

function arrayShape(preset: MachinePreset, geometry: Geometry, owner: StructureName): ArrayShape {
  if (!("sharedWith" in geometry)) return { entries: geometry.entries, ways: geometry.ways, owner };
  const shared = preset.structures[geometry.sharedWith];
  if ("sharedWith" in shared)
    throw new RangeError(`${owner} shares with ${geometry.sharedWith}, which shares too`);
  return { entries: shared.entries, ways: shared.ways, owner: geometry.sharedWith };
}

function mapValues<K extends string, V, R>(
  from: Readonly<Record<K, V>>,
  change: (value: V, key: K) => R,
): Record<K, R> {
  const entries = Object.entries(from) as [K, V][];
  return Object.fromEntries(entries.map(([key, value]) => [key, change(value, key)])) as Record<K, R>;
}
