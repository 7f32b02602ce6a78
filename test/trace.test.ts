import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { summarizeTrace } from "../src/trace/inspect.js";

const example = (name: string): string => fileURLToPath(new URL(`../examples/${name}`, import.meta.url));
const none = { fetch: 0, load: 0, store: 0, modify: 0 };

/** The numbers come from other programs: the footer of lackey, and grep over the unpacked files. */
describe("the shipped recordings hold what their description says", () => {
  test("sqlite: one thread, accesses and calls", async () => {
    const { calls, ...rest } = await summarizeTrace(example("sqlite.lackey.zst"));
    expect(rest).toMatchObject({ format: "lackey", lines: 7_646_049, threads: 1, forks: 0, skipped: 0 });
    expect(rest.accesses).toEqual({ fetch: 5_360_320, load: 1_449_429, store: 799_683, modify: 35_640 });
    expect(rest).toMatchObject({ pages: 641, codePages: 323, dataPages: 318, writtenPages: 134 });
    expect(calls).toMatchObject({ mmap: 37, munmap: 4, mprotect: 9, brk: 5 });
    expect(total(calls)).toBe(421);
  });

  test("apache: seven threads", async () => {
    const { calls, ...rest } = await summarizeTrace(example("apache.lackey.zst"));
    expect(rest).toMatchObject({ format: "lackey", lines: 16_941_816, threads: 7, forks: 0, skipped: 0 });
    expect(rest.accesses).toEqual({ fetch: 12_914_874, load: 2_658_296, store: 1_331_465, modify: 23_522 });
    expect(rest).toMatchObject({ pages: 780, codePages: 327, dataPages: 453, writtenPages: 227 });
    expect(calls).toMatchObject({ mmap: 241, munmap: 170, mprotect: 30, madvise: 6, clone: 6 });
    expect(total(calls)).toBe(7993);
  });

  test("gzip: accesses only", async () => {
    const { calls, ...rest } = await summarizeTrace(example("gzip.lackey.gz"));
    expect(rest).toMatchObject({ format: "lackey", lines: 923_429, threads: 1, pages: 195, skipped: 0 });
    expect(rest.accesses).toEqual({ fetch: 658_242, load: 134_620, store: 125_511, modify: 5031 });
    expect(calls).toEqual({});
  });

  test("redis: madvise, one fork", async () => {
    const { calls, ...rest } = await summarizeTrace(example("redis.strace.gz"));
    expect(rest).toMatchObject({
      format: "strace",
      lines: 6184,
      threads: 9,
      forks: 1,
      joined: 30,
      skipped: 0,
    });
    expect(rest).toMatchObject({ accesses: none, pages: 0, failed: 0 });
    expect(calls).toMatchObject({ madvise: 5996, mmap: 103, mprotect: 25, clone3: 7, munmap: 3 });
    expect(total(calls)).toBe(6144);
  });

  test("node: calls that overlap", async () => {
    const { calls, ...rest } = await summarizeTrace(example("node-workers.strace.gz"));
    expect(rest).toMatchObject({
      format: "strace",
      lines: 5058,
      threads: 10,
      forks: 0,
      joined: 1753,
      skipped: 0,
    });
    expect(calls).toMatchObject({ mprotect: 1090, munmap: 1007, mmap: 597, madvise: 559, clone3: 9 });
    expect(total(calls)).toBe(3295);
  });

  test("apache at native speed: calls, faults", async () => {
    const summary = await summarizeTrace(example("apache.perf.gz"));
    expect(summary).toMatchObject({ format: "perf", lines: 40_933, threads: 7, forks: 0, skipped: 0 });
    expect(summary).toMatchObject({ accesses: { fetch: 58, load: 5357, store: 2931 }, pages: 435 });
    expect(summary.calls).toMatchObject({ munmap: 3994, mmap: 4060, mprotect: 29, madvise: 6, brk: 3 });
  });

  test("stress-ng: processes", async () => {
    const summary = await summarizeTrace(example("stress-ng.ftrace.gz"));
    expect(summary).toMatchObject({
      format: "ftrace",
      lines: 13_157 + 12,
      threads: 13,
      forks: 6,
      skipped: 0,
    });
    expect(summary).toMatchObject({ accesses: { fetch: 181, load: 768, store: 9784 }, pages: 1561 });
    expect(summary.calls).toMatchObject({ mprotect: 465, madvise: 60, munmap: 21, mmap: 130, brk: 3 });
  });
});

function total(calls: Readonly<Record<string, number>>): number {
  return Object.values(calls).reduce((sum, count) => sum + count, 0);
}
