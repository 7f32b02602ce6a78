/** Workload files: what they mean, and what is said of mistakes. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { UsageError } from "../src/errors.js";
import { PlanWorkload } from "../src/workload/plan-workload.js";
import { planFrom, readPlan } from "../src/workload/yaml-plan.js";
import { YamlFile } from "../src/yaml-file.js";

const root = resolve(import.meta.dirname, "..");
const example = join(root, "examples/cache.yaml");
const text = readFileSync(example, "utf8");
const read = (yaml: string, given: Record<string, string> = {}, cpus = 4) =>
  planFrom(new YamlFile("w.yaml", yaml), given, cpus);
const isPublished = new Ajv2020({ strict: false }).compile(
  JSON.parse(readFileSync(join(root, "schema/workload.schema.json"), "utf8")),
);

/** A file with these steps, the first of which stands in line 4, column 7. */
const withSteps = (...lines: string[]): string =>
  [
    "regions: { heap: { size: 64KiB } }",
    "threads:",
    "  - steps:",
    ...lines.map((line) => `      ${line}`),
    "    name: a",
  ].join("\n");

describe("a file says what a plan is", () => {
  test("the example", () => {
    const { name, regions, groups } = read(text, { lookups: "7", keys: "1MiB" });
    expect(name).toBe("cache-server");
    expect(regions).toMatchObject({
      table: { pages: 256, of: "process", rights: 3, shared: false },
      buffer: { pages: 16, of: "thread" },
    });
    expect(groups.map((group) => [group.name, group.count])).toEqual([
      ["server", 3],
      ["trimmer", 1],
    ]);
    expect(groups[0]!.steps[0]).toMatchObject({
      ...{ do: "repeat", times: 7 },
      steps: [
        {
          do: "access",
          at: "table",
          stream: { kind: "zipf", s: 0.9 },
          grain: 4096,
          count: 8,
          kind: 0,
          stores: 0.1,
        },
        { do: "mmap", at: "buffer" },
        { do: "access", at: "buffer", stream: { kind: "sequential" }, kind: 1, stores: 0 },
        { do: "call", entry: "munmap", at: "buffer", args: [] },
        { do: "compute", time: { ns: 2000 }, spread: 0.5 },
      ],
    });
  });

  test("every step, with its numbers", () => {
    const plan = read(`
regions:
  heap: { size: 1MiB, of: thread }
  log: { size: 8 pages, file: log, files: 3, popularity: sequential, shared: true, rights: r, of: thread }
  watched: { size: 4 pages, watched: true, rights: none }
  target: { size: 2MiB, of: thread }
processes: { main: 2 }
memory: 1GiB
threads:
  - name: a
    count: 2
    cpu: 1
    steps:
      - { brk: heap, size: 64KiB }
      - { access: heap, grain: 64 B, stream: { kind: strided, stride: 256 B }, count: 1k, kind: modify }
      - { access: heap, stream: { kind: hot-cold, hot: 10%, often: 0.9 } }
      - { access: heap, stream: { kind: phases, every: 100, window: 16 pages, within: chase } }
      - mmap: log
      - { mprotect: heap, rights: rx }
      - { madvise: heap, advice: pageout }
      - msync: log
      - { uffd_fill: watched, op: continue, protected: true }
      - { userfaultfd_writeprotect: watched, protect: false }
      - task_numa_work: heap
      - clear_refs: true
      - { sometimes: 25%, steps: [ { compute: 100 cycles } ] }
      - { part: piece, of: heap, size: 4 pages, count: 2, stream: uniform, steps: [ { munmap: piece } ] }
      - { mremap: heap, to: target }
      - fork: child
      - join: true
      - barrier: all
  - { name: child, start: fork, steps: [ { compute: 1ms } ] }
  - { name: k, kernel: true, steps: [ { compute: 1us } ] }
`);
    expect(plan).toMatchObject({ copies: { main: 2 }, pages: 262_144 });
    expect(plan.regions.log).toMatchObject({ file: "log", files: { count: 3 }, rights: 1, shared: true });
    expect(plan.groups.map(({ process, start, cpu }) => [process, start, cpu])).toEqual([
      ["main", "beginning", 1],
      ["main", "fork", undefined],
      [undefined, "beginning", undefined],
    ]);
    const step = (index: number): unknown => plan.groups[0]!.steps[index];
    expect(step(0)).toEqual({ do: "brk", at: "heap", pages: 16 });
    expect(step(1)).toMatchObject({
      stream: { kind: "strided", stride: 4 },
      grain: 64,
      count: 1000,
      kind: 3,
    });
    expect(step(2)).toMatchObject({ stream: { kind: "hot-cold", hot: 0.1, often: 0.9 } });
    expect(step(3)).toMatchObject({
      stream: { kind: "phases", every: 100, window: 16, within: { kind: "chase" } },
    });
    expect(step(5)).toMatchObject({ entry: "mprotect", args: [5] });
    expect(step(6)).toMatchObject({ entry: "madvise", args: [21] });
    expect(step(8)).toMatchObject({ entry: "uffd_fill", args: [2, 1] });
    expect(step(9)).toMatchObject({ args: [0] });
    expect(step(12)).toMatchObject({ do: "sometimes", share: 0.25 });
    expect(new PlanWorkload(plan, 4, 2).starters).toHaveLength(5);
  });

  test("the published schema takes it too", () => {
    expect(isPublished(parse(text))).toBe(true);
    expect(isPublished(parse(withSteps("- acces: heap")))).toBe(false);
    expect(
      isPublished(parse(withSteps("- { repeat: 3, steps: [ { repeat: 2, steps: [ { mmap: heap } ] } ] }"))),
    ).toBe(true);
    expect(
      isPublished(parse(withSteps("- { repeat: 3, steps: [ { repeat: 2, steps: [ { mapp: heap } ] } ] }"))),
    ).toBe(false);
  });
});

