import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { enactRecording } from "../src/engine/enact-recording.js";
import type { RecordedFlushes } from "../src/engine/result.js";

const calls = new Set(["munmap", "mmap", "mprotect", "madvise", "brk"]);

async function enacted(name: string): Promise<RecordedFlushes> {
  const found = await enactRecording(fileURLToPath(new URL(`../examples/${name}`, import.meta.url)));
  expect(found).toMatchObject({ lost: 0, violations: 0 });
  return found!;
}

/** Calls, and how many of them agree in whether they flush, what, and how many pages. */
function agreement({ rows }: RecordedFlushes): { count: number; agreeing: number } {
  const all = rows.filter(({ name }) => calls.has(name));
  return {
    count: all.reduce((sum, row) => sum + row.count, 0),
    agreeing: all.reduce((sum, row) => sum + row.agreeing, 0),
  };
}

/** What is recorded was counted by other programs: grep, and a script that joins calls and flushes by thread. */
describe("what real kernels flushed is what the simulated one flushes", () => {
  test("apache: every call, every copy-on-write, remote shootdowns within a tenth", async () => {
    const found = await enacted("apache.perf.gz");
    expect(agreement(found)).toEqual({ count: 3994 + 4060 + 29 + 6 + 3, agreeing: 8092 });
    const recorded = Object.fromEntries(found.rows.map((row) => [row.name, row.recorded]));
    expect(recorded).toMatchObject({
      munmap: { none: 6, ranged: 3988, full: 0 },
      mmap: { none: 4060, ranged: 0, full: 0 },
      mprotect: { none: 12, ranged: 17, full: 0 },
      madvise: { none: 2, ranged: 4, full: 0 },
      "write-protection fault": { none: 0, ranged: 32, full: 0 },
    });
    expect(found.rows.find(({ name }) => name === "write-protection fault")).toMatchObject({ agreeing: 32 });
    const { remoteShootdowns } = found;
    expect(remoteShootdowns.recorded).toBe(1045);
    expect(Math.abs(remoteShootdowns.predicted / remoteShootdowns.recorded - 1)).toBeLessThan(0.1);
  });

  test("stress-ng: processes, forks, and all calls but two", async () => {
    const found = await enacted("stress-ng.ftrace.gz");
    expect(agreement(found)).toEqual({ count: 465 + 60 + 21 + 130 + 3, agreeing: 677 });
    expect(found.rows.find(({ name }) => name === "write-protection fault")).toMatchObject({
      ...{ count: 234, agreeing: 234 },
      recorded: { none: 79, ranged: 155, full: 0 },
    });
    expect(found.rows.find(({ name }) => name === "fork")).toMatchObject({ count: 6, agreeing: 6 });
    expect(found).toMatchObject({ remoteShootdowns: { recorded: 0, predicted: 0 } });
  });
});
