#!/usr/bin/env node
import type { CommandModule } from "yargs";
import { isPersonsError } from "../errors.js";
import { checkCommand } from "./check.js";
import { compareCommand } from "./compare.js";
import { printLines } from "./deliver.js";
import { errorText, exitCodes } from "./exit-codes.js";
import { helpLines } from "./help.js";
import { listCommand } from "./list.js";
import { plainLine } from "./plain-line.js";
import { replayCommand } from "./replay.js";
import { runCommand } from "./run.js";

const commands: readonly CommandModule[] = [
  runCommand,
  compareCommand,
  replayCommand,
  checkCommand,
  listCommand,
];
const helpWords: ReadonlySet<string | undefined> = new Set(["--help", "-h", "help"]);

/** `shootdown ... | head` closes our stdout early: that is no error of anybody's. */
function endQuietlyWhenNobodyReads(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      process.exit(process.exitCode ?? exitCodes.done);
    });
  }
}

async function run(args: readonly string[]): Promise<void> {
  const plain = plainLine(args, commands);
  if (plain === undefined) await (await import("./yargs-line.js")).runByYargs(args, commands);
  else await plain.command.handler({ ...plain.raw, _: [], $0: "shootdown" });
}

async function main(): Promise<void> {
  endQuietlyWhenNobodyReads();
  const args = process.argv.slice(2);
  try {
    if (args.length === 1 && helpWords.has(args[0])) printLines(helpLines(commands));
    else await run(args);
  } catch (error) {
    process.stderr.write(`${errorText(error)}\n`);
    process.exitCode = isPersonsError(error) ? exitCodes.usage : exitCodes.internal;
  }
}

await main();
