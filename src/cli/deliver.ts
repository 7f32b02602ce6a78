import { type Paint, paintFor, plain } from "../report/paint.js";
import type { RunOptions } from "./options.js";
import type { ResultFile } from "./result-file.js";

/** How a result is wanted. */
export type Delivery = Pick<RunOptions, "json" | "quiet" | "color">;

/** A result to where it was asked for: JSON to a file or to stdout, and text for people unless stdout is taken. */
export function deliver(
  result: unknown,
  lines: (paint: Paint) => readonly string[],
  options: Delivery,
  file: ResultFile | undefined,
): void {
  file?.write(result);
  if (options.json === "-") printLines([JSON.stringify(result, null, 2)]);
  else if (!options.quiet) printLines(lines(options.color ? paintFor(process.stdout) : plain));
}

export function printLines(lines: readonly string[]): void {
  if (lines.length > 0) process.stdout.write(lines.map((line) => `${line}\n`).join(""));
}
