import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as zlib from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { openTrace } from "../src/trace/format.js";
import { summarizeTrace } from "../src/trace/inspect.js";
import { openBytes } from "../src/trace/open.js";
import type { TraceSummary } from "../src/workload/feed.js";
import { zipOf } from "./zip-bytes.js";

const text = "I  04000000,4\n L 1fff000000,8\n";
/** The text, packed: xz -9e --check=crc32, lz4 -9, and zstd -19 --check. */
const xz =
  "/Td6WFoAAAFpIt42AgAhARwAAAAQz1jM4AAdABhdACSILGA0WnrWdcGoQLf6fzMrhJqwYFdKIABvafxMAAEwHru+zwWQQpkNAQAAAAABWVo=";
const lz4 = "BCJNGGRApx4AAIBJICAwNDAwMDAwMCw0CiBMIDFmZmYwMDAwMDAsOAoAAAAAc9rXdw==";
const zst = "KLUv/QRo1QAAkEkgIDA0MCw0CiBMIDFmZmY4CgIAMxO1oAiQZVEb";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "shootdown-"));
});

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

/** Program text for a stand-in of zstd. */
async function program(name: string, script: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return path;
}

async function unpacked(path: string): Promise<string> {
  const source = await openBytes(path);
  let all = "";
  for (let piece = await source.next(); piece !== undefined; piece = await source.next())
    all += piece.toString();
  return all;
}

describe("packed files are unpacked by what they hold, not by their name", () => {
  test.each([
    ["nothing", text],
    ["gzip", zlib.gzipSync(text)],
    ["gzip in two parts", Buffer.concat([zlib.gzipSync(text.slice(0, 9)), zlib.gzipSync(text.slice(9))])],
    ["xz", Buffer.from(xz, "base64")],
    ["zstd", Buffer.from(zst, "base64")],
    ["zip", zipOf({ "chunk.0000": Buffer.from(text.slice(0, 9)), "chunk.0001": Buffer.from(text.slice(9)) })],
    [
      "a frame to skip before zstd",
      Buffer.concat([Buffer.from("502a4d180100000061", "hex"), Buffer.from(zst, "base64")]),
    ],
  ])("%s", async (name, content) => {
    expect(await unpacked(await file(`${name}.txt`, content))).toBe(text);
  });

  test.skipIf(spawnSync("lz4", ["--version"]).error !== undefined)("lz4, by the program", async () => {
    expect(await unpacked(await file("a.lz4", Buffer.from(lz4, "base64")))).toBe(text);
  });

  test("without the program zstd, Node's own is used where there is one", async () => {
    const path = await file("a", Buffer.from(zst, "base64"));
    const opened = openBytes(path, { zstd: "no-such-program" });
    if ("createZstdDecompress" in zlib) expect((await (await opened).next())?.toString()).toBe(text);
    else await expect(opened).rejects.toThrow(/expected the program zstd on PATH, or Node 22.15 or later/);
    const other = openBytes(await file("b", Buffer.from(xz, "base64")), { xz: "no-such-program" });
    await expect(other).rejects.toThrow(/expected the program xz on PATH/);
  });
});

describe("of what is cut inside its packing, lenient reading takes what stands before", () => {
  const access = (index: number): string =>
    ` L ${(0x4000000 + 64 * index).toString(16).padStart(8, "0")},8\n`;
  const lines = Array.from({ length: 60_000 }, (_, index) => access(index * index)).join("");

  async function cut(name: string, packed: Buffer): Promise<TraceSummary> {
    const path = await file(name, packed.subarray(0, Math.floor(packed.length * 0.7)));
    await expect(summarizeTrace(path)).rejects.toThrow(/expected whole \w+ data/);
    return summarizeTrace(path, { lenient: true });
  }

  test("gzip, to the last line that is whole", async () => {
    const packed = zlib.gzipSync(lines);
    const summary = await cut("lines.gz", packed);
    const { Z_SYNC_FLUSH } = zlib.constants;
    const rest = zlib.gunzipSync(packed.subarray(0, Math.floor(packed.length * 0.7)), {
      finishFlush: Z_SYNC_FLUSH,
    });
    expect(summary.lines).toBe(rest.toString().split("\n").length - 1);
    expect(summary.damage).toEqual([
      `lines.gz: all behind byte ${rest.length} of what it holds unpacked is lost: expected whole gzip data, saw unexpected end of file`,
    ]);
  });

  test("zip, whose directory is lost, one member behind the other", async () => {
    const half = lines.indexOf("\n", lines.length / 2) + 1;
    const members = { a: Buffer.from(lines.slice(0, half)), b: Buffer.from(lines.slice(half)) };
    const summary = await cut("lines.zip", zipOf(members));
    expect(summary.lines).toBeGreaterThan(31_000);
    expect(summary.damage).toEqual([
      expect.stringMatching(/^lines\.zip: .* whole zip data, saw End of central/),
    ]);
  });

  test.skipIf(spawnSync("xz", ["--version"]).error !== undefined)("xz, by the program", async () => {
    const { stdout } = spawnSync("xz", ["-1", "--block-size=100000"], { input: lines });
    const summary = await cut("lines.xz", stdout);
    expect(summary.lines).toBeGreaterThan(20_000);
    expect(summary.damage).toHaveLength(1);
  });

  test("but not nothing at all", async () => {
    const path = await file("head.gz", zlib.gzipSync(lines).subarray(0, 12));
    await expect(summarizeTrace(path, { lenient: true })).rejects.toThrow(
      /byte 12: expected whole gzip data/,
    );
  });

  test("and a replay says what is lost", async () => {
    const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
    const packed = zlib.gzipSync(text.repeat(1000));
    const path = await file("replayed.gz", packed.subarray(0, packed.length - 10));
    const replay = (...args: string[]) =>
      spawnSync(process.execPath, [main, "replay", path, "--cpus", "1", ...args]);
    expect(replay()).toMatchObject({ status: 2 });
    const { status, stdout } = replay("--lenient");
    expect(status).toBe(0);
    expect(stdout.toString()).toMatch(
      /^damaged: replayed\.gz: all behind byte \d+ .* unexpected end of file$/m,
    );
  });
});

