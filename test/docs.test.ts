/**
 * The documentation says what is true today: links lead somewhere, commands can be typed, samples are what the program
 * prints. UPDATE_GOLDEN=1 rewrites the samples. docs-tables.test.ts holds the tables.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";
import yargs, { type CommandModule } from "yargs";
import { checkCommand } from "../src/cli/check.js";
import { checkOptions } from "../src/cli/check-options.js";
import { compareCommand } from "../src/cli/compare.js";
import { listCommand } from "../src/cli/list.js";
import { list, once, type RawOptions, runOptions } from "../src/cli/options.js";
import { readWork } from "../src/cli/read-work.js";
import { replayCommand } from "../src/cli/replay.js";
import { runCommand } from "../src/cli/run.js";
import { traceCommand } from "../src/cli/trace.js";
import { validateCommand } from "../src/cli/validate.js";
import { workloadSpec } from "../src/cli/work.js";
import { parseReplay } from "../src/dsl/choices.js";
import { machineNamed } from "../src/machine/presets.js";
import { resolveSlots } from "../src/policy/policies.js";
import { scenarioNames } from "../src/scenario/all.js";
import { builtinWorkload } from "../src/workload/builtins.js";
import {
  codeSpansOf,
  fencesOf,
  markdownFiles,
  projectFiles,
  proseOf,
  replaceFence,
  root,
  textOf,
} from "./docs-text.js";
import { isThorough } from "./thorough.js";

const fences = markdownFiles.flatMap(fencesOf);
/** A sample names its command behind the language: "text shootdown list policies". */
const samples = fences.filter(({ info }) => info.startsWith("text shootdown "));
/** The type check of a file of somebody's own takes seconds. */
const isQuick = (line: string): boolean => isThorough || !line.includes("--file");

describe("links", () => {
  test.each(markdownFiles)("%s: every relative link leads to a file", (file) => {
    const targets = [...proseOf(file).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!);
    const broken = targets
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => !existsSync(join(root, dirname(file), target.split("#")[0]!)));
    expect(broken).toEqual([]);
  });

  test.each(markdownFiles)("%s: every path in backticks is a file or a folder", (file) => {
    const paths = codeSpansOf(file).filter((span) =>
      /^(?:src|assembly|test|docs|bench|examples|schema|\.ci)\/[\w./-]*$/.test(span),
    );
    expect(paths.filter((path) => !existsSync(join(root, normalize(path))))).toEqual([]);
  });
});

/** Command lines of the program in a document, without "npx". */
function commandLines(file: string): string[] {
  const shell = fencesOf(file)
    .filter(({ info }) => info === "sh")
    .flatMap(({ text }) => text.split(/\n|&&/))
    .map((line) => line.trim().replace(/^npx /, ""));
  const shown = fencesOf(file).map(({ info }) => info.replace(/^text /, ""));
  const lines = [...shell, ...shown, ...codeSpansOf(file)].map((line) => line.replace(/ #.*/, ""));
  return [...new Set(lines.filter((line) => line.startsWith("shootdown ")))];
}

const commands: Readonly<Record<string, CommandModule>> = {
  run: runCommand,
  compare: compareCommand,
  replay: replayCommand,
  trace: traceCommand,
  check: checkCommand,
  validate: validateCommand,
  list: listCommand,
};

/** The words of a command line, as a shell sees them: blanks between single quotes belong to a word. */
function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|\S+/g)].map(([word, quoted]) => quoted ?? word);
}

/** Throws when the line could not be typed: an unknown command, option, policy, machine, workload, kind or file. */
async function checkCommandLine(line: string): Promise<void> {
  const [name, ...args] = words(line).slice(1);
  const command = commands[name ?? ""];
  if (command === undefined) throw new Error(`there is no command '${name}'`);
  if (args.length === 0 || args.includes("--help") || name === "trace") return;
  let raw: RawOptions = {};
  await yargs([name!, ...args])
    .command({
      ...command,
      handler: (given: RawOptions) => {
        raw = given;
      },
    })
    .strict()
    .parserConfiguration({
      "parse-numbers": false,
      "parse-positional-numbers": false,
      "boolean-negation": false,
    })
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new Error(message);
    })
    .parseAsync();
  if (name === "list") {
    const kinds = String(command.describe).split(": ")[1]!.split(", ");
    const kind = once(raw, "kind");
    if (kind !== undefined && !kinds.includes(kind))
      throw new Error(`there is nothing called '${kind}' to list`);
    return;
  }
  if (name === "validate") return;
  if (name === "check") {
    const { scenarios, replay, file } = checkOptions(raw);
    const asked = replay === undefined ? scenarios : [parseReplay(replay).scenario];
    const known = file === undefined ? scenarioNames() : asked;
    const absent = asked.filter((one) => one !== "NAME" && !/[*?]/.test(one) && !known.includes(one));
    if (absent.length > 0) throw new Error(`there is no scenario ${absent.join(", ")}`);
    if (file !== undefined && !existsSync(join(root, file))) throw new Error(`there is no file ${file}`);
    return;
  }
  const options = runOptions(raw);
  if (!options.machine.endsWith(".yaml")) machineNamed(options.machine);
  else if (!existsSync(join(root, options.machine))) throw new Error(`there is no file ${options.machine}`);
  if (options.file !== undefined && !existsSync(join(root, options.file)))
    throw new Error(`there is no file ${options.file}`);
  // What a file of somebody's own declares, its own test says.
  if (options.file === undefined) for (const policy of options.policies) resolveSlots(policy, options.set);
  if (name === "replay") {
    const absent = list(raw, "traces").filter((trace) => !existsSync(join(root, trace)));
    if (absent.length > 0) throw new Error(`there is no file ${absent.join(", ")}`);
    return;
  }
  const spec = await readWork(workloadSpec(raw), options.cpus);
  if (spec.kind === "workload") builtinWorkload(spec.name, spec.params, options.cpus);
}

