import { spawnSync } from "node:child_process";
import { lstat, mkdtemp, readdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { pack } from "../src/cli/trace-work.js";
import { enactRecording } from "../src/engine/enact-recording.js";
import { runSimulation } from "../src/engine/run.js";
import { skylakeSp } from "../src/machine/skylake-sp.js";
import type { TraceEvent } from "../src/trace/event.js";
import { openTraceWorkload } from "../src/trace/feed.js";
import { openTrace, recordings } from "../src/trace/format.js";
import { summarizeTrace } from "../src/trace/inspect.js";
import { packedHeader } from "../src/trace/packed.js";
import { packTrace } from "../src/trace/packed-writer.js";
import { straceText } from "./strace-text.js";
import { eventsOf, lackeyText, steps } from "./trace-text.js";

const example = (name: string): string => fileURLToPath(new URL(`../examples/${name}`, import.meta.url));

let folder = "";
let made = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "shootdown-"));
});

const place = (): string => join(folder, `${made++}.sdt`);

async function packed(file: string, blockRows?: number): Promise<string> {
  const [recording] = await recordings([file]);
  const to = place();
  await packTrace(recording!, to, blockRows === undefined ? {} : { blockRows });
  return to;
}

async function packedText(text: string, blockRows: number): Promise<[from: string, to: string]> {
  const from = join(folder, `${made++}.log`);
  await writeFile(from, text);
  return [from, await packed(from, blockRows)];
}

const events = async (file: string, options = {}): Promise<TraceEvent[]> =>
  eventsOf(await openTrace(file, options));

describe("a packed recording", () => {
  test("holds the events and the counts of its source, whatever the size of its blocks", async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 50 }), fc.boolean(), async (all, rows, isLackey) => {
        const { text } = isLackey ? lackeyText(all) : straceText(all, "pid time");
        fc.pre(isLackey ? /^(?:I {2}| [LSM] )/m.test(text) : text !== "");
        const [from, to] = await packedText(text, rows);
        expect(await events(to)).toEqual(await events(from));
        expect(await summarizeTrace(to)).toEqual(await summarizeTrace(from));
      }),
      { numRuns: 60 },
    );
  });

  test.each([["zstd.drmemtrace"], ["redis.strace.gz"], ["stress-ng.ftrace.gz"]])(
    "of %s gives the same result, to the byte",
    async (name) => {
      const files = [example(name), await packed(example(name))];
      const texts = await Promise.all(
        files.map(async (file) => {
          const workload = await openTraceWorkload([file]);
          const request = { machine: skylakeSp, policy: "deferred", cpus: 4, seed: 1 };
          const { host, ...rest } = await runSimulation({
            ...request,
            workload,
            workloadName: workload.name,
          });
          expect(host.peakRssBytes).toBeGreaterThan(0);
          return JSON.stringify(rest);
        }),
      );
      expect(texts[1]).toBe(texts[0]);
    },
  );

  test("may be packed once more by other programs, and packed again", async () => {
    const [from, to] = await packedText("I  04000000,4\n L 1fff000000,8\n", 10);
    const twice = `${to}.gz`;
    await writeFile(twice, gzipSync(await readFile(to)));
    expect(await events(twice)).toEqual(await events(from));
    expect(await events(await packed(to))).toEqual(await events(from));
  });

  test("has more than 255 kinds of access in one recording", async () => {
    const lines = Array.from(
      { length: 600 },
      (_, index) => ` L ${(0x4000000 + index).toString(16).padStart(8, "0")},${index + 1}`,
    );
    const [from, to] = await packedText(`${lines.join("\n")}\n`, 10_000);
    expect(await events(to)).toEqual(await events(from));
  });
});

