/** The scenarios of this package. A file of this folder whose name begins with the letter of a section is one. */

import { readdirSync } from "node:fs";
import { unknownName } from "../errors.js";
import type { Scenario } from "./scenario.js";

const folder = new URL(".", import.meta.url);
/** Tests import this file as TypeScript. */
const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
const SCENARIO_FILE = /^([A-Z].*)\.[jt]s$/;

/** In alphabetical order, numbers by their value: "B5-..." before "B11-...". Nothing is imported for it. */
export function scenarioNames(): string[] {
  const names = readdirSync(folder)
    .filter((file) => !file.endsWith(".d.ts"))
    .flatMap((file) => SCENARIO_FILE.exec(file)?.[1] ?? []);
  return [...new Set(names)].sort(byNumbersInNames);
}

/** Imports the one scenario. Throws: UsageError for a name that is none. */
export async function scenarioNamed(name: string): Promise<Scenario> {
  const known = scenarioNames();
  if (!known.includes(name)) throw unknownName("scenario", name, known);
  const { subject } = (await import(new URL(`${name}.${extension}`, folder).href)) as { subject: Scenario };
  return subject;
}

/** No locale is asked: the order is the same everywhere. */
export function byNumbersInNames(a: string, b: string): number {
  const [left, right] = [a, b].map((name) => name.split(/(\d+)/));
  for (let at = 0; at < Math.max(left!.length, right!.length); at++) {
    const [one = "", other = ""] = [left![at], right![at]];
    const difference = at % 2 === 1 ? Number(one) - Number(other) : 0;
    if (difference !== 0) return difference;
    if (one !== other) return one < other ? -1 : 1;
  }
  return 0;
}
