import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { openTrace, recordings } from "../src/trace/format.js";
import { eventText, summarizeTrace, traceEvents } from "../src/trace/inspect.js";
import { drRecord, fetched, load, mark, stamp, store, systemCall, threadBytes } from "./drmemtrace-bytes.js";
import { eventsOf } from "./trace-text.js";

const example = fileURLToPath(new URL("../examples/zstd.drmemtrace", import.meta.url));
const page = 0x7f00_0000_0000;
const [mmap, munmap, clone3] = [9, 11, 435];

let folder = "";
let made = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "shootdown-"));
});

/** The files of threads 1, 2, ... of one process, in a folder. */
async function recorded(...threads: (readonly Buffer[])[]): Promise<string> {
  const place = join(folder, `${made++}`);
  await mkdir(place);
  for (const [index, records] of threads.entries()) {
    await writeFile(join(place, `drmemtrace.app.${index + 1}.77.trace`), threadBytes(1, index + 1, records));
  }
  return place;
}

async function lines(place: string): Promise<string[]> {
  const all: string[] = [];
  for (const { files } of await recordings([place])) {
    for await (const event of traceEvents(files)) all.push(eventText(event));
  }
  return all;
}

describe("the shipped recording", () => {
  /** DynamoRIO's own tools counted these: basic_counts, and view for the calls. */
  test("holds what DynamoRIO counts in it", async () => {
    const [recording] = await recordings([example]);
    expect(recording).toMatchObject({ name: "drmemtrace.zstd", files: { length: 3 } });
    const summary = await summarizeTrace(recording!.files);
    expect(summary).toMatchObject({ format: "drmemtrace", unit: "record", lines: 2_506_997, threads: 3 });
    expect(summary.accesses).toEqual({ fetch: 1_785_639, load: 441_933, store: 207_329, modify: 0 });
    expect(summary).toMatchObject({ pages: 350, skipped: 0, others: { noFetch: 37_052 } });
    expect(summary.calls).toMatchObject({ mmap: 44, munmap: 23, mprotect: 8, madvise: 2, brk: 3 });
    const others = Object.values(summary.others).reduce((sum, count) => sum + count, 0);
    expect(others + 1_785_639 + 441_933 + 207_329).toBe(summary.lines);
  });

  test("has no access to a page between its munmap and its next mmap", async () => {
    const gone = new Set<number>();
    let calls = 0;
    for await (const event of traceEvents((await recordings([example]))[0]!.files)) {
      if (event.name === "access") {
        if (gone.has(Math.floor(event.address / 4096))) throw new Error(eventText(event));
        continue;
      }
      calls++;
      if (event.name !== "mmap" && event.name !== "munmap") continue;
      for (let at = event.start; at < event.start + event.length; at += 4096) {
        if (event.name === "munmap") gone.add(at / 4096);
        else gone.delete(at / 4096);
      }
    }
    expect(calls).toBe(44 + 23 + 8 + 2 + 3 + 2 + 3);
  });
});

