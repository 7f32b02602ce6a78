/** Command lines read by yargs: all those that plain-line.ts does not take, with what is to be said about their mistakes. */
import { readFileSync } from "node:fs";
import type { Argv, CommandModule } from "yargs";
import { commandNames, usageError } from "./usage.js";

/** Reads a command line and runs its command. Throws: UsageError for a mistake, and what the command throws. */
export async function runByYargs(args: readonly string[], commands: readonly CommandModule[]): Promise<void> {
  const { default: yargs } = await import("yargs");
  const cli: Argv = yargs([...args]);
  await cli
    .scriptName("shootdown")
    .command([...commands])
    .demandCommand(1, `name a command: ${commandNames.join(", ")} (shootdown --help)`)
    .strict()
    // A number that yargs reads is no longer what was typed: "0x10", "1e3" and "" would all pass for numbers.
    .parserConfiguration({
      "parse-numbers": false,
      "parse-positional-numbers": false,
      "boolean-negation": false,
    })
    .locale("en")
    .version(version())
    .help()
    .exitProcess(false)
    .wrap(Math.min(100, process.stdout.columns ?? 100))
    .fail((message, error) => {
      // An error of yargs itself is a complaint too; any other was thrown by a command.
      if (error !== undefined && error !== null && error.name !== "YError") throw error;
      throw usageError(error?.message ?? message, args, optionNames(cli));
    })
    .parseAsync();
}

function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

/** The options of the command that is being parsed. The types leave getOptions() out. */
function optionNames(cli: Argv): string[] {
  const { key } = (cli as unknown as { getOptions(): { key: Record<string, unknown> } }).getOptions();
  return Object.keys(key);
}
