#!/usr/bin/env node
import { readFileSync } from "node:fs";
import type { Argv, CommandModule } from "yargs";
import { isPersonsError } from "../errors.js";
import { checkCommand } from "./check.js";
import { compareCommand } from "./compare.js";
import { printLines } from "./deliver.js";
import { errorText, exitCodes } from "./exit-codes.js";
import { helpLines } from "./help.js";
import { listCommand } from "./list.js";
import { replayCommand } from "./replay.js";
import { runCommand } from "./run.js";
import { traceCommand } from "./trace.js";
import { commandNames, refuseLost, usageError } from "./usage.js";
import { validateCommand } from "./validate.js";

const commands: readonly CommandModule[] = [
  runCommand,
  compareCommand,
  replayCommand,
  traceCommand,
  checkCommand,
  validateCommand,
  listCommand,
];
const helpWords: ReadonlySet<string | undefined> = new Set(["--help", "-h", "help"]);

/** `shootdown ... | head` closes our stdout early: that is no error of anybody's. A full disk is, and no violation: that is 1. */
function endWhenNobodyCanRead(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(process.exitCode ?? exitCodes.done);
      if (stream === process.stdout)
        process.stderr.write(`shootdown: cannot write to stdout: ${error.message}\n`);
      process.exit(exitCodes.usage);
    });
  }
}

function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

async function parse(args: readonly string[]): Promise<void> {
  const { default: yargs } = await import("yargs");
  const cli: Argv = yargs([...args]);
  layOutHelpOnDemand(cli);
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
    .middleware(() => refuseLost(args, flagNames(cli)), true)
    .exitProcess(false)
    .wrap(Math.min(100, process.stdout.columns ?? 100))
    .fail((message, error) => {
      // An error of yargs itself is a complaint too; any other was thrown by a command.
      if (error !== undefined && error !== null && error.name !== "YError") throw error;
      throw usageError(error?.message ?? message, args, optionNames(cli));
    })
    .parseAsync();
}

/**
 * yargs lays out the help of every command that it runs, in case a message wants it: that takes longer than a small search, and our
 * messages never do. The types leave getInternalMethods() out.
 */
function layOutHelpOnDemand(cli: Argv): void {
  interface Internals {
    getInternalMethods(): { getUsageInstance(): { cacheHelpMessage: () => void } };
  }
  (cli as unknown as Internals).getInternalMethods().getUsageInstance().cacheHelpMessage = () => {};
}

/** Those of them that take no value. */
function flagNames(cli: Argv): string[] {
  return (cli as unknown as { getOptions(): { boolean: string[] } }).getOptions().boolean;
}

/** The options of the command that is being parsed. The types leave getOptions() out. */
function optionNames(cli: Argv): string[] {
  const { key } = (cli as unknown as { getOptions(): { key: Record<string, unknown> } }).getOptions();
  return Object.keys(key);
}

async function main(): Promise<void> {
  endWhenNobodyCanRead();
  const args = process.argv.slice(2);
  try {
    if (args.length === 1 && helpWords.has(args[0])) printLines(helpLines(commands));
    else await parse(args);
  } catch (error) {
    process.stderr.write(`${errorText(error)}\n`);
    process.exitCode = isPersonsError(error) ? exitCodes.usage : exitCodes.internal;
  }
}

await main();