describe("threads that ran in parallel", () => {
  test("come in the order of their timestamps, and begin where the first has called clone3", async () => {
    const first = [
      stamp(10),
      fetched(page),
      systemCall(clone3, [], 2, [20, 22]),
      load(page),
      stamp(50),
      load(page + 1),
    ];
    const second = [stamp(21), store(page + 2), stamp(30), store(page + 3)];
    expect(await lines(await recorded(first, second))).toEqual([
      `0 fetch 0x7f0000000000 4`,
      ...["0 thread child 1", "1 store 0x7f0000000002 8", "0 load 0x7f0000000000 8"],
      ...["1 store 0x7f0000000003 8", "1 exit", "0 load 0x7f0000000001 8", "0 exit"],
    ]);
  });

  test("a munmap stands where it began and an mmap where it ended, so that one is before the other", async () => {
    const args = [0, 4096, 3, 0x22, 0xffff_ffff, 0];
    const first = [stamp(5), load(1), systemCall(mmap, args, page, [10, 40]), store(page)];
    const second = [stamp(6), load(2), systemCall(munmap, [page, 4096], 0, [12, 50]), load(3)];
    expect(await lines(await recorded(first, second))).toEqual([
      ...["0 load 0x1 8", "0 thread child 1", "1 load 0x2 8", "1 munmap start 0x7f0000000000 length 4096"],
      "0 mmap start 0x7f0000000000 length 4096 prot 3 shared false fd -1 offset 0",
      ...["0 store 0x7f0000000000 8", "0 exit", "1 load 0x3 8", "1 exit"],
    ]);
  });

  test("a timestamp between the arguments of a munmap and its result does not move it", async () => {
    const call = [
      ...[stamp(10), mark("systemCall", munmap), mark("function", 0x1_0000_0000 + munmap)],
      ...[mark("argument", page), mark("argument", 4096), stamp(90)],
      ...[mark("function", 0x1_0000_0000 + munmap), mark("result", 0), load(1)],
    ];
    expect(await lines(await recorded(call, [stamp(50), load(2)]))).toEqual([
      ...["0 munmap start 0x7f0000000000 length 4096", "0 thread child 1", "1 load 0x2 8", "1 exit"],
      ...["0 load 0x1 8", "0 exit"],
    ]);
  });

  test("the last thread to end starts one that was recorded after it", async () => {
    expect(await lines(await recorded([stamp(1), load(1)], [stamp(9), load(2)]))).toEqual([
      ...["0 load 0x1 8", "0 thread child 1", "0 exit", "1 load 0x2 8", "1 exit"],
    ]);
  });

  test("files of two processes are two recordings", async () => {
    const place = await recorded([stamp(1), load(1)]);
    await writeFile(join(place, "drmemtrace.app.9.77.trace"), threadBytes(9, 9, [stamp(2), load(2)]));
    expect(await recordings([place])).toHaveLength(2);
  });
});

describe("records", () => {
  test("calls that failed, and those without arguments, do nothing", async () => {
    const place = await recorded([
      ...[stamp(1), systemCall(munmap, [page, 4096], -22, [2, 3])],
      ...[stamp(4), mark("systemCall", mmap), stamp(5), load(1)],
    ]);
    expect(await lines(place)).toEqual(["0 load 0x1 8", "0 exit"]);
    const [recording] = await recordings([place]);
    expect(await summarizeTrace(recording!.files)).toMatchObject({
      failed: 1,
      calls: { munmap: 1, mmap: 1 },
    });
  });

  test("prefetches, instructions without a fetch and the kernel's addresses are counted", async () => {
    const place = await recorded([
      ...[stamp(1), drRecord(3, 1, page), drRecord(29, 2, page), drRecord(10, 3, 0xffff_ffff_ff60_0000n)],
      load(1),
    ]);
    const [recording] = await recordings([place]);
    const { others, lines: records } = await summarizeTrace(recording!.files);
    expect(others).toMatchObject({ prefetch: 1, noFetch: 1, kernelSpace: 1 });
    expect(records).toBe(5 + 5 + 2);
  });

  test.each([
    ["a type that no record has", [load(1), drRecord(99, 0, 0)], 72, "a record of drmemtrace, saw type 99"],
    ["an address beyond 48 bits", [load(2 ** 50)], 60, "an address of 48 bits, saw high half 0x40000"],
    ["records of another thread", [drRecord(22, 4, 8)], 60, "records of one thread, saw another"],
  ])("%s is refused with its byte, or passed over", async (_, records, byte, problem) => {
    const place = await recorded(records);
    const file = join(place, "drmemtrace.app.1.77.trace");
    await expect(openTrace(file).then(eventsOf)).rejects.toMatchObject({ name: "InputError", file, byte });
    await expect(openTrace(file).then(eventsOf)).rejects.toThrow(problem);
  });
});
