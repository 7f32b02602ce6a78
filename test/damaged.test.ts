import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { beforeAll, describe, expect, test } from "vitest";
import type { ReaderOptions } from "../src/trace/event.js";
import { openTraceWorkload } from "../src/trace/feed.js";
import { recordings } from "../src/trace/format.js";
import { packTrace } from "../src/trace/packed-writer.js";
import type { TraceSummary } from "../src/workload/feed.js";
import { FakeEngine } from "./fake-engine.js";

const samples = fileURLToPath(new URL("./samples/", import.meta.url));
const textSamples = [
  ...[
    "lackey-plain.txt",
    "lackey-coupled.txt",
    "strace.txt",
    "perf.txt",
    "ftrace.txt",
    "drmemtrace-view.txt",
  ],
];
const names = [...textSamples, "thread.trace", "champsim.champsimtrace", "packed.sdt"];
const seed = 20_260_101;

let folder = "";
let made = 0;
const whole = new Map<string, Buffer>();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "shootdown-"));
  const [coupled] = await recordings([join(samples, "lackey-coupled.txt")]);
  await packTrace(coupled!, join(folder, "packed.sdt"), { blockRows: 16 });
  for (const name of names) {
    whole.set(name, await readFile(join(name === "packed.sdt" ? folder : samples, name)));
  }
});

/** What became of a file: what it held, or why it was refused. Anything else fails the test. */
type Outcome = { readonly summary: TraceSummary } | { readonly refused: string };

/** Replay a file to its end. */
async function outcome(file: string, options: ReaderOptions = {}): Promise<Outcome> {
  const random = xoroshiro128plus(seed);
  try {
    const workload = await openTraceWorkload([file], { ...options, touch: 2 });
    const feed = workload.open(1);
    try {
      // What is damaged may make threads meet in ways that no recording has.
      await new FakeEngine(workload, 64, false).run(feed, () => (random.next() >>> 0) / 2 ** 32);
    } finally {
      await feed.close?.();
    }
    return { summary: feed.summary! };
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "InputError") throw error;
    expect(error.message).toMatch(/^\/\S+?(?::\d+|, byte \d+)?: expected .+, saw .+$/);
    expect(error.message).toContain(folder);
    return { refused: error.message };
  }
}

/** The sample with its bytes changed, under its own name, in a folder of its own; packed as well, if asked for. */
async function damaged(name: string, change: (bytes: Buffer) => Buffer, isPacked = false): Promise<string> {
  const content = change(Buffer.from(whole.get(name)!));
  const file = join(folder, `${made++}.${name}`);
  await writeFile(file, isPacked ? gzipSync(content) : content);
  return file;
}

/** Refused strictly; leniently refused too, or read with something passed over. */
async function isNoticed(file: string): Promise<void> {
  expect(await outcome(file)).toHaveProperty("refused");
  const lenient = await outcome(file, { lenient: true });
  if ("summary" in lenient) expect(lenient.summary.skipped).toBeGreaterThan(0);
}

