/** Checks the types of a file of one's own with the TypeScript compiler. */

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { shortPath } from "../dsl/where.js";
import { UsageError } from "../errors.js";

const declarations = fileURLToPath(new URL("../../dist/*/index.d.ts", import.meta.url));
const MISTAKE = /^(.*)\((\d+),(\d+)\): error (TS\d+): (.*)$/;
/** Longest that a message of the compiler may be; some go on over many types. */
const MESSAGE_MAX = 400;

/** Throws: UsageError with the file, the line and the text of the first mistake, and the number of others. */
export async function checkTypes(file: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "shootdown-types-"));
  try {
    const settings = join(folder, "tsconfig.json");
    writeFileSync(settings, JSON.stringify(compilerSettings(file)));
    const compiler = join(
      dirname(createRequire(import.meta.url).resolve("typescript/package.json")),
      "bin/tsc",
    );
    // Paths in its messages are relative to where it runs.
    const options = { cwd: dirname(file), timeout: 60_000, maxBuffer: 2 ** 24 };
    await promisify(execFile)(process.execPath, [compiler, "-p", settings, "--pretty", "false"], options);
  } catch (error) {
    throw complaint((error as { stdout?: string }).stdout ?? "", file, error);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function compilerSettings(file: string): object {
  return {
    compilerOptions: {
      target: "es2022",
      lib: ["es2023", "webworker"],
      module: "esnext",
      moduleResolution: "bundler",
      moduleDetection: "force",
      allowImportingTsExtensions: true,
      erasableSyntaxOnly: true,
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      types: [],
      paths: { "shootdown/*": [declarations] },
    },
    files: [file],
  };
}

function complaint(output: string, file: string, cause: unknown): unknown {
  const mistakes = output.split("\n").flatMap((line) => {
    const found = MISTAKE.exec(line);
    return found === null ? [] : [{ path: found[1]!, line: found[2]!, text: found[5]! }];
  });
  const [first] = mistakes;
  if (first === undefined) return cause;
  const place = `${shortPath(join(dirname(file), first.path))}:${first.line}`;
  const others = mistakes.length === 1 ? "" : ` (and ${mistakes.length - 1} more)`;
  const text = first.text.length > MESSAGE_MAX ? `${first.text.slice(0, MESSAGE_MAX)}...` : first.text;
  return new UsageError(`${place}: ${text}${others}`);
}
