/**
 * Command lines without a mistake in them, read without yargs: its loading and its help take longer than a small search.
 *
 * The commands' own declarations say what is an option. Whatever is wrong, asks for help, or can be written in more than one way is
 * left to yargs, so that there is one place that complains.
 */
import { parseArgs } from "node:util";
import type { Argv, CommandModule } from "yargs";
import type { RawOptions } from "./options.js";

export interface PlainLine {
  readonly command: CommandModule;
  /** What yargs would hand over, as far as the command has declared it. */
  readonly raw: RawOptions;
}

interface Declared {
  readonly type?: string;
  readonly default?: unknown;
}

/** What a declaration may say. Of anything else yargs knows the meaning. */
const SAYS: ReadonlySet<string> = new Set(["type", "default", "describe", "requiresArg"]);

/** yargs reads quotes and what follows `--` in ways of its own. */
const PECULIAR = /^--$|['"]/;

/** `args` is what stands behind the program's name. Undefined for what yargs has to read. */
export function plainLine(
  args: readonly string[],
  commands: readonly CommandModule[],
): PlainLine | undefined {
  const [name, ...rest] = args;
  const command = commands.find((one) => String(one.command).split(" ")[0] === name);
  if (command === undefined || rest.some((text) => PECULIAR.test(text))) return undefined;
  const options = declaredBy(command);
  const read = options && readOptions(rest, options);
  const places = read && placesOf(String(command.command), read.positionals);
  if (options === undefined || read === undefined || places === undefined) return undefined;
  const defaults = Object.entries(options).flatMap(([key, { default: value }]) =>
    value === undefined ? [] : [[key, value] as const],
  );
  return { command, raw: { ...Object.fromEntries(defaults), ...read.values, ...places } };
}

/** The options of a command, by running its declarations on something that only writes them down. */
function declaredBy({ builder }: CommandModule): Readonly<Record<string, Declared>> | undefined {
  if (typeof builder !== "function") return undefined;
  const options: Record<string, Declared> = {};
  const recorder = {
    option: (name: string, declared: Declared) => {
      if (!Object.keys(declared).every((key) => SAYS.has(key))) throw new RangeError(`--${name} says more`);
      options[name] = declared;
      return recorder;
    },
    positional: () => recorder,
  };
  try {
    builder(recorder as unknown as Argv);
  } catch {
    // It declares something that only yargs understands.
    return undefined;
  }
  return options;
}

interface Read {
  readonly values: RawOptions;
  readonly positionals: readonly string[];
}

function readOptions(
  args: readonly string[],
  declared: Readonly<Record<string, Declared>>,
): Read | undefined {
  const options = Object.fromEntries(
    Object.entries(declared).map(([name, { type }]) => [
      name,
      { type: type === "boolean" ? ("boolean" as const) : ("string" as const), multiple: true },
    ]),
  );
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    const given = Object.entries(values as Record<string, readonly unknown[]>);
    if (given.some(([, texts]) => texts.includes(""))) return undefined;
    const asYargs = given.map(([name, texts]) => [name, isOne(texts) ? texts[0] : texts] as const);
    return { values: Object.fromEntries(asYargs), positionals };
  } catch {
    return undefined;
  }
}

/** Twice the same flag is one flag. */
function isOne(values: readonly unknown[]): boolean {
  return values.length === 1 || values[0] === true;
}

/** "run <workload> [params..]": what stands where. Undefined when something is missing or left over. */
function placesOf(usage: string, given: readonly string[]): RawOptions | undefined {
  const places: Record<string, string | readonly string[]> = {};
  const left = [...given];
  for (const [, open, name, many] of usage.matchAll(/([<[])(\w+)(\.\.)?[>\]]/g)) {
    if (open === "<" && left.length === 0) return undefined;
    if (many !== undefined) places[name!] = left.splice(0);
    else if (left.length > 0) places[name!] = left.shift()!;
  }
  return left.length === 0 ? places : undefined;
}