describe("a mistake is told by its place and by what was expected", () => {
  test.each([
    ["", "w.yaml:1:1: expected a mapping with regions and threads; got null"],
    ["threads: 3", "w.yaml:1:10: threads: expected a list of threads, each with a name and steps; got 3"],
    ["thread: []", "w.yaml:1:1: thread: unknown key 'thread'; did you mean 'threads'? known: name, about,"],
    ["a: b: c", /^w\.yaml:1:4: /],
    ["x: 1\nx: 2", /^w\.yaml:2:1: Map keys must be unique/],
    [
      "regions: { heap: { size: 64 } }\nthreads: []",
      "w.yaml:1:26: regions.heap.size: expected a size with its unit",
    ],
    [
      "regions: { heap: { size: 5KiB } }\nthreads: [ { name: a, steps: [ { mmap: heap } ] } ]",
      "w.yaml:1:26: regions.heap.size: expected a whole number of pages of 4 KiB; got '5KiB'",
    ],
    [
      "regions: { heap: { size: 8KiB, shard: true } }\nthreads: []",
      /w\.yaml:1:32: regions\.heap\.shard: unknown key 'shard'; did you mean 'shared'\? known: size, of,/,
    ],
    [
      "regions: { stack: { size: 8KiB } }\nthreads: [ { name: a, steps: [ { compute: 1us } ] } ]",
      "w.yaml:1:12: regions.stack: every thread has a region 'stack' already",
    ],
    [
      withSteps("- acess: heap"),
      "w.yaml:4:9: threads[0].steps[0].acess: unknown step 'acess'; did you mean 'access'? known: access, compute,",
    ],
    [
      withSteps("- access: heapp"),
      "w.yaml:4:17: threads[0].steps[0].access: unknown region 'heapp'; did you mean 'heap'? known: heap, stack",
    ],
    [
      withSteps("- access: heap", "  cuont: 3"),
      "w.yaml:5:9: threads[0].steps[0].cuont: unknown key 'cuont'; did you mean 'count'? known: access, stream, count, grain, kind, stores",
    ],
    [
      withSteps("- access: heap", "  stream: zip"),
      /w\.yaml:5:17: threads\[0\]\.steps\[0\]\.stream: expected one of sequential, uniform, chase, zipf, or a mapping with kind: .*; got 'zip'/,
    ],
    [
      withSteps("- access: heap", "  stream: { kind: zipf, skew: 1 }"),
      /w\.yaml:5:\d+: threads\[0\]\.steps\[0\]\.stream\.skew: unknown key 'skew'; known: kind, s$/,
    ],
    [
      withSteps("- access: heap", "  stream: { kind: hot-cold, hot: 200%, often: 3 }"),
      /w\.yaml:5:\d+: threads\[0\]\.steps\[0\]\.stream\.hot: expected a share, such as 30% or 0\.3; got '200%'/,
    ],
    [withSteps("- { access: heap, grain: 1MiB }"), "expected a size from 1 B to that of 'heap'; got '1MiB'"],
    [
      withSteps("- { access: heap, stream: { kind: strided, stride: 100 B } }"),
      "expected a multiple of 4096 bytes; got '100 B'",
    ],
    [
      withSteps("- compute: 200"),
      "w.yaml:4:18: threads[0].steps[0].compute: expected a time with its unit, such as 2000 cycles, 800ns or 1.5us; got 200",
    ],
    [withSteps("- compute: 0.5 cycles"), "expected a whole number of cycles"],
    [withSteps("- { mmap: heap, munmap: heap }"), "a step does one thing; this one has 'mmap' and 'munmap'"],
    [withSteps("- mmap"), "expected a step, such as 'access: heap'; got 'mmap'"],
    [
      withSteps("- { repeat: 3 }"),
      "w.yaml:4:9: threads[0].steps[0].steps: it is missing: expected a list of steps, at least one",
    ],
    [withSteps("- { repeat: 3, steps: [] }"), "expected a list of steps, at least one; got []"],
    [
      withSteps("- { repeat: -3, steps: [ { mmap: heap } ] }"),
      "expected a whole number, such as 200, 20k or 1M; got -3",
    ],
    [withSteps("- { mprotect: heap, rights: wr }"), "expected one of none, r, rw, rx, rwx; got 'wr'"],
    [
      withSteps("- { madvise: heap, advice: dontneeed }"),
      /expected one of dontneed, free, cold, pageout,.*; got 'dontneeed'/,
    ],
    [withSteps("- fork: b"), "unknown threads with 'start: fork': 'b'"],
    [
      withSteps("- { part: heap, of: heap, size: 4KiB, steps: [ { munmap: heap } ] }"),
      "there is something called 'heap' already",
    ],
    [
      withSteps("- { part: piece, of: heap, size: 4KiB, steps: [ { munmap: heap } ] }", "- munmap: piece"),
      "unknown region 'piece'",
    ],
    [
      withSteps("- { part: piece, of: heap, size: 1GiB, steps: [ { munmap: piece } ] }"),
      "expected at most the size of 'heap'; got '1GiB'",
    ],
    [
      withSteps("- { mremap: heap, to: heap }"),
      "w.yaml:4:29: threads[0].steps[0].to: expected another region than 'heap', whose pages move",
    ],
    [withSteps("- compute: $time"), "w.yaml:4:18: threads[0].steps[0].compute: unknown parameter 'time'"],
    [
      `${withSteps("- { brk: heap, size: 4KiB }")}\n    count: 2`,
      "expected a region of threads: several threads would move one end",
    ],
    [
      `${withSteps("- mmap: heap")}\n    kernel: true`,
      "a kernel thread has no memory: it can compute, repeat, sometimes, barrier",
    ],
    [
      `${withSteps("- mmap: heap")}\n    count: 5000`,
      "threads[0].count: expected at most 4096 threads; got 5000",
    ],
    [
      `${withSteps("- mmap: heap")}\n    count: 0`,
      "expected at least one thread that exists from the beginning",
    ],
    [`${withSteps("- mmap: heap")}\n    start: fork`, "no thread forks 'a'"],
    [
      `${withSteps("- mmap: heap")}\nprocesses: { mian: 2 }`,
      "w.yaml:6:14: processes.mian: unknown process 'mian'; did you mean 'main'? known: main",
    ],
    ["[".repeat(20_000), /^w\.yaml/],
    [
      "a: &a [1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]",
      /^w\.yaml: Excessive alias count/,
    ],
  ] as const)("%#: %j", (yaml, message) => {
    let said = "";
    try {
      read(yaml);
    } catch (error) {
      expect(error).toBeInstanceOf(UsageError);
      said = (error as Error).message;
    }
    if (typeof message === "string") expect(said).toContain(message);
    else expect(said).toMatch(message);
    expect(said).not.toContain("\n");
  });

  test("a file that cannot be read", () => {
    expect(() => readPlan("absent.yaml", {}, 1)).toThrow("absent.yaml: there is no such file");
    expect(() => readPlan(root, {}, 1)).toThrow("it is a folder");
    expect(() => readPlan(join(root, "examples/gzip.lackey.gz"), {}, 1)).toThrow("it is no text in UTF-8");
  });

  test.each([
    ["&a [*a]", "w.yaml:1:5: [0]: this alias stands inside"],
    ["regions: &r { heap: *r }", "w.yaml:1:21: regions.heap: this alias stands inside of what it stands for"],
    ["[".repeat(9_000), "it is nested too deeply"],
    ["regions: {}\nregions: {}", "w.yaml:2:1: Map keys must be unique"],
    ["regions: { a: { size: .nan } }", "regions.a.size: expected a size with its unit"],
    [
      'name: "\\e[31mred"',
      'w.yaml:1:7: name: expected text without control characters; got "\\u001b[31mred"',
    ],
    ['"\\u202e": 1', "expected a key without control characters"],
    ['name: "a\\nb"\nthreads: []', "name: expected one line of text"],
  ])("a file that bites: %j", (yaml, message) => {
    expect(() => read(yaml)).toThrow(UsageError);
    expect(() => read(yaml)).toThrow(message);
  });

  test("what is no number is shown as it stands", () => {
    expect(() => read("regions: { a: { size: .nan } }\nthreads: []")).toThrow("got NaN");
  });

  test("many keys take no longer than as many values", () => {
    const keys = (count: number) => Array.from({ length: count }, (_, index) => `  k${index}: 1`).join("\n");
    const begun = performance.now();
    expect(() => read(`parameters:\n${keys(40_000)}`)).toThrow("threads: it is missing");
    expect(performance.now() - begun).toBeLessThan(10_000);
  });

  test.skipIf(process.platform === "win32")("a file without an end", () => {
    expect(() => readPlan("/dev/zero", {}, 1)).toThrow("it is larger than 1 MiB");
  });

  test("a parameter that the file does not have", () => {
    expect(() => read(text, { lookup: "3" })).toThrow(
      "unknown parameter of w.yaml 'lookup'; did you mean 'lookups'?",
    );
  });

  test("steps that are nested too deeply", () => {
    const deep = `${"{ repeat: 1, steps: [ ".repeat(60)}{ compute: 1us }${" ] }".repeat(60)}`;
    expect(() => read(withSteps(`- ${deep}`))).toThrow("steps are nested more than 32 deep");
  });

  test("whatever a file contains, it is read or refused in one line", () => {
    const pieces = fc.constantFrom(
      ..."{}[]:,-$%*&#\"'\n \t~?!|>".split(""),
      "heap",
      "access: x",
      "count: -1",
      "- ",
      "null",
      "1e99",
      ".inf",
    );
    fc.assert(
      fc.property(
        fc.nat({ max: text.length }),
        fc.nat({ max: 20 }),
        fc.array(pieces, { maxLength: 4 }),
        (at, cut, added) => {
          const yaml = text.slice(0, at) + added.join("") + text.slice(at + cut);
          try {
            new PlanWorkload(read(yaml), 4, 1);
          } catch (error) {
            if (!(error instanceof UsageError)) throw error;
            if (error.message.includes("\n")) throw new Error(`several lines: ${error.message}`);
          }
        },
      ),
      { numRuns: 150, seed: 11 },
    );
  });
});

test("the command line runs a file, with its parameters, and refuses one with exit code 2", () => {
  const cli = (...args: string[]) => {
    const all = [join(root, "dist/cli/main.js"), ...args, "--progress", "none"];
    return spawnSync(process.execPath, all, { cwd: root, encoding: "utf8" });
  };
  const { stdout, status } = cli("run", "examples/cache.yaml", "lookups=20", "--cpus", "2", "--json", "-");
  expect(status).toBe(0);
  const { workload, simulated } = JSON.parse(stdout);
  expect(workload).toBe("cache-server");
  expect(simulated.operations.munmap).toBe(20);
  const wrong = cli("run", "examples/cache.yaml", "lookups=many");
  expect(wrong.status).toBe(2);
  expect(wrong.stderr).toMatch(
    /examples\/cache\.yaml:17:\d+: threads\[0\]\.steps\[0\]\.repeat: expected a whole number.*; got 'many'\n$/,
  );
});
