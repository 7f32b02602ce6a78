/** `shootdown check` as scripts and build servers see it: `npm run build` first, these tests start the compiled program. */
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import type { Log } from "sarif";
import { SaxesParser } from "saxes";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkResultSchema } from "../src/engine/check-result.js";

const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
/** Three variants of a few dozen states. */
const SMALL = "A2-switching-window";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "shootdown-check-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function start(args: readonly string[]) {
  const { FORCE_COLOR: _force, NO_COLOR: _no, ...env } = process.env;
  return spawn(process.execPath, [main, "check", ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function ended(child: ReturnType<typeof start>): Promise<Ended> {
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (text: Buffer) => {
    stdout += text.toString();
  });
  child.stderr.on("data", (text: Buffer) => {
    stderr += text.toString();
  });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, stdout, stderr })));
}

const check = (...args: string[]): Promise<Ended> => ended(start(args));

interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: Element[];
  text: string;
}

/** The root. Throws where the text is no well-formed XML 1.0. */
function parseXml(text: string): Element {
  const root: Element = { name: "", attributes: {}, children: [], text: "" };
  const open = [root];
  const parser = new SaxesParser();
  parser.on("error", (error) => {
    throw error;
  });
  parser.on("opentag", ({ name, attributes }) => {
    const element: Element = { name, attributes, children: [], text: "" };
    open.at(-1)!.children.push(element);
    open.push(element);
  });
  parser.on("text", (part) => {
    open.at(-1)!.text += part;
  });
  parser.on("closetag", () => {
    open.pop();
  });
  parser.write(text).close();
  return root.children[0]!;
}

/** The schema of SARIF 2.1.0, which Microsoft publishes for tests. It is one of JSON Schema draft 4. */
function sarifValidator() {
  const at = createRequire(import.meta.url).resolve(
    "@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json",
  );
  const { $schema: _draft, id: _id, ...schema } = JSON.parse(readFileSync(at, "utf8"));
  const ajv = new Ajv({ strict: false, allErrors: true, unicodeRegExp: false });
  ajv.addFormat("uri", (text: string) => URL.canParse(text));
  ajv.addFormat("uri-reference", (text: string) => URL.canParse(text, "file:///"));
  ajv.addFormat("date-time", (text: string) => !Number.isNaN(Date.parse(text)));
  return ajv.compile<Log>(schema);
}

