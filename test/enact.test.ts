import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { enactRecording } from "../src/engine/enact-recording.js";
import type { RecordedFlushes } from "../src/engine/result.js";
import { plain } from "../src/report/paint.js";
import { recordedLines } from "../src/report/recorded.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "enact-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Lines of perf script: [CPU] of tid (process 1): text, a microsecond apart. */
function perfText(
  lines: readonly (readonly [cpu: number, tid: number, text: string, pid?: number])[],
): string {
  return lines
    .map(([cpu, tid, text, pid = 1], at) => {
      const time = `7.${String(at).padStart(6, "0")}`;
      return `app ${pid}/${tid} [00${cpu}] ${time}: x:${text}\n`;
    })
    .join("");
}

async function enacted(
  lines: readonly (readonly [cpu: number, tid: number, text: string, pid?: number])[],
): Promise<RecordedFlushes> {
  const path = join(folder, "a.perf");
  // A recording without flushes has nothing to compare with: one on a switch says that there could be some.
  await writeFile(
    path,
    `${perfText(lines)}app 1/1 [000] 8.000000: x:tlb_flush: pages:0 reason:flush on task switch (0)\n`,
  );
  const found = await enactRecording(path);
  expect(found).toMatchObject({ violations: 0 });
  return found!;
}

const page = (index: number): string => `0x${(0x7f0000000000 + index * 4096).toString(16)}`;
const fault = (index: number, error: number): string =>
  `page_fault_user: address=${page(index)} ip=0x1 error_code=0x${error.toString(16)}`;
const call = (name: string, args: readonly string[], result = "0x0"): readonly [string, string] => [
  `sys_enter_${name}: ${args.map((arg) => `a: ${arg}`).join(", ")}`,
  `sys_exit_${name}: ${result}`,
];
const PRIVATE = "0x22";
const map = (index: number, pages: number, flags = PRIVATE, fd = "0xffffffff"): readonly [string, string] =>
  call("mmap", ["0x0", `0x${(pages * 4096).toString(16)}`, "0x3", flags, fd, "0x0"], page(index));
const unmap = (index: number, pages: number): readonly [string, string] =>
  call("munmap", [page(index), `0x${(pages * 4096).toString(16)}`]);
const flush = (pages: number, reason = 3): string =>
  `tlb_flush: pages:${pages} reason:${["flush on task switch", "remote shootdown", "", "local MM shootdown"][reason]} (${reason})`;
const on = (cpu: number, tid: number, texts: readonly string[]) =>
  texts.map((text) => [cpu, tid, text] as const);
const row = (found: RecordedFlushes, name: string) => found.rows.find((each) => each.name === name);