describe("a packed recording that is damaged", () => {
  /** Three threads and calls, in blocks of 7 rows. */
  const text = `--7--   SCHED[1]:  acquired lock (x)
${["I  04000000,4", " L 1fff000000,8", " S 1fff000ff8,16"].join("\n").concat("\n").repeat(10)}
SYSCALL[7,1](56) sys_clone ( 3d0f00, 0x5, 0x5, 0x5, 0x5 ) --> [pre-success] Success(0x50c3)
--7--   SCHED[2]:  acquired lock (x)
${"I  04a54b42,3\n".repeat(30)}`;
  const rows = 30 + 1 + 30;
  let whole: Buffer;
  beforeAll(async () => {
    whole = await readFile((await packedText(text, 7))[1]);
  });

  async function damaged(content: Uint8Array): Promise<string> {
    const file = place();
    await writeFile(file, content);
    return file;
  }

  test("in one bit is refused with its block and byte, or passed over and counted", async () => {
    const begin = 20 + whole.readUInt32LE(12);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: begin, max: whole.length - 1 }), fc.nat(7), async (byte, bit) => {
        const bytes = Buffer.from(whole);
        bytes[byte]! ^= 1 << bit;
        const file = await damaged(bytes);
        await expect(events(file)).rejects.toThrow(/\.sdt, byte \d+: expected block \d of 9, saw /);
        const reader = await openTrace(file, { lenient: true });
        const read = (await eventsOf(reader)).filter(({ name }) => name !== "thread").length;
        const lost = reader.counts.skipped;
        expect(lost).toBeGreaterThan(0);
        expect(lost).toBeLessThanOrEqual(7);
        expect(read + lost - rows).toBeLessThanOrEqual(1);
        expect(read + lost - rows).toBeGreaterThanOrEqual(-1);
      }),
      { numRuns: 150 },
    );
  });

  test("in its header is refused", async () => {
    const length = 20 + whole.readUInt32LE(12);
    for (let byte = 0; byte < length; byte += 3) {
      const bytes = Buffer.from(whole);
      bytes[byte]! ^= 4;
      const file = await damaged(bytes);
      const problem =
        byte < 4 ? /expected a recording/ : /byte 0: expected the header of a packed recording, saw /;
      await expect(events(file)).rejects.toThrow(problem);
      await expect(events(file, { lenient: true })).rejects.toThrow(problem);
    }
  });

  test("by its end being cut off is refused, wherever that is, or read as far as it goes", async () => {
    const begin = 20 + whole.readUInt32LE(12);
    for (let length = 8; length < whole.length; length += 11) {
      const file = await damaged(whole.subarray(0, length));
      await expect(events(file)).rejects.toMatchObject({ name: "InputError", file });
      if (length < begin) continue;
      const reader = await openTrace(file, { lenient: true });
      await eventsOf(reader);
      expect(reader.counts.skipped).toBeGreaterThan(0);
    }
  });

  test("by a program that changes ends of lines is refused", async () => {
    const mangled = Buffer.from(whole.toString("latin1").replaceAll("\r\n", "\n"), "latin1");
    await expect(events(await damaged(mangled))).rejects.toThrow(
      /expected the header of a packed recording, saw other bytes \(.*ends of lines/,
    );
  });

  test("threads whose beginning is lost begin with their first event", async () => {
    const file = await damaged(whole);
    const all = await events(file);
    const started = all.findIndex(({ name }) => name === "thread");
    const bytes = Buffer.from(whole);
    // The block with the call: its number is the second word behind its mark.
    let at = bytes.indexOf("SBLK");
    while (bytes.readUInt32LE(at + 4) !== Math.floor(started / 7)) at = bytes.indexOf("SBLK", at + 1);
    bytes[at + 30]! ^= 1;
    const read = await events(await damaged(bytes), { lenient: true });
    expect(read).toContainEqual({ name: "thread", thread: 0, child: 1 });
    expect(read.filter((event) => event.name === "access")).toHaveLength(60 - 6);
  });
});

test("packing that is interrupted leaves nothing behind", async () => {
  const [recording] = await recordings([example("gzip.lackey.gz")]);
  const stop = new AbortController();
  const done = packTrace(recording!, join(folder, "stopped.sdt"), { signal: stop.signal });
  stop.abort();
  await expect(done).rejects.toBe(stop.signal.reason);
  expect((await readdir(folder)).filter((name) => name.includes("stopped"))).toEqual([]);
});

test.skipIf(process.platform === "win32")("a link stays a link, and a pipe a pipe", async () => {
  const [from, link, pipe] = ["from.log", "link.sdt", "pipe.sdt"].map((name) => join(folder, name));
  await writeFile(from!, "I  04000000,4\n");
  await writeFile(join(folder, "real.sdt"), "");
  await symlink("real.sdt", link!);
  await pack([from!], link!, {});
  expect(await readlink(link!)).toBe("real.sdt");
  expect(await events(link!)).toEqual(await events(from!));
  spawnSync("mkfifo", [pipe!]);
  await expect(pack([from!], pipe!, {})).rejects.toThrow(/pipe\.sdt: it is no file/);
  expect((await lstat(pipe!)).isFIFO()).toBe(true);
});

describe("a packed recording of a kernel", () => {
  const name = "stress-ng.ftrace.gz";
  test("has the same comparison of what was flushed with what is predicted, packed again too", async () => {
    const once = await packed(example(name));
    const expected = await enactRecording(example(name));
    expect(expected?.rows.length).toBeGreaterThan(3);
    expect(await enactRecording(once)).toEqual(expected);
    expect(await enactRecording(await packed(once))).toEqual(expected);
  });

  test("is refused if what the kernel did is damaged, by the replay too, or what is lost is counted", async () => {
    const bytes = await readFile(await packed(example(name)));
    const last = bytes.lastIndexOf(Buffer.from("SBLK"));
    for (const change of [
      (all: Buffer) => all.fill(all[last + 40]! ^ 1, last + 40, last + 41),
      (all: Buffer) => all.subarray(0, last),
      (all: Buffer) => Buffer.concat([all, Buffer.from("more")]),
    ]) {
      const file = place();
      await writeFile(file, change(Buffer.from(bytes)));
      await expect(enactRecording(file)).rejects.toThrow(/, byte \d+: expected block \d+ of \d+, saw /);
      await expect(summarizeTrace(file)).rejects.toThrow(/, byte \d+: expected block \d+ of \d+, saw /);
    }
    const file = place();
    await writeFile(file, bytes.subarray(0, last));
    const whole = (await packedHeader(file))!.schedule!;
    const rest = await enactRecording(file, { lenient: true });
    expect(rest!.lost).toBeGreaterThan(0);
    expect(rest!.lost).toBeLessThan(whole.events);
  });
});

test("what cannot be packed leaves nothing behind", async () => {
  const bad = join(folder, "bad.log");
  await writeFile(bad, "I  04000000,4\nrubbish\n");
  const to = join(folder, "never.sdt");
  const [recording] = await recordings([bad]);
  await expect(packTrace(recording!, to)).rejects.toThrow(/bad\.log:2/);
  expect((await readdir(folder)).filter((name) => name.includes("never"))).toEqual([]);
});
