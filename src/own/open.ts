/** Opens a file of one's own: is it there, are its types right, does it end, what does it declare? */

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { UsageError } from "../errors.js";
import type { ProbeAnswer } from "./probe.js";
import type { OwnSummary } from "./summary.js";

export interface OpenedFile extends OwnSummary {
  /** Absolute. */
  readonly path: string;
}

/** How much processor time a file may take to be evaluated and assembled. */
const TIME_LIMIT_MS = 10_000;

/** Throws: UsageError of one line for everything that can be wrong with it. */
export async function openOwnFile(given: string, limit = TIME_LIMIT_MS): Promise<OpenedFile> {
  const path = resolve(given);
  refuseUnreadable(given, path);
  if (path.endsWith("ts")) await (await import("./types.js")).checkTypes(path);
  const answer = await probe(path, limit);
  if (!answer.ok) throw new UsageError(answer.message);
  return { path, ...answer.summary };
}

function refuseUnreadable(given: string, path: string): void {
  if (!/\.[mc]?[jt]s$/.test(path))
    throw new UsageError(`--file takes a module whose name ends in .ts or .js; got '${given}'`);
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason =
      code === "ENOENT"
        ? "there is no such file"
        : code === "EISDIR"
          ? "it is a folder"
          : `it cannot be read (${code})`;
    throw new UsageError(`--file ${given}: ${reason}`);
  }
  if (bytes.includes(0)) throw new UsageError(`--file ${given}: it is no text`);
}

/** What the file prints goes to stderr: stdout may be somebody's JSON. */
function probe(path: string, limit: number): Promise<ProbeAnswer> {
  const script = fileURLToPath(new URL("../../dist/own/probe.js", import.meta.url));
  const child = spawn(process.execPath, [script, path, String(limit)], {
    stdio: ["ignore", 2, "pipe", "pipe"],
  });
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdio[3]!.on("data", (part: Buffer) => {
      text += part.toString();
    });
    child.stderr!.on("data", (part: Buffer) => {
      // Node says this of itself when a watched process ends.
      process.stderr.write(part.toString().replace("Waiting for the debugger to disconnect...\n", ""));
    });
    child.once("error", reject);
    child.once("close", (code) => {
      if (text !== "") resolve(JSON.parse(text) as ProbeAnswer);
      else resolve({ ok: false, message: `--file ${path}: it ended the process with code ${code}` });
    });
  });
}
