/** What a run was made with: every number that decides its result besides workload and seed, and how well it is known. */
import { createHash } from "node:crypto";
import {
  type MachineNumbers,
  type MachinePreset,
  type Provenance,
  type Quantity,
  type TimeUnit,
  toCycles,
} from "../machine/preset.js";
import type { RunResult } from "./result.js";

type Configuration = RunResult["configuration"];
export type Mechanism = Configuration["mechanism"];
type Grade = Provenance["confidence"];

const grades: readonly Grade[] = ["A", "B", "C", "D"];

/** Digits of a hash: enough to tell any two configurations apart that somebody compares. */
const hashDigits = 12;

/**
 * The configuration as a result reports it. `mechanism` is what the kernel was assembled from: plain data.
 *
 * The weakest constant is one of the worst grade; of those, the dearest in cycles.
 */
export function configurationOf(
  preset: MachinePreset,
  numbers: MachineNumbers,
  mechanism: Mechanism,
): Configuration {
  const { name: _name, ...machine } = numbers;
  const constants = constantsOf(preset);
  const counts = grades.map((grade) => [
    grade,
    constants.filter(({ confidence }) => confidence === grade).length,
  ]);
  const effective = { mechanism, machine };
  return {
    hash: createHash("sha256").update(canonical(effective)).digest("hex").slice(0, hashDigits),
    weakest: weakestOf(constants),
    grades: Object.fromEntries(counts) as Record<Grade, number>,
    ...effective,
  };
}

interface Constant {
  readonly name: string;
  readonly confidence: Grade;
  readonly source: string;
  /** undefined for what is no time. */
  readonly cycles: number | undefined;
}

function constantsOf(preset: MachinePreset): Constant[] {
  const { ghz, topology, structures, prices, work, ptiExtra, pti } = preset;
  const plain = (name: string, { confidence, source }: Provenance): Constant => {
    return { name, confidence, source, cycles: undefined };
  };
  const times = (part: string, all: Readonly<Record<string, Quantity<TimeUnit>>>): Constant[] =>
    Object.entries(all).map(([name, price]) => {
      const { confidence, source } = price;
      return { name: `${part}.${name}`, confidence, source, cycles: toCycles(price, ghz.value) };
    });
  return [
    plain("clock", ghz),
    ...Object.entries(topology).map(([name, count]) => plain(`topology.${name}`, count)),
    ...Object.entries(structures).map(([name, array]) => plain(`structures.${name}`, array)),
    ...times("prices", prices),
    ...times("work", work),
    ...(pti ? times("ptiExtra", ptiExtra) : []),
  ];
}

function weakestOf(constants: readonly Constant[]): Configuration["weakest"] {
  const worst = grades.findLast((grade) => constants.some(({ confidence }) => confidence === grade))!;
  const among = constants.filter(({ confidence }) => confidence === worst);
  const { name, confidence, source, cycles } = among.reduce((dearest, one) =>
    (one.cycles ?? -1) > (dearest.cycles ?? -1) ? one : dearest,
  );
  return { constant: name, confidence, source, cycles: cycles ?? null };
}

/** JSON with sorted keys: equal data give equal text. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(",")}}`;
}
