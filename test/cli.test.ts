/** The command line as scripts see it: `npm run build` first, these tests start the compiled program. */
import { spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compareResultSchema, runResultSchema } from "../src/engine/result.js";

const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
/** A workload that takes a fraction of a second. */
const small = ["munmap-loop", "iterations=5", "--cpus", "2"];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "shootdown-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(args: readonly string[], env: Record<string, string> = {}) {
  // vitest sets FORCE_COLOR or NO_COLOR for itself in some surroundings.
  const { FORCE_COLOR: _force, NO_COLOR: _no, ...rest } = process.env;
  return spawn(process.execPath, [main, ...args], {
    env: { ...rest, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
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

const shootdown = (args: readonly string[], env?: Record<string, string>): Promise<Ended> =>
  ended(start(args, env));

/** Everything but the host is the same for the same inputs. */
function withoutHost(json: string): unknown {
  return JSON.parse(json, (key, value) => (key === "host" ? undefined : value));
}

describe("a mistake is one line on stderr and exit code 2", () => {
  test.each([
    [[], "name a command: run, compare, replay, trace, check, validate, list"],
    [["rnu"], "unknown command 'rnu'; did you mean 'run'?"],
    [["run"], "run needs a workload"],
    [["replay"], "replay needs a trace file"],
    [["run", "x", "--polcy", "eager"], "unknown option --polcy; did you mean --policy?"],
    [["run", "x", "--cpus"], "--cpus needs a value"],
    [["run", ...small, "--cpus", "4"], "--cpus is given 2 times; give it once"],
    [["run", "munmap-loop", "--cpus", "0"], "--cpus takes a whole number from 1 to 1024; got '0'"],
    [["compare", ...small, "--seeds", "many"], "--seeds takes a whole number from 1 to 1000; got 'many'"],
    [["run", ...small, "--policy", "eager,deferred"], "run takes one --policy; compare takes several"],
    [["run", "munmap-lop"], "unknown workload 'munmap-lop'; did you mean 'munmap-loop'?"],
    [
      ["run", "munmap-loop", "iteration=5"],
      "unknown parameter of munmap-loop 'iteration'; did you mean 'iterations'?",
    ],
    [["run", "munmap-loop", "iterations"], "a workload parameter takes key=value; got 'iterations'"],
    [["run", ...small, "--policy", "defered"], "unknown policy 'defered'; did you mean 'deferred'?"],
    [["compare", ...small, "--policy", "eager,nevr"], "unknown policy 'nevr'; did you mean 'never'?"],
    [["run", ...small, "--machine", "skylake"], "unknown machine 'skylake'; did you mean 'skylake-sp'?"],
    [["run", ...small, "--set", "unmap=latter"], "unknown variant of slot 'unmap' 'latter'"],
    [["run", ...small, "--set", "unmpa=eager"], "unknown slot 'unmpa'; did you mean 'unmap'?"],
    [["replay", "/no/such/trace"], "/no/such/trace: expected a file that can be read, saw no such file"],
    [["replay", main], "expected a recording in one of the formats lackey, strace"],
    [["list", "machine"], "unknown kind 'machine'; did you mean 'machines'?"],
    [
      ["run", ...small, "--json", "/no/such/folder/x.json"],
      "cannot write --json /no/such/folder/x.json: ENOENT",
    ],
    [["run", ...small, "--json", tmpdir()], "it is a folder"],
    [["run", ...small, "--quiet=maybe"], "--quiet takes no value; got 'maybe'"],
    [["run", ...small, "--", "--cpus", "4"], "unexpected argument '--cpus' behind --"],
    [["trace", "head", main, "--json", "-"], "--json goes with trace info; got head"],
    [["replay", "-"], "unexpected argument '-': standard input is not read; name a file"],
    [["check", "--quiet", "-"], "unexpected argument '-'"],
    [["replay", "/dev/zero"], "expected a file, which every run can read from its beginning, saw a device"],
  ])("%j", async (args, message) => {
    const { code, stdout, stderr } = await shootdown(args);
    expect(stderr).toContain(message);
    expect(stderr).toMatch(/^shootdown: [^\n]+\n$/);
    expect(stdout).toBe("");
    expect(code).toBe(2);
  });
});

test.each([
  ["--help"],
  ["help"],
  ["run", "--help"],
  ["compare", "--help"],
  ["replay", "--help"],
  ["list", "--help"],
])("%s %s explains itself on stdout", async (...args) => {
  const { code, stdout, stderr } = await shootdown(args.filter((arg) => arg !== undefined));
  expect(stdout).toContain("shootdown");
  expect(stderr).toBe("");
  expect(code).toBe(0);
});

test.skipIf(!existsSync("/dev/full"))("a full disk behind stdout is one line and exit code 2", async () => {
  const full = openSync("/dev/full", "w");
  const child = spawn(process.execPath, [main, "list", "policies"], { stdio: ["ignore", full, "pipe"] });
  let stderr = "";
  child.stderr!.on("data", (text: Buffer) => {
    stderr += text.toString();
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  closeSync(full);
  expect([code, stderr]).toEqual([
    2,
    "shootdown: cannot write to stdout: ENOSPC: no space left on device, write\n",
  ]);
});

test("--version is the version of the package", async () => {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  expect((await shootdown(["--version"])).stdout).toBe(`${version}\n`);
});

test("list names what there is, one line each", async () => {
  const { stdout, code } = await shootdown(["list", "policies"]);
  expect(stdout.split("\n").map((line) => line.split(" ")[0])).toEqual(
    expect.arrayContaining(["eager", "deferred"]),
  );
  const all = await shootdown(["list"]);
  for (const kind of ["policies", "slots", "machines", "workloads", "parameters", "formats"])
    expect(all.stdout).toContain(`${kind}:\n`);
  expect([code, all.code]).toEqual([0, 0]);
});

describe("a run", () => {
  test("is summarised for people, without escapes where nobody sees colours", async () => {
    // On a machine that is busy enough, a line of progress would be due.
    const { code, stdout, stderr } = await shootdown(["run", ...small, "--progress", "none"], { CI: "true" });
    expect(stdout).toMatch(/^munmap-loop on skylake-sp, 2 CPUs, seed 1, policy deferred\n/);
    expect(stdout).toContain("deferred: no violations.");
    expect(stdout).not.toContain("\u001b");
    expect(stderr).toBe("");
    expect(code).toBe(0);
  });

  test("obeys FORCE_COLOR, NO_COLOR and --no-color", async () => {
    expect((await shootdown(["run", ...small], { FORCE_COLOR: "1" })).stdout).toContain("\u001b[1m");
    expect((await shootdown(["run", ...small], { NO_COLOR: "1" })).stdout).not.toContain("\u001b");
    expect((await shootdown(["run", ...small, "--no-color"], { FORCE_COLOR: "1" })).stdout).not.toContain(
      "\u001b",
    );
  });

  test("as JSON is all of stdout, and keeps to the schema", async () => {
    const { stdout } = await shootdown([
      "run",
      ...small,
      "--json",
      "-",
      "--seed",
      "7",
      "--set",
      "unmap=eager",
    ]);
    expect(runResultSchema.parse(JSON.parse(stdout))).toMatchObject({ policy: "deferred", cpus: 2, seed: 7 });
  });

  test("--quiet prints nothing, and writes the file that was asked for", async () => {
    const path = join(folder, "run.json");
    expect(await shootdown(["run", ...small, "--quiet", "--json", path])).toEqual({
      code: 0,
      stdout: "",
      stderr: "",
    });
    expect(runResultSchema.safeParse(JSON.parse(readFileSync(path, "utf8"))).success).toBe(true);
    expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("that violates an invariant ends with exit code 1", async () => {
    const { code, stdout } = await shootdown(["run", ...small, "--policy", "never"]);
    expect(stdout).toMatch(/VIOLATION stale-(frame|right) under never: [1-9]/);
    expect(stdout).toMatch(/made stale by: .* step '.*' \(src\/kernel\/[\w-]+\.ts:\d+\)\n/);
    expect(code).toBe(1);
  });
});

describe("a comparison", () => {
  test("has a column for each policy and a verdict", async () => {
    const { code, stdout } = await shootdown(["compare", ...small]);
    expect(stdout).toMatch(/eager +deferred +\/ eager/);
    expect(stdout).toMatch(/\ndeferred needs .* than eager and .*; no violations\.\n/);
    expect(code).toBe(0);
  });

  test("is the same with any number of threads", async () => {
    const args = ["compare", ...small, "--seeds", "3", "--json", "-"];
    const [one, three] = await Promise.all(
      ["1", "3"].map((threads) => shootdown([...args, "--threads", threads])),
    );
    expect(compareResultSchema.safeParse(JSON.parse(one!.stdout)).success).toBe(true);
    expect(withoutHost(one!.stdout)).toEqual(withoutHost(three!.stdout));
    const { runs } = JSON.parse(one!.stdout) as { runs: { policy: string; seed: number }[] };
    expect(runs.map(({ policy, seed }) => `${policy} ${seed}`)).toEqual([
      ...["eager 1", "deferred 1", "eager 2", "deferred 2", "eager 3", "deferred 3"],
    ]);
  });

  test("is shown with intervals over seeds", async () => {
    const { stdout } = await shootdown(["compare", ...small, "--seeds", "3"]);
    expect(stdout).toContain("seeds 1 to 3 (means)");
    expect(stdout).toMatch(/simulated time .* [\d.]+x \[[\d.]+, [\d.]+\]\n/);
  });
});

test("a reader that leaves early, as `| head` does, is no error", async () => {
  const child = start(["list"]);
  child.stdout.destroy();
  expect(await ended(child)).toMatchObject({ code: 0, stderr: "" });
});

test("Ctrl-C prints and writes what was finished, and exits with 130", async () => {
  const path = join(folder, "stopped.json");
  const long = ["munmap-loop", "iterations=200", "--cpus", "2", "--seeds", "500", "--threads", "2"];
  const child = start(["compare", ...long, "--progress", "json", "--json", path]);
  child.stderr.on("data", (text: Buffer) => {
    const finished = /"finished":([2-9]|\d\d)/.exec(text.toString());
    if (finished !== null) child.kill("SIGINT");
  });
  const { code, stdout, stderr } = await ended(child);
  expect(code).toBe(130);
  expect(stdout).toContain("Interrupted: only finished runs are counted.");
  expect(stderr).toMatch(/shootdown: interrupted; \d+ of 1000 runs were finished\n$/);
  const result = compareResultSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  expect(result.interrupted).toBe(true);
  expect(result.runs.length).toBeGreaterThanOrEqual(2);
  expect(result.runs.length).toBeLessThan(1000);
});

test("replay of a recording with flushes prints them beside those that are predicted, in JSON too", async () => {
  const file = join(folder, "a.perf");
  const line = (text: string): string => `app 1/1 [000] 7.000001: x:${text}\n`;
  const lines = [
    "sys_enter_mmap: addr: 0x0, len: 0x4000, prot: 0x3, flags: 0x22, fd: 0xffffffff, off: 0x0",
    "sys_exit_mmap: 0x7f0000000000",
    "page_fault_user: address=0x7f0000001000 ip=0x1 error_code=0x6",
    "sys_enter_madvise: start: 0x7f0000000000, len_in: 0x4000, behavior: 0x4",
    "tlb_flush: pages:1 reason:local MM shootdown (3)",
    "sys_exit_madvise: 0x0",
  ];
  writeFileSync(file, lines.map(line).join(""));
  const json = join(folder, "recorded.json");
  const { code, stdout } = await shootdown([
    "replay",
    file,
    "--cpus",
    "1",
    "--policy",
    "deferred",
    "--json",
    json,
  ]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^madvise +1 +0 +1 +0 +0 +1 +0 +1 +100\.0%$/m);
  expect(stdout).toContain("Every call and every fault agrees");
  const { recordings } = compareResultSchema.parse(JSON.parse(readFileSync(json, "utf8")));
  expect(recordings?.[0]?.rows.find(({ name }) => name === "madvise")).toEqual({
    ...{ name: "madvise", count: 1, agreeing: 1 },
    recorded: { none: 0, ranged: 1, full: 0 },
    predicted: { none: 0, ranged: 1, full: 0 },
  });
});
