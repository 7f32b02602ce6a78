import type { Argv } from "yargs";
import { UsageError, unknownName } from "../errors.js";

/** Options of every command that simulates, checked and with their defaults. */
export interface RunOptions {
  readonly machine: string;
  readonly cpus: number;
  /** The first is the baseline of a comparison. */
  readonly policies: readonly string[];
  readonly set: Readonly<Record<string, string>>;
  /** Sizes of the kernel that are not Linux's. */
  readonly tunables: Readonly<Record<string, number>>;
  /** A module that declares policies of one's own. */
  readonly file: string | undefined;
  readonly seed: number;
  readonly seeds: number;
  /** Undefined is as many as this machine can keep busy. */
  readonly threads: number | undefined;
  /** A path, "-" for stdout, or undefined. */
  readonly json: string | undefined;
  readonly quiet: boolean;
  readonly color: boolean;
  readonly progress: ProgressMode;
}

export const progressModes = ["auto", "plain", "json", "none"] as const;
export type ProgressMode = (typeof progressModes)[number];

export const cpusMax = 1024;
export const threadsMax = 256;
export const seedsMax = 1000;
/** Sizes that one may change and the kernel still keeps its rules, with the least that they may be: 0 is no ceiling but a full flush each time. */
const tunableLeast: Readonly<Record<string, number>> = {
  tlb_single_page_flush_ceiling: 0,
  MAX_GATHER_BATCH_COUNT: 1,
  fault_around_pages: 1,
};
const tunableNames = Object.keys(tunableLeast);
const tunableMax = 65_536;
const seedMax = Number.MAX_SAFE_INTEGER - seedsMax;

/** What yargs hands over: every option with a value is text here, or a list of texts when it was given twice. */
export type RawOptions = Readonly<Record<string, unknown>>;

/** Declare the options that all simulating commands share. Values are checked by runOptions, not by yargs. */
export function declareRunOptions(yargs: Argv, policy: string, policyHelp: string): Argv {
  const text = { type: "string", requiresArg: true } as const;
  return yargs
    .option("machine", {
      ...text,
      describe: "a machine (see `shootdown list machines`), or a YAML file that changes one",
      default: "skylake-sp",
    })
    .option("cpus", { ...text, describe: `simulated CPUs, 1 to ${cpusMax}`, default: "8" })
    .option("policy", { ...text, describe: policyHelp, default: policy })
    .option("set", {
      ...text,
      describe: "slot=variant: replace one variant of every policy; may be repeated",
    })
    .option("tunable", {
      ...text,
      describe:
        "name=number: a size of the kernel, such as tlb_single_page_flush_ceiling=64; may be repeated",
    })
    .option("file", { ...text, describe: "a module of your own (.ts or .js) that declares policies" })
    .option("seed", { ...text, describe: "seed of all randomness", default: "1" })
    .option("threads", {
      ...text,
      describe:
        "worker threads: runs side by side first, what is left shares one run (default: what helps here)",
    })
    .option("json", { ...text, describe: "write the result as JSON to FILE, or to stdout with -" })
    .option("progress", { ...text, describe: `on stderr: ${progressModes.join(", ")}`, default: "auto" })
    .option("quiet", { type: "boolean", describe: "print no table and no progress", default: false })
    .option("no-color", { type: "boolean", describe: "no colours, whatever the terminal", default: false });
}

export function declareSeeds(yargs: Argv): Argv {
  const describe = `runs per policy, with seeds from --seed upwards, 1 to ${seedsMax}`;
  return yargs.option("seeds", { type: "string", requiresArg: true, describe, default: "1" });
}

/** Throws: UsageError saying which option, what was given and what is accepted. */
export function runOptions(raw: RawOptions): RunOptions {
  return {
    machine: once(raw, "machine")!,
    cpus: wholeNumber(raw, "cpus", 1, cpusMax)!,
    policies: policyNames(once(raw, "policy")!),
    set: pairs(list(raw, "set"), "--set", "slot=variant"),
    tunables: tunables(pairs(list(raw, "tunable"), "--tunable", "name=number")),
    file: once(raw, "file"),
    seed: wholeNumber(raw, "seed", 0, seedMax)!,
    seeds: wholeNumber(raw, "seeds", 1, seedsMax) ?? 1,
    threads: wholeNumber(raw, "threads", 1, threadsMax),
    json: jsonTarget(once(raw, "json")),
    quiet: flag(raw, "quiet"),
    color: !flag(raw, "no-color"),
    progress: progressMode(once(raw, "progress")!),
  };
}

/** The value of an option that may be given once; undefined when it was not given and has no default. */
export function once(raw: RawOptions, name: string): string | undefined {
  const value = raw[name];
  if (Array.isArray(value)) throw new UsageError(`--${name} is given ${value.length} times; give it once`);
  return value === undefined ? undefined : String(value);
}

/** The values of an option that may be given any number of times. */
export function list(raw: RawOptions, name: string): string[] {
  const value = raw[name];
  if (value === undefined) return [];
  return (Array.isArray(value) ? value : [value]).map(String);
}

export function flag(raw: RawOptions, name: string): boolean {
  const value = raw[name];
  return Array.isArray(value) ? value.at(-1) === true : value === true;
}

/** Digits only: no sign, no exponent, no fraction. */
export function wholeNumber(raw: RawOptions, name: string, low: number, high: number): number | undefined {
  const text = once(raw, name);
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= low && value <= high) return value;
  throw new UsageError(`--${name} takes a whole number from ${low} to ${high}; got '${text}'`);
}

/** ["unmap=latr"] as {unmap: "latr"}. Throws: UsageError for a text without "=" and for a name given twice. */
export function pairs(texts: readonly string[], option: string, shape: string): Record<string, string> {
  const result = new Map<string, string>();
  for (const text of texts) {
    const at = text.indexOf("=");
    if (at <= 0 || at === text.length - 1) throw new UsageError(`${option} takes ${shape}; got '${text}'`);
    const name = text.slice(0, at);
    if (result.has(name)) throw new UsageError(`${option} names '${name}' twice; give it once`);
    result.set(name, text.slice(at + 1));
  }
  return Object.fromEntries(result);
}

/** Throws: UsageError for a name that is none, with the nearest one, and for what is no number in range. */
function tunables(given: Readonly<Record<string, string>>): Record<string, number> {
  const entries = Object.entries(given).map(([name, text]) => {
    if (!tunableNames.includes(name)) throw unknownName("tunable", name, tunableNames);
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    const least = tunableLeast[name]!;
    if (!(value >= least && value <= tunableMax))
      throw new UsageError(
        `--tunable ${name} takes a whole number from ${least} to ${tunableMax}; got '${text}'`,
      );
    return [name, value] as const;
  });
  return Object.fromEntries(entries);
}

function policyNames(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (names.includes("")) throw new UsageError(`--policy takes names separated by commas; got '${text}'`);
  if (twice !== undefined) throw new UsageError(`--policy names '${twice}' twice; give it once`);
  return names;
}

export function progressMode(text: string): ProgressMode {
  const mode = progressModes.find((candidate) => candidate === text);
  if (mode === undefined)
    throw new UsageError(`--progress takes one of ${progressModes.join(", ")}; got '${text}'`);
  return mode;
}

/** Where --json says to. Throws: UsageError for an empty text. */
export function jsonTarget(text: string | undefined): string | undefined {
  if (text === "") throw new UsageError("--json takes a file name, or - for stdout; got ''");
  return text;
}