describe("reports for build servers", () => {
  test("all three are written by one check, and agree", async () => {
    const [json, junit, sarif] = ["r.json", "r.xml", "r.sarif"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    const names = [SMALL, "A7-irqoff-ptl"];
    const done = await check(...names, "--json", json, "--junit", junit, "--sarif", sarif, "--quiet");
    expect(done).toEqual({ code: 0, stdout: "", stderr: "" });
    const { results } = checkResultSchema.parse(JSON.parse(readFileSync(json, "utf8")));
    const suites = parseXml(readFileSync(junit, "utf8"));
    expect(suites.name).toBe("testsuites");
    expect(suites.children.map(({ attributes }) => attributes.name)).toEqual(names);
    const cases = suites.children.flatMap(({ children }) => children);
    expect(cases.map(({ attributes: { classname, name } }) => `${classname}/${name}`)).toEqual(
      results.map(({ scenario, variant }) => `${scenario}/${variant}`),
    );
    const log: unknown = JSON.parse(readFileSync(sarif, "utf8"));
    const validate = sarifValidator();
    expect(validate(log), JSON.stringify(validate.errors)).toBe(true);
    const found = (log as Log).runs[0]!.results!;
    expect(found.map(({ ruleId }) => ruleId)).toEqual(
      results.flatMap(({ invariant }) => (invariant === null ? [] : [invariant])),
    );
    expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("a verdict that nobody expected fails its case, and is an error", async () => {
    const [junit, sarif] = [join(folder, "failed.xml"), join(folder, "failed.sarif")];
    const args = [SMALL, "--max-states", "5", "--junit", junit, "--sarif", sarif];
    const { code, stdout } = await check(...args);
    expect(code).toBe(1);
    expect(stdout).toContain("EXPECTED safe");
    const [suite] = parseXml(readFileSync(junit, "utf8")).children;
    const failures = suite!.children.flatMap(({ children }) =>
      children.filter(({ name }) => name === "failure"),
    );
    expect(Number(suite!.attributes.failures)).toBe(failures.length);
    expect(failures.length).toBeGreaterThan(0);
    for (const { attributes, text } of failures) {
      expect(attributes.type).toBe("unknown");
      expect(text).toContain("the limit of 5 states was reached");
    }
    const log: unknown = JSON.parse(readFileSync(sarif, "utf8"));
    expect(sarifValidator()(log)).toBe(true);
    expect((log as Log).runs[0]!.results!.map(({ level, ruleId }) => [level, ruleId])).toEqual(
      failures.map(() => ["error", "verdict"]),
    );
  });

  test("the schema is one that refuses what is no SARIF", () => {
    const validate = sarifValidator();
    expect(validate({ version: "2.1.0", runs: [{ tool: { driver: {} } }] })).toBe(false);
    expect(validate({ version: "2.1.0", runs: [{ tool: { driver: { name: "x" } }, odd: 1 }] })).toBe(false);
  });
});

describe("a mistake is one line on stderr and exit code 2", () => {
  const cases: [readonly string[], string][] = [
    [["C-q1-lost-flga"], "unknown scenario 'C-q1-lost-flga'; did you mean 'C-q1-lost-flag'?"],
    [["Z*"], "no scenario matches 'Z*'; known: "],
    [[SMALL, "--variant", "upstrem"], "unknown variant 'upstrem'; did you mean 'upstream'?"],
    [["--replay", `${SMALL}/nobody@s0`], "unknown variant 'nobody'"],
    [["--replay", `${SMALL}/upstream@q0`], "'q0'"],
    [[SMALL, "--symmetry", "--no-reduction"], "give one of them"],
    [[SMALL, "--depth", "0"], "--depth takes a whole number from 1"],
    [[SMALL, "--junit", "-"], "--junit takes a file name"],
    [[SMALL, "--sarif", "/no/such/folder/x"], "cannot write --sarif /no/such/folder/x: ENOENT"],
  ];
  test.each(cases)("%j", async (args, message) => {
    const { code, stdout, stderr } = await check(...args);
    expect(stderr).toContain(message);
    expect(stderr).toMatch(/^shootdown: [^\n]+\n$/);
    expect(stdout).toBe("");
    expect(code).toBe(2);
  });

  // Root may write anywhere; /proc refuses everybody.
  const isRoot = process.getuid?.() === 0;
  test.each(["--json", "--junit", "--sarif"])("a folder that cannot be written to, %s", async (option) => {
    const locked = join(folder, "locked");
    mkdirSync(locked, { recursive: true, mode: 0o555 });
    const path = isRoot && existsSync("/proc/self") ? "/proc/self/result" : join(locked, "result");
    const { code, stdout, stderr } = await check(SMALL, option, path);
    chmodSync(locked, 0o755);
    expect(stderr).toMatch(/^shootdown: cannot write --\w+ [^\n]+\n$/);
    expect(stderr).toContain(`cannot write ${option} ${path}: E`);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });
});

test("a reader that leaves early, as `| head -1` does, is no error", async () => {
  const child = start([SMALL, "A7-irqoff-ptl", "--traces", "--progress", "none"]);
  child.stdout.once("data", () => child.stdout.destroy());
  expect(await ended(child)).toMatchObject({ code: 0, stderr: "" });
});

test("Ctrl-C keeps what was finished, in every report, and exits with 130", async () => {
  const [json, junit, sarif] = [join(folder, "c.json"), join(folder, "c.xml"), join(folder, "c.sarif")];
  // Random runs of a safe variant go on until somebody ends them.
  const endless = [SMALL, "--pct", "1000000000", "--threads", "2"];
  const child = start([...endless, "--progress", "json", "--json", json, "--junit", junit, "--sarif", sarif]);
  child.stderr.on("data", (text: Buffer) => {
    if (/"finished":[1-9].*"states":[1-9]/.test(text.toString())) child.kill("SIGINT");
  });
  const { code, stdout, stderr } = await ended(child);
  expect(code).toBe(130);
  expect(stdout).toMatch(/unsafe +as expected/);
  expect(stdout).toMatch(/not finished\.\n$/);
  expect(stderr).toMatch(/shootdown: interrupted; \d of \d variants were finished\n$/);
  const { results, interrupted } = checkResultSchema.parse(JSON.parse(readFileSync(json, "utf8")));
  expect(interrupted).toBe(true);
  expect(results.length).toBeGreaterThan(0);
  expect(results.every(({ verdict }) => verdict === "unsafe")).toBe(true);
  const cases = parseXml(readFileSync(junit, "utf8")).children.flatMap(({ children }) => children);
  expect(cases).toHaveLength(results.length);
  expect(sarifValidator()(JSON.parse(readFileSync(sarif, "utf8")))).toBe(true);
});

test("--symmetry takes identical CPUs for one, and says so", async () => {
  const args = ["A-tlbi-dsb", "--variant", "upstream-users", "--json", "-"];
  const [asked, plain] = await Promise.all([check(...args, "--symmetry"), check(...args)]);
  const read = ({ stdout }: Ended) => checkResultSchema.parse(JSON.parse(stdout)).results[0]!;
  expect(read(asked)).toMatchObject({ verdict: "safe", asExpected: true, bounds: { symmetry: true } });
  expect(read(asked).states).toBeLessThan(read(plain).states);
});
