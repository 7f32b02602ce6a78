import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pairs, runOptions } from "../src/cli/options.js";
import { Progress, progressText } from "../src/cli/progress.js";
import { ResultFile } from "../src/cli/result-file.js";
import { usageError } from "../src/cli/usage.js";
import { usableThreads } from "../src/engine/threads.js";
import { editDistance, nearestName, UsageError } from "../src/errors.js";

const given = { machine: "zen4", cpus: "8", policy: "eager,deferred", seed: "1", progress: "auto" };

describe("options", () => {
  test("become numbers, lists and pairs", () => {
    expect(
      runOptions({
        ...given,
        set: ["unmap=latr", "fault=speculative"],
        tunable: ["tlb_single_page_flush_ceiling=0"],
        json: "-",
        "no-color": true,
      }),
    ).toEqual({
      machine: "zen4",
      cpus: 8,
      policies: ["eager", "deferred"],
      set: { unmap: "latr", fault: "speculative" },
      tunables: { tlb_single_page_flush_ceiling: 0 },
      seed: 1,
      seeds: 1,
      threads: undefined,
      json: "-",
      quiet: false,
      color: false,
      progress: "auto",
    });
  });

  test.each([
    [{ tunable: ["tlb_flush_ceiling=1"] }, "unknown tunable 'tlb_flush_ceiling'"],
    [
      { tunable: ["fault_around_pages=0"] },
      "--tunable fault_around_pages takes a whole number from 1 to 65536; got '0'",
    ],
    [{ cpus: "0" }, "--cpus takes a whole number from 1 to 1024; got '0'"],
    [{ cpus: "1025" }, "--cpus takes a whole number from 1 to 1024; got '1025'"],
    [{ cpus: "4.5" }, "--cpus takes a whole number from 1 to 1024; got '4.5'"],
    [{ cpus: "0x10" }, "--cpus takes a whole number from 1 to 1024; got '0x10'"],
    [{ cpus: "" }, "--cpus takes a whole number from 1 to 1024; got ''"],
    [{ cpus: ["1", "2"] }, "--cpus is given 2 times; give it once"],
    [
      { seed: "99999999999999999999" },
      /--seed takes a whole number from 0 to \d+; got '99999999999999999999'/,
    ],
    [{ seeds: "0" }, "--seeds takes a whole number from 1 to 1000; got '0'"],
    [{ threads: "-1" }, "--threads takes a whole number from 1 to 256; got '-1'"],
    [{ policy: "a,,b" }, "--policy takes names separated by commas; got 'a,,b'"],
    [{ policy: "a,b,a" }, "--policy names 'a' twice; give it once"],
    [{ set: "unmap" }, "--set takes slot=variant; got 'unmap'"],
    [{ set: "=latr" }, "--set takes slot=variant; got '=latr'"],
    [{ set: ["unmap=latr", "unmap=luf"] }, "--set names 'unmap' twice; give it once"],
    [{ progress: "loud" }, "--progress takes one of auto, plain, json, none; got 'loud'"],
    [{ json: "" }, "--json takes a file name, or - for stdout; got ''"],
  ])("%j: %s", (wrong, message) => {
    expect(() => runOptions({ ...given, ...wrong })).toThrow(UsageError);
    expect(() => runOptions({ ...given, ...wrong })).toThrow(message);
  });

  test("a value may hold an equals sign", () => {
    expect(pairs(["a=b=c"], "--set", "slot=variant")).toEqual({ a: "b=c" });
  });
});

