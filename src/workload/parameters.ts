import { UsageError, unknownName } from "../errors.js";

/** A number that a workload takes. */
export interface Parameter {
  readonly name: string;
  readonly unit: "pages" | "cycles" | "count" | "percent";
  /** "cpus" is one for each simulated CPU. */
  readonly default: number | "cpus";
  /** On more CPUs than this the default falls with the square of their number, as each call interrupts all of them. */
  readonly fewerAbove?: number;
  readonly min: number;
  readonly max: number;
  readonly about: string;
}

/** Suffixes of a value: k and M are powers of ten. A number of pages can be given in bytes. */
const factors: Readonly<Record<string, number>> = { "": 1, k: 1000, M: 1_000_000 };
const byteFactors: Readonly<Record<string, number>> = { KiB: 1 / 4, MiB: 256, GiB: 262_144 };

/**
 * The values of a workload's parameters: those given ("16", "2k", "64KiB"), and defaults for the rest.
 *
 * Throws: UsageError for a name that the workload does not have, with the nearest one it has; for a text that is not a
 * whole number of the parameter's unit; and for a number out of range.
 */
export function parameterValues<N extends string>(
  workload: string,
  declared: readonly (Parameter & { readonly name: N })[],
  given: Readonly<Record<string, string>>,
  cpus: number,
): Readonly<Record<N, number>> {
  const names = declared.map(({ name }) => name);
  for (const name of Object.keys(given)) {
    if (!names.includes(name as N)) throw unknownName(`parameter of ${workload}`, name, names);
  }
  const values = declared.map((parameter) => [parameter.name, value(parameter, given[parameter.name], cpus)]);
  return Object.fromEntries(values) as Record<N, number>;
}

/** No less than two rounds, so that something that was unmapped is mapped again. */
const ROUNDS_MIN = 2;

function defaultOf(
  { default: otherwise, fewerAbove = Number.POSITIVE_INFINITY }: Parameter,
  cpus: number,
): number {
  if (otherwise === "cpus") return cpus;
  if (cpus <= fewerAbove) return otherwise;
  return Math.max(ROUNDS_MIN, Math.round(otherwise * (fewerAbove / cpus) ** 2));
}

function value(parameter: Parameter, text: string | undefined, cpus: number): number {
  if (text === undefined) return defaultOf(parameter, cpus);
  const { name, unit, min, max } = parameter;
  const [, digits, suffix] = /^(\d+)([A-Za-z]*)$/.exec(text) ?? [];
  const factor = factors[suffix ?? ""] ?? (unit === "pages" ? byteFactors[suffix ?? ""] : undefined);
  const number = digits === undefined || factor === undefined ? Number.NaN : Number(digits) * factor;
  if (Number.isInteger(number) && number >= min && number <= max) return number;
  const bytes = unit === "pages" ? ", or bytes as in 64KiB" : "";
  throw new UsageError(`${name} takes a whole number (${unit}) from ${min} to ${max}${bytes}; got '${text}'`);
}