describe("a recorded schedule, enacted", () => {
  test("unmapping flushes from the first present page to the last, or everything above 33", async () => {
    const found = await enacted(
      on(0, 1, [
        // Its page table stays, so that the page alone decides what is flushed.
        ...[...map(200, 1), fault(200, 6)],
        ...map(0, 100),
        ...[fault(3, 6), fault(7, 6)],
        ...[unmap(0, 100)[0], flush(5), unmap(0, 100)[1]],
        ...map(0, 100),
        ...[fault(3, 6), fault(90, 6)],
        ...[unmap(0, 100)[0], flush(-1), unmap(0, 100)[1]],
        ...map(0, 100),
        ...unmap(0, 100),
      ]),
    );
    expect(row(found, "munmap")).toEqual({
      ...{ name: "munmap", count: 3, agreeing: 3 },
      recorded: { none: 1, ranged: 1, full: 1 },
      predicted: { none: 1, ranged: 1, full: 1 },
    });
    expect(row(found, "mmap")).toMatchObject({ count: 4, agreeing: 4 });
    expect(row(found, "other page fault")).toMatchObject({ count: 5, agreeing: 5 });
  });

  test("a fault that reads a file maps 16 pages, aligned, or from where the mapping begins", async () => {
    const found = await enacted(
      on(0, 1, [
        ...[...map(200, 1), fault(200, 6)],
        ...map(2, 40, "0x2", "0x3"),
        ...[fault(2, 4), fault(35, 4)],
        ...[unmap(2, 40)[0], flush(40), unmap(2, 40)[1]],
        ...map(2, 20, "0x2", "0x3"),
        ...[fault(5, 4)],
        ...[unmap(2, 20)[0], flush(16), unmap(2, 20)[1]],
      ]),
    );
    // 2 to 17 and 32 to 41: everything, being more than 33; then 2 to 17 once more.
    expect(found.disagreements).toEqual([
      { line: 8, name: "munmap", recorded: "40 pages", predicted: "everything" },
    ]);
    expect(row(found, "munmap")).toMatchObject({ count: 2, agreeing: 1 });
  });

  test("copy-on-write flushes a page; giving the last owner his right back flushes none", async () => {
    const child = (text: string) => [0, 2, text, 2] as const;
    const found = await enacted([
      ...on(0, 1, [...map(0, 4), fault(0, 6), fault(1, 4), fault(1, 7), flush(1)]),
      ...on(0, 1, ["sched_process_fork: comm=a pid=1 child_comm=a child_pid=2"]),
      child(fault(0, 7)),
      child(flush(1)),
      ...on(0, 1, [fault(0, 7)]),
    ]);
    expect(row(found, "write-protection fault")).toMatchObject({
      ...{ count: 3, agreeing: 3 },
      predicted: { none: 1, ranged: 2, full: 0 },
    });
    expect(found.faults).toEqual({ unneeded: 0, primed: 0 });
  });

  test("an entry that the recording says was there is made before the fault on it", async () => {
    const found = await enacted(on(0, 1, [...map(0, 4), fault(0, 7), flush(1)]));
    expect(row(found, "write-protection fault")).toMatchObject({ count: 1, agreeing: 1 });
    expect(found.faults).toEqual({ unneeded: 0, primed: 1 });
  });

  test("a CPU is interrupted while it runs the process, and neither when idle nor when somebody else runs", async () => {
    const away = (next: string): string =>
      `sched_switch: prev_comm=app prev_pid=2 prev_prio=120 prev_state=S ==> next_comm=${next} next_prio=120`;
    const round = on(0, 1, [...map(0, 4), fault(0, 6), unmap(0, 4)[0], flush(1), unmap(0, 4)[1]]);
    const thread = [[1, 2, fault(100, 6)] as const];
    const counts = async (...switches: string[]): Promise<number> => {
      const lines = [...thread, ...switches.map((text) => [1, 2, text] as const), ...round];
      return (await enacted(lines)).remoteShootdowns.predicted;
    };
    expect(await counts()).toBe(1);
    expect(await counts(away("swapper/1 next_pid=0"))).toBe(0);
    expect(await counts(away("ksoftirqd/1 next_pid=22"))).toBe(0);
    expect(await counts(away("other next_pid=33"))).toBe(0);
    expect(await counts(away("other next_pid=33"), fault(101, 6))).toBe(1);
  });

  test("a recording of all CPUs says itself when a thread comes back", async () => {
    const to = (next: string): string =>
      `sched_switch: prev_comm=a prev_pid=0 prev_prio=120 prev_state=S ==> next_comm=${next} next_prio=120`;
    const round = on(0, 1, [...map(0, 4), fault(0, 6), unmap(0, 4)[0], flush(1), unmap(0, 4)[1]]);
    const found = await enacted([
      [1, 2, fault(100, 6)],
      [1, 2, to("swapper/1 next_pid=0")],
      ...round,
      [1, 0, to("app next_pid=2"), 0],
      ...round,
      // Another process, at the same address.
      [1, 2, to("other next_pid=7")],
      [1, 7, fault(0, 6), 7],
      ...round,
      [1, 7, call("munmap", [page(0), "0x4000"])[0], 7],
      [1, 7, flush(1), 7],
      [1, 7, call("munmap", [page(0), "0x4000"])[1], 7],
    ]);
    expect(found.remoteShootdowns.predicted).toBe(1);
    expect(row(found, "munmap")).toMatchObject({ count: 4, agreeing: 4 });
  });

  test("a call that ends while another one of the process has still to flush flushes everything", async () => {
    const touched = (from: number): string[] => Array.from({ length: 20 }, (_, at) => fault(from + at, 6));
    const madvise = (index: number): readonly [string, string] =>
      call("madvise", [page(index), `0x${(20 * 4096).toString(16)}`, "0x4"]);
    const start = [...on(0, 1, [...map(0, 100), ...touched(0)]), ...on(1, 2, touched(40))];
    const apart = await enacted([...start, ...on(0, 1, madvise(0)), ...on(1, 2, madvise(40))]);
    expect(row(apart, "madvise")).toMatchObject({ predicted: { none: 0, ranged: 2, full: 0 } });
    const [first, second] = [madvise(0), madvise(40)];
    const nested = await enacted([
      ...[...start, [0, 1, first[0]] as const, [1, 2, second[0]] as const],
      ...[[0, 1, first[1]] as const, [1, 2, second[1]] as const],
    ]);
    expect(row(nested, "madvise")!.predicted.full).toBeGreaterThan(0);
  });

  test("a call that failed does nothing, and one without an end does not count", async () => {
    const found = await enacted(
      on(0, 1, [
        ...[...map(0, 4), fault(0, 6)],
        ...call("munmap", [page(0), "0x4000"], "0xffffffffffffffea"),
        unmap(0, 4)[0],
      ]),
    );
    expect(row(found, "munmap")).toMatchObject({ count: 1, predicted: { none: 1, ranged: 0, full: 0 } });
  });

  test("a recording without flushes, and one of another kind, have nothing to compare with", async () => {
    const path = join(folder, "b");
    await writeFile(path, perfText(on(0, 1, [fault(0, 6)])));
    expect(await enactRecording(path)).toBeUndefined();
    await writeFile(path, "7 munmap(0x7f0000000000, 4096) = 0\n");
    expect(await enactRecording(path)).toBeUndefined();
  });

  test("too many CPUs are refused", async () => {
    const path = join(folder, "c");
    await writeFile(path, "a 1/1 [4000] 1.000000: x:y: z\n");
    await expect(enactRecording(path)).rejects.toThrow(/CPUs below 1024, saw CPU 4000/);
  });
});

