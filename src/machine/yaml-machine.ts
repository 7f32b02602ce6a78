/** Machine files: a preset, and what is different. */
import { basename } from "node:path";
import { unknownKey, YamlFile, type YamlPath } from "../yaml-file.js";
import {
  type Geometry,
  type MachinePreset,
  machineNumbers,
  type PriceName,
  type Provenance,
  type Quantity,
  type StructureName,
  type TimeUnit,
  toCycles,
} from "./preset.js";
import { machines } from "./presets.js";
import { type MachineText, machineSchema, patterns, type Sourced } from "./yaml-schema.js";

/** Prices without which time would stand still, or a quantum would have no length. */
const neverFree: readonly PriceName[] = [
  ...(["access", "syscallEntry", "faultEntry", "irqEntry", "contextSwitch"] as const),
  ...(["ipiDeliverSmt", "ipiDeliverCcx", "ipiDeliverSocket", "ipiDeliverRemote"] as const),
];
/** Cycles: far more than anything takes, and a sum of many still fits. */
const cyclesMax = 1_000_000_000;
const nsOf: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6 };

/**
 * The machine that a file describes.
 *
 * Throws: UsageError with file, line and column of the first mistake, what was expected there, and the nearest name.
 */
export function readMachineFile(file: string): MachinePreset {
  return machineFrom(new YamlFile(file));
}

export function machineFrom(yaml: YamlFile): MachinePreset {
  const text = yaml.check(machineSchema, yaml.data);
  const base = machines.find(({ name }) => name === text.extends);
  if (base === undefined) {
    const names = machines.map(({ name }) => name);
    throw yaml.error(["extends"], unknownKey(text.extends, names, "machine"));
  }
  const own = new Reader(yaml, text);
  const machine: MachinePreset = {
    ...base,
    name: text.name ?? basename(yaml.file).replace(/\.ya?ml$/i, ""),
    title: text.title ?? `${base.name}, changed by ${basename(yaml.file)}`,
    ghz: own.clock(base.ghz),
    topology: own.counts(base.topology),
    structures: own.structures(base.structures),
    prices: own.times("prices", base.prices, text.prices),
    work: own.times("work", base.work, text.work),
    ptiExtra: own.times("ptiExtra", base.ptiExtra, text.ptiExtra),
    pcid: text.pcid ?? base.pcid,
    pti: text.pti ?? base.pti,
  };
  checkMachine(yaml, machine);
  return machine;
}

class Reader {
  readonly #yaml: YamlFile;
  readonly #text: MachineText;

  constructor(yaml: YamlFile, text: MachineText) {
    this.#yaml = yaml;
    this.#text = text;
  }

  clock(base: MachinePreset["ghz"]): MachinePreset["ghz"] {
    const { clock } = this.#text;
    if (clock === undefined) return base;
    const [, digits, unit] = new RegExp(patterns.clock).exec(plain(clock))!;
    const value = unit === "MHz" ? Number(digits) / 1000 : Number(digits);
    if (value < 0.1 || value > 10)
      throw this.#yaml.error(["clock"], `expected 0.1 GHz to 10 GHz; got '${plain(clock)}'`);
    return { value, unit: "GHz", ...this.#origin(clock) };
  }

  counts(base: MachinePreset["topology"]): MachinePreset["topology"] {
    const changed = Object.entries(this.#text.topology ?? {}).flatMap(([name, given]) =>
      given === undefined ? [] : [[name, { value: plain(given), unit: "CPUs", ...this.#origin(given) }]],
    );
    return { ...base, ...Object.fromEntries(changed) };
  }

  structures(base: MachinePreset["structures"]): MachinePreset["structures"] {
    const all: Record<StructureName, Geometry> = { ...base };
    for (const [name, array] of Object.entries(this.#text.structures ?? {})) {
      if (array === undefined) continue;
      const path = ["structures", name];
      if (!("sharedWith" in array) && array.entries % array.ways !== 0)
        throw this.#yaml.error(
          path,
          `expected whole sets: entries that ${array.ways} ways divide; got ${array.entries}`,
        );
      all[name as StructureName] = { ...array, ...this.#stated };
    }
    for (const [name, array] of Object.entries(all)) {
      if (!("sharedWith" in array)) continue;
      const owner = all[array.sharedWith];
      const path = ["structures", this.#text.structures?.[name as StructureName] ? name : array.sharedWith];
      if ("sharedWith" in owner)
        throw this.#yaml.error(path, `${name} shares with ${array.sharedWith}, which shares too`);
    }
    return all;
  }

  /** `base` with the times that the file gives. */
  times<T extends Readonly<Record<string, Quantity<TimeUnit>>>>(
    part: string,
    base: T,
    given: Readonly<Record<string, Sourced<string> | undefined>> | undefined,
  ): T {
    const changed = Object.entries(given ?? {}).flatMap(([name, time]) => {
      if (time === undefined) return [];
      if (base[name] === undefined)
        throw this.#yaml.error([part, name], unknownKey(name, Object.keys(base)), "key");
      return [[name, this.#time(time)] as const];
    });
    return { ...base, ...Object.fromEntries(changed) };
  }

  #time(given: Sourced<string>): Quantity<TimeUnit> {
    const [, digits, unit] = new RegExp(patterns.time).exec(plain(given))!;
    const ns = nsOf[unit!];
    const origin = this.#origin(given);
    if (ns === undefined) return { value: Number(digits), unit: "cycles", ...origin };
    return { value: Number(digits) * ns, unit: "ns", ...origin };
  }

  get #stated(): Provenance {
    return { source: this.#text.source ?? `stated in ${basename(this.#yaml.file)}`, confidence: "D" };
  }

  #origin(given: Sourced<string> | Sourced<number>): Provenance {
    if (typeof given !== "object") return this.#stated;
    const { source, confidence } = this.#stated;
    return { source: given.source ?? source, confidence: given.confidence ?? confidence };
  }
}

/** What single values cannot tell. */
function checkMachine(yaml: YamlFile, machine: MachinePreset): void {
  const { coresPerCcx, coresPerSocket } = machine.topology;
  if (coresPerSocket.value % coresPerCcx.value !== 0)
    throw yaml.error(
      ["topology"],
      `expected core complexes that fill a socket: coresPerSocket ${coresPerSocket.value} is no multiple of ` +
        `coresPerCcx ${coresPerCcx.value}`,
    );
  for (const part of ["prices", "work", "ptiExtra"] as const) {
    for (const [name, price] of Object.entries(machine[part]) as [string, Quantity<TimeUnit>][]) {
      const cycles = toCycles(price, machine.ghz.value);
      const path: YamlPath = [part, name];
      if (cycles > cyclesMax)
        throw yaml.error(path, `expected at most ${cyclesMax} cycles; it is ${cycles} at this clock`);
      if (part === "prices" && cycles < 1 && (neverFree as readonly string[]).includes(name))
        throw yaml.error(path, `expected at least one cycle; it is ${cycles} at this clock`);
    }
  }
  const slots = Object.values(machineNumbers(machine).structures).reduce(
    (sum, { entries }) => sum + entries,
    0,
  );
  if (slots > 65_000) throw yaml.error(["structures"], `expected at most 65000 entries in all; got ${slots}`);
}

function plain<T extends string | number>(given: Sourced<T>): T {
  return typeof given === "object" ? given.value : given;
}
