/** Files of somebody's own, good and bad, as `shootdown check --file` takes them: `npm run build` first. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const open = new URL("../dist/own/open.js", import.meta.url).href;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "shootdown-own-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function shootdown(...args: string[]) {
  const { FORCE_COLOR: _force, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    cwd: folder,
    env,
    encoding: "utf8",
  });
  return { code: status, stdout, stderr };
}

function written(name: string, text: string | Buffer): string {
  writeFileSync(join(folder, name), text);
  return name;
}

/** A scenario whose one variant is built by `build`. */
const scenarioText = (
  build: string,
  more = "",
): string => `import { program, record, u64 } from "shootdown/dsl";
import { call, scenario, stage, threadsOf } from "shootdown/scenario";
const mine = record("global", { counter: u64 });
${more}export const asked = scenario({ name: "asked", question: "Is it?", source: "a test", variants: { a: { title: "t", expected: "safe", build: () => ${build} } } });
`;

/** A stage with one program of the file's own; the body starts on line 5. */
const programText = (body: string): string =>
  scenarioText(
    `stage({ records: [mine], extra: () => [counted], setup: threadsOf(0, 1), threads: [{ cpu: 0, does: [call("counted")] }] })`,
    `const counted = program("counted", [], (k) => {\n${body}\n});\n`,
  );

describe("a mistake is one line with file and line, and exit code 2", () => {
  test.each([
    [
      "type.ts",
      "\nexport const a: number = 'x';",
      "type.ts:2: Type 'string' is not assignable to type 'number'.",
    ],
    [
      "field.ts",
      scenarioText("stage({ setup: [], thread: [] })"),
      /field\.ts:4: .*'thread' does not exist.* Did you mean.*'threads'/,
    ],
    [
      "record.ts",
      programText(`  k.write("raise", mine.at().countre, 1);`),
      /record\.ts:5: Property 'countre' does not exist.*Did you mean 'counter'\?/,
    ],
    [
      "label.ts",
      programText(`  k.write("", mine.at().counter, 1);`),
      "label.ts:5: counted: a step has no label; name the step after",
    ],
    [
      "twice.ts",
      programText(`  k.write("a", mine.at().counter, 1);\n  k.write("a", mine.at().counter, 1);`),
      `twice.ts:6: counted.a: label "a" is used twice`,
    ],
    ["syntax.js", "const a = 1;\nconst b = = 2;\n", "syntax.js:2: "],
    ["throws.js", "\n\nthrow new RangeError('far\\nout');", "throws.js:3: RangeError: far"],
    ["seven.js", "throw 7;", "seven.js: it threw 7"],
    ["none.js", "export const a = 1;", "none.js: it exports no scenario and no policy"],
    ["default.js", "export default 5;", "default.js: it exports no scenario and no policy"],
    [
      "door.js",
      "import 'shootdown/engine';",
      "there is no 'shootdown/engine' to import; there are shootdown/dsl, shootdown/kernel",
    ],
    [
      "import.js",
      "import { munmap2 } from 'shootdown/kernel';",
      "does not provide an export named 'munmap2'",
    ],
    ["absent.js", "import './not-there.js';", "Cannot find module"],
    ["binary.ts", Buffer.from([0, 1, 2, 255]), "--file binary.ts: it is no text"],
    ["garbage.js", Buffer.from([127, 69, 76, 70, 2, 1, 1, 200, 201]), "garbage.js:1: "],
    ["exit.js", "process.exit(0);", "exit.js: it ended the process with code 0"],
    [
      "variant.js",
      scenarioText("null").replace("expected", "expectd"),
      "scenario 'asked' variant 'a' has an unknown field 'expectd'; did you mean 'expected'?",
    ],
    [
      "verdict.js",
      scenarioText("null").replace(`"safe"`, `"sound"`),
      `variant 'a' needs expected: "unsafe", "safe" or "unknown"`,
    ],
    [
      "policy.js",
      "import { policy } from 'shootdown/policy'; export const p = policy({ name: 'eager', title: 't' });",
      "there is a built-in policy 'eager'",
    ],
  ] as const)("%s", (name, text, message) => {
    const { code, stdout, stderr } = shootdown("check", "--file", written(name, text));
    expect(stderr).toMatch(/^shootdown: [^\n]+\n$/);
    if (typeof message === "string") expect(stderr).toContain(message);
    else expect(stderr).toMatch(message);
    expect(stdout).toBe("");
    expect(code).toBe(2);
  });

  test("a file that is not there, a folder, and something that is no module", () => {
    mkdirSync(join(folder, "folder.ts"));
    for (const [name, message] of [
      ["missing.ts", "--file missing.ts: there is no such file"],
      ["folder.ts", "--file folder.ts: it is a folder"],
      ["notes.md", "--file takes a module whose name ends in .ts or .js; got 'notes.md'"],
    ] as const)
      expect(shootdown("check", "--file", name)).toEqual({
        code: 2,
        stdout: "",
        stderr: `shootdown: ${message}\n`,
      });
  });
});

