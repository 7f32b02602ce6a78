/** Schemes that are wrong on purpose: each is found out, and a right one beside it is not. */

import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..");
const folder = join(root, "examples/wrong");
const run = promisify(execFile);

interface Checked {
  readonly variant: string;
  readonly verdict: string;
  readonly asExpected: boolean;
  readonly counterexample: readonly { readonly file: string | null; readonly line: number | null }[];
}

test.each(readdirSync(folder))(
  "examples/wrong/%s is caught, with a trace that names files and lines",
  async (file) => {
    const args = [
      join(root, "dist/cli/main.js"),
      "check",
      "--file",
      join(folder, file),
      "--json",
      "-",
      "--quiet",
    ];
    const { stdout } = await run(process.execPath, args, { maxBuffer: 2 ** 26 });
    const { results } = JSON.parse(stdout) as { results: Checked[] };
    expect(results.filter(({ asExpected }) => !asExpected)).toEqual([]);
    const unsafe = results.filter(({ verdict }) => verdict === "unsafe");
    expect(unsafe.length).toBeGreaterThan(0);
    for (const { counterexample } of unsafe) {
      const placed = counterexample.filter(({ file: of, line }) => of !== null && line !== null);
      expect(placed.length).toBeGreaterThan(counterexample.length / 2);
    }
  },
);