describe("what cannot be read is refused with the file and the place", () => {
  test.each([
    ["no such file", () => join(folder, "absent")],
    ["a directory", () => folder],
  ])("%s", async (saw, path) => {
    await expect(openTrace(path())).rejects.toThrow(
      `${path()}: expected a file that can be read, saw ${saw}`,
    );
  });

  test("a gzip file that is cut short", async () => {
    const packed = zlib.gzipSync(text.repeat(100_000));
    const path = await file("cut.gz", packed.subarray(0, packed.length - 9));
    await expect(summarizeTrace(path)).rejects.toMatchObject({
      name: "InputError",
      file: path,
      byte: packed.length - 9,
    });
    await expect(summarizeTrace(path)).rejects.toThrow(
      /expected whole gzip data, saw unexpected end of file/,
    );
  });

  test("a gzip file with a wrong byte", async () => {
    const packed = zlib.gzipSync(text.repeat(1000));
    packed[packed.length - 6]! ^= 1;
    await expect(summarizeTrace(await file("bad.gz", packed))).rejects.toThrow(
      /whole gzip data, saw incorrect/,
    );
  });

  test("a zip file that is cut short, or has a wrong byte", async () => {
    const packed = zipOf({ "chunk.0000": Buffer.from(text.repeat(1000)) });
    const cut = await file("cut.zip", packed.subarray(0, packed.length - 30));
    await expect(summarizeTrace(cut)).rejects.toThrow(
      /byte 0: expected whole zip data .*, saw .*[Ee]nd of central/,
    );
    packed[60]! ^= 1;
    await expect(summarizeTrace(await file("bad.zip", packed))).rejects.toThrow(/whole zip data/);
  });

  test("a zstd file that is cut short, after much of it was delivered", async () => {
    const whole = await readFile(new URL("../examples/sqlite.lackey.zst", import.meta.url));
    const path = await file("cut.zst", whole.subarray(0, 700_000));
    await expect(summarizeTrace(path)).rejects.toMatchObject({ name: "InputError", file: path });
    await expect(summarizeTrace(path)).rejects.toThrow(/byte [1-9]\d{6,}: expected whole zstd data/);
  });

  test("a zstd file with a wrong byte", async () => {
    const packed = Buffer.from(zst, "base64");
    packed[packed.length - 1]! ^= 1;
    await expect(summarizeTrace(await file("bad.zst", packed))).rejects.toThrow(/expected whole zstd data/);
  });

  test("a program that is killed, or fails, after it has delivered everything", async () => {
    const path = await file("c", Buffer.from(zst, "base64"));
    const killed = await program("killed", `printf 'I  04000000,4\\n'; kill -9 $$`);
    await expect(summarizeTrace(path, { zstd: killed })).rejects.toThrow(/byte 14: .* signal SIGKILL/);
    const failing = await program("failing", `printf 'I  04000000,4\\n'; echo bad block >&2; exit 3`);
    await expect(summarizeTrace(path, { zstd: failing })).rejects.toThrow(/exit code 3: bad block/);
  });

  test.each([
    ["an empty file", "", "an empty file"],
    ["prose", "Dear reader,\n", '"Dear reader,"'],
    ["binary data", "\x7fELF\x02\x01\x01\x00\x00\x00", "binary data beginning 7f 45 4c 46 02 01 01 00"],
    ["an empty trace", "# tracer: nop\n#\n", '"# tracer: nop"'],
  ])("a file in another format: %s", async (name, content, saw) => {
    const problem = openTrace(await file(`${name}.log`, content));
    await expect(problem).rejects.toThrow(`saw ${saw}`);
    await expect(problem).rejects.toThrow(/expected a recording/);
  });

  test("closing early ends the program that unpacks", async () => {
    const reader = await openTrace(new URL("../examples/apache.lackey.zst", import.meta.url).pathname);
    reader.close();
    const source = await openBytes(await file("d", zlib.gzipSync(text)));
    await source.next();
    source.close();
    expect(await source.next()).toBeUndefined();
  });
});