describe("an endless loop is stopped, and its line is named", () => {
  /** With a shorter limit than the program's, which a slow machine needs. */
  const opened = (name: string): string => {
    const text = `import(${JSON.stringify(open)}).then((own) => own.openOwnFile(${JSON.stringify(name)}, 4000)).catch((error) => console.log(error.message))`;
    return spawnSync(process.execPath, ["-e", text], { cwd: folder, encoding: "utf8", timeout: 50_000 })
      .stdout;
  };

  test("at the top of the file", () => {
    written("loop.js", "let i = 0;\n\nwhile (true) i++;\n");
    expect(opened("loop.js")).toBe("loop.js:3: it has not ended after 4 s; is there an endless loop?\n");
  });

  test("in what assembles a program", () => {
    written("assembles.js", programText("  let i = 0;\n  for (;;) i++;"));
    expect(opened("assembles.js")).toBe(
      "assembles.js:6: it has not ended after 4 s; is there an endless loop?\n",
    );
  });

  test("in a promise that nobody keeps", () => {
    written("waits.js", "await new Promise(() => {});\n");
    expect(opened("waits.js")).toBe("waits.js: it waits for something that does not come\n");
  });
});

describe("a file", () => {
  test("may print, import its neighbours and lie anywhere; stdout stays the result's", () => {
    written("values.ts", "export const name: string = 'neighbour';\n");
    written(
      "mine.ts",
      `import { name } from "./values.js";\nconsole.log("hello from", name);\n${programText(`  k.write("raise", mine.at().counter, 1);`)}`,
    );
    const { code, stdout, stderr } = shootdown("check", "--file", "mine.ts", "--json", "-");
    expect(stderr).toContain("hello from neighbour");
    const { results } = JSON.parse(stdout);
    expect(results).toMatchObject([{ scenario: "asked", variant: "a", verdict: "safe" }]);
    expect(code).toBe(0);
  });

  test("that declares only a policy has nothing to check, and one without a policy nothing to compare", () => {
    written(
      "only.js",
      "import { policy } from 'shootdown/policy'; export const p = policy({ name: 'mine', title: 't' });",
    );
    expect(shootdown("check", "--file", "only.js").stderr).toContain(
      "only.js: it exports no scenario to check",
    );
    expect(shootdown("compare", "munmap-loop", "--file", "only.js").stderr).toContain(
      "name one of its policies: --policy deferred,mine",
    );
    const run = shootdown(
      "run",
      "munmap-loop",
      "iterations=2",
      "--cpus",
      "2",
      "--file",
      "only.js",
      "--policy",
      "mine",
      "--json",
      "-",
    );
    expect(JSON.parse(run.stdout)).toMatchObject({ policy: "mine", violations: [] });
  });
});
