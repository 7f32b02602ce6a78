import { describe, expect, test } from "vitest";
import type { CommandModule } from "yargs";
import { checkCommand } from "../src/cli/check.js";
import { compareCommand } from "../src/cli/compare.js";
import { listCommand } from "../src/cli/list.js";
import type { RawOptions } from "../src/cli/options.js";
import { plainLine } from "../src/cli/plain-line.js";
import { replayCommand } from "../src/cli/replay.js";
import { runCommand } from "../src/cli/run.js";
import { runByYargs } from "../src/cli/yargs-line.js";

const commands = [runCommand, compareCommand, replayCommand, checkCommand, listCommand];

/** What yargs hands over: without its own names, spellings in camelCase and lists of nothing. */
async function byYargs(args: readonly string[]): Promise<{ command: unknown; raw: RawOptions }> {
  let got: { command: unknown; raw: RawOptions } | undefined;
  const recording = commands.map(
    (one): CommandModule => ({
      ...one,
      handler: (raw) => {
        got = { command: one.command, raw };
      },
    }),
  );
  await runByYargs(args, recording);
  return { command: got!.command, raw: tidied(got!.raw) };
}

function tidied(raw: RawOptions): RawOptions {
  const own = Object.entries(raw).filter(
    ([name, value]) => !/^_$|^\$0$|[a-z][A-Z]/.test(name) && !(Array.isArray(value) && value.length === 0),
  );
  return Object.fromEntries(own);
}

describe("a plain command line", () => {
  test.each([
    "check",
    "check C-q1-lost-flag",
    "check B* --variant flag --json - --no-color",
    "check C-q1-lost-flag --model=weak --depth 12 --quiet --quiet",
    "check --seed 7 A1 --pct=100 A2 --no-reduction",
    "check A1 --symmetry --json -",
    "check A1 --json a --json b",
    "run munmap-loop",
    "run munmap-loop iterations=20 threads=0x10 --cpus 4 --param a.b=1e3",
    "compare munmap-loop --policy deferred,never --cpus 4 iterations=20 --set a=b --set c=d",
    "replay a.strace b.strace.gz --touch all --lenient",
    "list",
    "list machines",
    "list 12",
  ])("means to both readers the same: %s", async (line) => {
    const args = line.split(" ");
    const plain = plainLine(args, commands);
    expect({ command: plain?.command.command, raw: plain && tidied(plain.raw) }).toEqual(await byYargs(args));
  });

  test.each([
    "",
    "chek",
    "--quiet check",
    "check --help",
    "check --version",
    "check -h",
    "check --noColor",
    "check --jsn x",
    "check --json",
    "check --json= A1",
    "check --json -x",
    "check -- A1",
    "check 'A1'",
    "run",
    "replay --lenient",
    "list machines extra",
  ])("is not one that has a mistake or wants help: '%s'", (line) => {
    expect(plainLine(line.split(" "), commands)).toBeUndefined();
  });

  test("is none of a command that declares what only yargs understands", () => {
    const builder: CommandModule["builder"] = (yargs) => yargs.option("x", { type: "string", alias: "y" });
    expect(plainLine(["odd"], [{ command: "odd", builder, handler: () => {} }])).toBeUndefined();
    const choosy: CommandModule["builder"] = (yargs) => yargs.demandOption("x");
    expect(plainLine(["odd"], [{ command: "odd", builder: choosy, handler: () => {} }])).toBeUndefined();
  });
});
