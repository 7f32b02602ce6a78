/** Numbers as people write them, with units. Each gives undefined for a text that is none of its kind. */
import { pageBytes } from "./feed.js";
import type { Duration } from "./plan.js";

const number = "(\\d+(?:\\.\\d+)?)";

/** As in a JSON Schema, so that an editor can tell too. `$name` stands for a parameter of the file. */
export const patterns = {
  size: `^${number} ?(pages?|B|KiB|MiB|GiB)$`,
  time: `^${number} ?(cycles?|ns|us|ms|s)$`,
  share: "^(100|\\d{1,2}(\\.\\d+)?)%$",
  count: "^\\d+[kM]?$",
} as const;

const bytesOf: Readonly<Record<string, number>> = {
  ...{ page: pageBytes, pages: pageBytes, B: 1 },
  ...{ KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 },
};
const nsOf: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };
const factors: Readonly<Record<string, number>> = { "": 1, k: 1e3, M: 1e6 };

/** "64KiB", "3 pages": bytes. */
export function bytesFrom(text: string): number | undefined {
  const [, digits, unit] = new RegExp(patterns.size).exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits) * bytesOf[unit!]!;
}

/** "2000 cycles", "1.5us". */
export function durationFrom(text: string): Duration | undefined {
  const [, digits, unit] = new RegExp(patterns.time).exec(text) ?? [];
  if (digits === undefined) return undefined;
  const factor = nsOf[unit!];
  return factor === undefined ? { cycles: Number(digits) } : { ns: Number(digits) * factor };
}

/** "30%" or 0.3: from 0 to 1. */
export function shareFrom(value: string | number): number {
  return typeof value === "number" ? value : Number(value.slice(0, -1)) / 100;
}

/** 200, "200", "20k", "1M". */
export function countFrom(value: string | number): number {
  if (typeof value === "number") return value;
  const [, digits, suffix] = /^(\d+)([kM]?)$/.exec(value)!;
  return Number(digits) * factors[suffix!]!;
}