describe.each(names)("%s", (name) => {
  const isText = textSamples.includes(name);
  const isChampsim = name.endsWith(".champsimtrace");

  test("is read whole, plain or packed, with nothing passed over", async () => {
    for (const isPacked of [false, true]) {
      const read = await outcome(await damaged(name, (bytes) => bytes, isPacked));
      expect(read).toMatchObject({ summary: { skipped: 0 } });
    }
  });

  test("with a bit that flipped is read, or refused with the place", async () => {
    const random = xoroshiro128plus(seed);
    const { length } = whole.get(name)!;
    for (let round = 0; round < 40; round++) {
      const at = (random.next() >>> 0) % length;
      const bit = (random.next() >>> 0) % 8;
      const file = await damaged(name, (bytes) => {
        bytes[at]! ^= 1 << bit;
        return bytes;
      });
      if (name === "packed.sdt") await isNoticed(file);
      await outcome(file);
      await outcome(file, { lenient: true });
    }
  });

  test("cut off anywhere is read up to there, or refused with the place", async () => {
    const { length } = whole.get(name)!;
    for (let round = 1; round <= 30; round++) {
      const file = await damaged(name, (bytes) => bytes.subarray(0, Math.floor((length * round) / 31)));
      // A text may end after any line, and ChampSim's records have no end.
      if (isText || isChampsim) await outcome(file);
      else await isNoticed(file);
      await outcome(file, { lenient: true });
    }
  });

  test("cut off inside its packing is refused with the byte", async () => {
    const packed = gzipSync(whole.get(name)!);
    for (const part of [0.2, 0.5, 0.9, 0.999]) {
      const file = join(folder, `${made++}.${name}.gz`);
      await writeFile(file, packed.subarray(0, Math.floor(packed.length * part)));
      expect(await outcome(file)).toMatchObject({
        refused: expect.stringMatching(/, byte \d+: expected whole gzip data, saw unexpected end of file$/),
      });
    }
  });

  test("with another beginning is refused", async () => {
    const file = await damaged(name, (bytes) => bytes.fill(1, 0, 32));
    expect(await outcome(file)).toHaveProperty("refused");
  });

  test("with other ends of lines is the same text, and no binary file", async () => {
    const file = await damaged(name, (bytes) =>
      Buffer.from(bytes.toString("latin1").replaceAll(/\r?\n/g, "\r\n"), "latin1"),
    );
    if (!isText) {
      // The sample has no byte 10 in it, or is refused.
      if (whole.get(name)!.includes(10)) await isNoticed(file);
      return;
    }
    const [changed, plain] = [await outcome(file), await outcome(await damaged(name, (bytes) => bytes))];
    const { file: _, ...summary } = (plain as { summary: TraceSummary }).summary;
    expect(changed).toMatchObject({ summary });
  });

  test("with a huge line or NULs in it is refused with the place, or they are passed over", async () => {
    const middle = Math.floor(whole.get(name)!.length / 2);
    for (const [what, filler] of [
      ["huge", Buffer.alloc(3_000_000, "x")],
      ["NUL", Buffer.alloc(7)],
    ] as const) {
      const file = await damaged(name, (bytes) => {
        // In a text, a line of its own.
        const at = isText ? bytes.indexOf("\n", middle) + 1 : middle;
        const line = isText && what === "NUL" ? Buffer.concat([filler, Buffer.from("\n")]) : filler;
        return Buffer.concat([bytes.subarray(0, at), line, bytes.subarray(at)]);
      });
      await isNoticed(file);
    }
  });
});

describe("what is no recording", () => {
  test.each([
    ["an empty file", () => Buffer.alloc(0), "an empty file"],
    ["an empty file in a packed one", () => gzipSync(""), "an empty file"],
    ["a byte", () => Buffer.from("x"), '"x"'],
    ["NULs", () => Buffer.alloc(100_000), "binary data beginning 00 00 00 00 00 00 00 00"],
    ["a line without an end", () => Buffer.alloc(1_000_000, "x"), `"${"x".repeat(80)}`],
  ])("%s is refused", async (_, content, saw) => {
    const file = join(folder, `${made++}.log`);
    await writeFile(file, content());
    for (const lenient of [false, true]) {
      expect(await outcome(file, { lenient })).toMatchObject({
        refused: expect.stringContaining(`saw ${saw}`),
      });
    }
  });

  test("a folder without recordings, and a file that is not there, are refused", async () => {
    const empty = await mkdtemp(join(folder, "empty-"));
    expect(await outcome(empty)).toMatchObject({
      refused: expect.stringContaining("saw a directory without"),
    });
    expect(await outcome(join(folder, "absent"))).toMatchObject({
      refused: expect.stringContaining("no such file"),
    });
  });

  test("ends a command with exit code 2 and one line", async () => {
    const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
    const cut = await damaged("thread.trace", (bytes) => bytes.subarray(0, 12_345));
    for (const args of [
      ["replay", cut, "--quiet"],
      ["trace", "info", await mkdtemp(join(folder, "empty-"))],
      ["trace", "pack", cut, "-o", `${cut}.sdt`],
    ]) {
      const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: "utf8" });
      expect([status, stdout]).toEqual([2, ""]);
      expect(stderr).toMatch(/^shootdown: .*: expected .*, saw .*\n$/);
    }
    expect((await readdir(folder)).filter((name) => name.includes("trace.sdt"))).toEqual([]);
  });
});