/** The rule in a few lines, for private memory of one thread: from the first present page to the last, all above 33. */
class Naive {
  readonly #present = new Set<number>();

  /** Whether it faults. */
  touch(at: number): boolean {
    const faults = !this.#present.has(at);
    this.#present.add(at);
    return faults;
  }

  free(start: number, pages: number): number | undefined {
    const gone = [...this.#present].filter((at) => at >= start && at < start + pages);
    for (const at of gone) this.#present.delete(at);
    if (gone.length === 0) return undefined;
    const span = Math.max(...gone) - Math.min(...gone) + 1;
    return span > 33 ? -1 : span;
  }
}

test.each([1, 2, 3])(
  "random calls and faults flush what a model in a few lines says, seed %i",
  async (seed) => {
    const draws = xoroshiro128plus(seed);
    const below = (end: number): number => uniformInt(draws, 0, end - 1);
    const naive = new Naive();
    // A page above keeps the page table, so that no flush is about tables.
    const texts = [...map(0, 200), ...map(400, 1), fault(400, 6)];
    const mapped = new Array<boolean>(200).fill(true);
    for (let step = 0; step < 250; step++) {
      const [start, pages] = [below(150), 1 + below(50)];
      const all = mapped.slice(start, start + pages);
      if (below(3) > 0) {
        const at = start + below(pages);
        if (mapped[at] && naive.touch(at)) texts.push(fault(at, 6));
      } else if (all.includes(false)) {
        texts.push(...map(start, pages, "0x32"));
        const flushed = naive.free(start, pages);
        if (flushed !== undefined) texts.splice(-1, 0, flush(flushed));
        mapped.fill(true, start, start + pages);
      } else {
        const isUnmap = below(2) === 0;
        const length = `0x${(pages * 4096).toString(16)}`;
        const [enter, exit] = isUnmap ? unmap(start, pages) : call("madvise", [page(start), length, "0x4"]);
        const flushed = naive.free(start, pages);
        texts.push(enter, ...(flushed === undefined ? [] : [flush(flushed)]), exit);
        if (isUnmap) mapped.fill(false, start, start + pages);
      }
    }
    const found = await enacted(on(0, 1, texts));
    expect(found.disagreements).toEqual([]);
    expect(found.rows.reduce((sum, each) => sum + each.count, 0)).toBeGreaterThan(100);
    expect(found.faults).toEqual({ unneeded: 0, primed: 0 });
  },
);

test("the table says what agrees, and where the first disagreements are", async () => {
  const found = await enacted(
    on(0, 1, [...map(0, 4), fault(0, 6), unmap(0, 4)[0], flush(-1), unmap(0, 4)[1]]),
  );
  expect(recordedLines({ ...found, lost: 3 }, plain)).toMatchInlineSnapshot(`
    [
      "Flushes of the recorded kernel and of the simulated one (deferred), a.perf",
      "",
      "                  count  recorded: none  ranged  full  predicted: none  ranged  full  agree",
      "munmap                1               0       0     1                0       1     0      0      0%",
      "mmap                  1               1       0     0                1       0     0      1  100.0%",
      "all these calls       2               1       0     1                1       1     0      1   50.0%",
      "other page fault      1               1       0     0                1       0     0      1  100.0%",
      "",
      "                            recorded  predicted  ratio",
      "remote shootdowns executed         0          0      -",
      "interrupts received                0          0      -",
      "",
      "1 disagreement:",
      "  line 4, munmap: recorded everything, predicted 1 page",
      "The recorder dropped 3 events: what is around them may not agree.",
    ]
  `);
});