describe("a complaint of yargs as one line of ours", () => {
  test.each([
    [
      "Unknown argument: polcy",
      ["run", "x", "--polcy", "a"],
      /^unknown option --polcy; did you mean --policy\? \(/,
    ],
    [
      "Unknown arguments: zzz, yyy",
      ["run", "x", "--zzz=3", "--yyy"],
      /^unknown option --zzz \(shootdown run --help\)$/,
    ],
    [
      "Unknown argument: extra",
      ["list", "machines", "extra"],
      /^unexpected argument 'extra' \(shootdown list --help\)$/,
    ],
    ["Unknown arguments: cpus, rnu", ["rnu", "--cpus", "3"], /^unknown command 'rnu'; did you mean 'run'\?/],
    ["Not enough arguments following: json", ["run", "x", "--json"], /^--json needs a value/],
    ["Not enough non-option arguments: got 0, need at least 1", ["run"], /^run needs a workload/],
    ["Not enough non-option arguments: got 0, need at least 1", ["replay"], /^replay needs a trace file/],
    ["something\nelse", ["run"], /^something else$/],
  ])("%s", (message, args, expected) => {
    const error = usageError(message, args, ["policy", "cpus", "json"]);
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toMatch(expected);
  });
});

describe("the nearest name", () => {
  test("is at most a third of the letters away, or begins as typed", () => {
    const names = ["eager", "deferred", "unified", "skylake-sp"];
    expect(nearestName("defered", names)).toBe("deferred");
    expect(nearestName("EAGER", names)).toBe("eager");
    expect(nearestName("aeger", names)).toBe("eager");
    expect(nearestName("sky", names)).toBe("skylake-sp");
    expect(nearestName("xyzzy", names)).toBeUndefined();
  });

  test("counts a swap of neighbours as one mistake", () => {
    expect([editDistance("ab", "ba"), editDistance("kitten", "sitting"), editDistance("", "abc")]).toEqual([
      1, 3, 3,
    ]);
  });
});

describe("a JSON file", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "shootdown-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test("is replaced in one piece, and nothing else is left behind", () => {
    const path = join(folder, "out.json");
    writeFileSync(path, "old");
    const file = new ResultFile(path);
    expect(readFileSync(path, "utf8")).toBe("old");
    file.write({ a: 1 });
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({ a: 1 });
    expect(readdirSync(folder)).toEqual(["out.json"]);
  });

  test("behind a symbolic link stays behind it", () => {
    writeFileSync(join(folder, "real.json"), "old");
    symlinkSync("real.json", join(folder, "link.json"));
    new ResultFile(join(folder, "link.json")).write([]);
    expect(readFileSync(join(folder, "real.json"), "utf8")).toBe("[]\n");
  });

  test("that cannot be written is refused before any run", () => {
    expect(() => new ResultFile(folder)).toThrow(`cannot write --json ${folder}: it is a folder`);
    expect(() => new ResultFile(join(folder, "no/out.json"))).toThrow(
      /cannot write --json .*no\/out.json: ENOENT/,
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  test("that is a device is written in place", () => {
    new ResultFile("/dev/null").write({});
    expect(readFileSync("/dev/null", "utf8")).toBe("");
  });
});

describe("threads", () => {
  const host = availableParallelism();
  const files = (texts: Record<string, string>) => (path: string) => texts[path] ?? "";

  test("without a quota are what the host has", () => {
    expect(usableThreads(files({}))).toBe(host);
    expect(
      usableThreads(files({ "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "max 100000\n" })),
    ).toBe(host);
    expect(usableThreads(files({ "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n" }))).toBe(host);
  });

  test("keep within the quota of the control group and of its parents", () => {
    const group = { "/proc/self/cgroup": "1:cpu:/x\n0::/a/b\n" };
    expect(usableThreads(files({ ...group, "/sys/fs/cgroup/a/b/cpu.max": "50000 100000\n" }))).toBe(1);
    expect(usableThreads(files({ ...group, "/sys/fs/cgroup/a/cpu.max": "100000 100000\n" }))).toBe(1);
    expect(usableThreads(files({ ...group, "/sys/fs/cgroup/cpu.max": "20000 100000\n" }))).toBe(1);
    const version1 = {
      "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000",
      "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
    };
    expect(usableThreads(files(version1))).toBe(1);
  });
});

describe("progress", () => {
  const state = { finished: 2, tasks: 10, records: 24_000_000, cycles: 5 };
  const stream = (isTTY: boolean) => {
    const written: string[] = [];
    const sink = { isTTY, columns: 40, write: (text: string) => written.push(text) };
    return { written, sink: sink as unknown as NodeJS.WriteStream };
  };

  test("says how far and how fast", () => {
    expect(progressText(state, 12)).toBe("2 of 10 runs, 24,000,000 records, 2.00 M records/s, 12 s");
  });

  test("rewrites one line on a terminal, no wider than it, and leaves it empty", () => {
    const { written, sink } = stream(true);
    const progress = new Progress("auto", progressText, sink);
    progress.update(state);
    progress.end();
    expect(written).toHaveLength(2);
    expect(written[0]!.startsWith("\r\u001b[K2 of 10 runs, ")).toBe(true);
    expect(written[0]!.length).toBe(4 + 39);
    expect(written[1]).toBe("\r\u001b[K");
  });

  test("writes no escape elsewhere, and nothing for a short run", () => {
    const { written, sink } = stream(false);
    const progress = new Progress("auto", progressText, sink);
    progress.update(state);
    progress.end();
    expect(written).toEqual([]);
  });

  test("is a JSON object a line where a program reads it", () => {
    const { written, sink } = stream(true);
    new Progress("json", progressText, sink).update(state);
    expect(JSON.parse(written[0]!)).toMatchObject(state);
  });
});
