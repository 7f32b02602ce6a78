/** The page of answers: every command on it runs, and finds what the page says. UPDATE_GOLDEN=1 writes what was found. */

import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { isThorough } from "./thorough.js";

const root = join(import.meta.dirname, "..");
const page = join(root, "docs/answers.md");
const cli = join(root, "dist/cli/main.js");
const run = promisify(execFile);

interface Question {
  readonly title: string;
  readonly commands: readonly string[];
  /** By label: paths into a result, several separated by commas. */
  readonly figures: readonly (readonly [label: string, paths: readonly string[]])[];
  /** The lines that begin with ">". */
  readonly found: string;
}

function questions(text: string): Question[] {
  return text
    .split(/^### /m)
    .slice(1)
    .map((part) => {
      const figures = /<!-- figures: (.*) -->/.exec(part)?.[1] ?? "";
      return {
        title: part.slice(0, part.indexOf("\n")),
        commands: [...part.matchAll(/^npx shootdown (.*)$/gm)].map((match) => match[1]!),
        figures: figures
          .split("; ")
          .filter((each) => each !== "")
          .map((each): [string, string[]] => {
            const [label, paths] = each.split(" = ");
            return [label!, paths!.split(", ")];
          }),
        found: [...part.matchAll(/^>.*$/gm)].map(([line]) => line).join("\n"),
      };
    });
}

interface Checked {
  readonly scenario: string;
  readonly variant: string;
  readonly verdict: string;
  readonly invariant: string | null;
  readonly states: number;
  readonly counterexample?: readonly unknown[] | null;
}

async function json(command: string): Promise<unknown> {
  const args = [cli, ...command.split(" "), "--json", "-", "--quiet"];
  try {
    const { stdout } = await run(process.execPath, args, { maxBuffer: 2 ** 28 });
    return JSON.parse(stdout);
  } catch (error) {
    // Exit code 1 is a finding; there is a result all the same.
    const { code, stdout } = error as { code?: number; stdout?: string };
    if (code !== 1 || !stdout) throw error;
    return JSON.parse(stdout);
  }
}

const number = (value: number): string =>
  value.toLocaleString("en-US", { maximumFractionDigits: value < 100 ? 1 : 0 });

function verdictLine({ scenario, variant, verdict, invariant, states, counterexample }: Checked): string {
  const what =
    verdict === "unsafe"
      ? `unsafe: ${invariant}, ${counterexample!.length} events`
      : `${verdict}: ${number(states)} states`;
  return `> \`${scenario}\`, ${variant}: **${what}**`;
}

function figureLine(question: Question, label: string, result: object): string {
  const at = (path: string): number =>
    path
      .split(".")
      .reduce((value, key) => (value as Record<string, unknown>)[key], result as unknown) as number;
  const figures = question.figures.map(
    ([name, paths]) => `${name} ${paths.map(at).map(number).join(" and ")}`,
  );
  return `> ${label}: ${figures.join("; ")}`;
}

/** What tells the commands of one question apart: the words that the first has not in common with the others. */
function labelOf(question: Question, command: string): string {
  const others = question.commands.filter((each) => each !== command && each.startsWith("run "));
  const own = command
    .split(" ")
    .filter((word) => !others.length || others.some((each) => !each.split(" ").includes(word)));
  const words = own.filter((word) => word.includes("="));
  return words.length > 0 ? words.map((word) => `\`${word}\``).join(" ") : `\`${command.split(" ")[1]}\``;
}

async function answer(question: Question): Promise<string> {
  const lines: string[] = [];
  for (const command of question.commands) {
    const result = await json(command);
    if (command.startsWith("check ")) {
      lines.push(...(result as { results: Checked[] }).results.map(verdictLine));
    } else if (command.startsWith("compare ")) {
      const { runs } = result as { runs: { policy: string }[] };
      lines.push(...runs.map((one) => figureLine(question, `\`${one.policy}\``, one)));
    } else {
      lines.push(figureLine(question, labelOf(question, command), result as object));
    }
  }
  // Behind a line that ends with two blanks the next one is not joined to it.
  return lines.join("  \n");
}

/** Seconds of searching, or several simulations: with THOROUGH=1, as in CI. */
const LONG = /C-q[34]|C1-|B-gen|A1-|uffd-fill|pending-storm|mprotect-loop/;

describe("docs/answers.md", () => {
  const all = questions(readFileSync(page, "utf8"));

  const asked = all.filter(({ commands }) => isThorough || !commands.some((command) => LONG.test(command)));
  it.each(asked)("$title", { timeout: 120_000 }, async (question) => {
    const now = await answer(question);
    if (process.env.UPDATE_GOLDEN === "1") {
      const text = readFileSync(page, "utf8");
      const start = text.indexOf(question.found, text.indexOf(`### ${question.title}\n`));
      writeFileSync(page, text.slice(0, start) + now + text.slice(start + question.found.length));
      return;
    }
    expect(now).toBe(question.found);
  });
});
