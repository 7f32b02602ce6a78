import { nearestName, UsageError } from "../errors.js";

export const commandNames = ["run", "compare", "replay", "trace", "check", "validate", "list"] as const;

/**
 * yargs' complaint as one line of ours: what was given, what is accepted, the nearest name.
 *
 * `args` is the command line after the program's name; `options` are the names that the command takes.
 */
export function usageError(message: string, args: readonly string[], options: readonly string[]): UsageError {
  const command = commandNames.find((name) => name === args[0]);
  const help = command === undefined ? "(shootdown --help)" : `(shootdown ${command} --help)`;
  const unknown = /^Unknown (?:argument|command)s?: ([^,]+)/.exec(message)?.[1];
  if (unknown !== undefined) return unknownArgument(unknown, args, options, command, help);
  const valueless = /^Not enough arguments following: (.+)/.exec(message)?.[1];
  if (valueless !== undefined) return new UsageError(`--${valueless} needs a value ${help}`);
  if (/^Not enough non-option arguments/.test(message) && command !== undefined) {
    const missing =
      command === "replay"
        ? "a trace file"
        : command === "trace"
          ? "pack, info or head, and a trace file"
          : "a workload; `shootdown list workloads` names them";
    return new UsageError(`${command} needs ${missing} ${help}`);
  }
  return new UsageError(message.replaceAll("\n", " "));
}

/**
 * What yargs takes and then loses: "-" that is no option's value, what stands behind "--", and a word for a flag.
 *
 * `args` is the command line after the program's name; `flags` are the names of options without a value.
 * Throws: UsageError for the first of them.
 */
export function refuseLost(args: readonly string[], flags: readonly string[]): void {
  const isFlag = (name: string): boolean => flags.includes(name);
  for (const [index, arg] of args.entries()) {
    if (arg === "--" && index < args.length - 1)
      throw new UsageError(
        `unexpected argument '${args[index + 1]}' behind --: names and options stand before it`,
      );
    const before = args[index - 1] ?? "";
    const isValue = before.startsWith("-") && before !== "-" && !isFlag(before.replace(/^-+/, ""));
    if (arg === "-" && !isValue)
      throw new UsageError("unexpected argument '-': standard input is not read; name a file");
    const [, name, word] = /^--([^=]+)=(.*)$/s.exec(arg) ?? [];
    if (name !== undefined && isFlag(name) && word !== "true" && word !== "false")
      throw new UsageError(`--${name} takes no value; got '${word}'`);
  }
}

function unknownArgument(
  given: string,
  args: readonly string[],
  options: readonly string[],
  command: string | undefined,
  help: string,
): UsageError {
  const first = args[0] ?? "";
  if (command === undefined && first !== "" && !first.startsWith("-")) return unknownCommand(first);
  const written = args.find((arg) => /^-+/.test(arg) && arg.replace(/^-+/, "").split("=")[0] === given);
  if (written !== undefined) {
    const near = nearestName(given, options);
    const hint = near === undefined ? "" : `; did you mean --${near}?`;
    return new UsageError(`unknown option ${written.split("=")[0]}${hint} ${help}`);
  }
  return new UsageError(`unexpected argument '${given}' ${help}`);
}

function unknownCommand(given: string): UsageError {
  const near = nearestName(given, commandNames);
  const hint = near === undefined ? "" : ` did you mean '${near}'?`;
  return new UsageError(`unknown command '${given}';${hint} known: ${commandNames.join(", ")}`);
}