describe("command lines", () => {
  const shown = markdownFiles.flatMap((file) => commandLines(file).map((line) => [file, line] as const));

  test.each(shown)("%s: %s", async (_, line) => {
    await expect(checkCommandLine(line)).resolves.toBeUndefined();
  });

  test("a line that cannot be typed is noticed", async () => {
    for (const line of [
      "shootdown rum x",
      "shootdown list x",
      "shootdown run munmap-loop --cpu 4",
      "shootdown run x",
    ])
      await expect(checkCommandLine(line)).rejects.toThrow();
  });

  test("every npm script that is named exists", () => {
    const { scripts } = JSON.parse(textOf("package.json")) as { scripts: Record<string, string> };
    const named = markdownFiles.flatMap((file) => [...textOf(file).matchAll(/npm run ([\w:-]+)/g)]);
    expect(named.map((match) => match[1]!).filter((name) => scripts[name] === undefined)).toEqual([]);
  });
});

/** What a command line prints, from the compiled program. */
function printed(line: string): string {
  const { FORCE_COLOR: _force, ...env } = process.env;
  const args = [join(root, "dist/cli/main.js"), ...words(line).slice(1), "--progress", "none", "--no-color"];
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, env, encoding: "utf8" });
  return stderr === "" ? stdout.trimEnd() : `${stdout}${stderr}`.trimEnd();
}

/** Steps move to other lines of their files more often than a sample is worth changing for, and a search takes the time that it takes. */
function withoutLines(text: string): string {
  return (
    text
      .replace(/(\.[jt]s):\d+(?=\)|$)/gm, "$1")
      // Whatever is added to a machine or to the kernel's choices changes it.
      .replace(/\b[0-9a-f]{12}(?=[,;]| \()/g, "0123456789ab")
      .replace(/\d+ of \d+ constants/g, "some constants")
      .replace(/(\b(?:sc|tso|weak)\b.*), [\d.]+ (?:us|ms|s)$/gm, "$1")
  );
}

describe("samples", () => {
  const shown = samples.map((sample) => [sample.info.replace("text ", ""), sample] as const);

  test.each(shown.filter(([line]) => isQuick(line)))("%s", (line, sample) => {
    const now = printed(line);
    if (process.env.UPDATE_GOLDEN === "1") replaceFence(sample, now);
    else expect(withoutLines(now)).toBe(withoutLines(sample.text));
  });

  test("the README has one", () => {
    expect(samples.some(({ file }) => file === "README.md")).toBe(true);
  });
});

describe("words", () => {
  /** Put together here, so that this file does not contain what it looks for. */
  const places = new RegExp(["shared", "work", "home", "root", "Users"].map((name) => `/${name}/`).join("|"));
  const spokenOf = new RegExp(`\\b(?:${["session", "helper"].join("|")})s?\\b`, "i");
  const text = projectFiles().filter((file) => /\.(?:md|ts|c|json|mjs|listing)$|^\.ci\/|^[A-Z]+$/.test(file));
  const own = text.filter((file) => !/^(?:package-lock\.json|test\/docs\.test\.ts)$/.test(file));

  test("no file names a place on somebody's machine", () => {
    expect(own.filter((file) => places.test(textOf(file)))).toEqual([]);
  });

  test("the project speaks of itself alone", () => {
    const spoken = own.filter((file) => !file.startsWith("test/") && file !== "LICENSE");
    // Node names a class of its inspector so.
    const said = (file: string): string => textOf(file).replace(/^import .* from "node:.*$/gm, "");
    expect(spoken.filter((file) => spokenOf.test(said(file)))).toEqual([]);
  });
});

describe("docs/write-a-scheme.md", () => {
  test("shows the text of examples/my-scheme.ts", () => {
    const example = textOf("examples/my-scheme.ts");
    const shown = fencesOf("docs/write-a-scheme.md").filter(({ info }) => info === "ts");
    expect(shown.length).toBeGreaterThan(3);
    expect(shown.map(({ text }) => text).filter((text) => !example.includes(text))).toEqual([]);
  });
});
