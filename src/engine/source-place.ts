/** Lines of the compiled programs as lines of their source. */
import { readFileSync } from "node:fs";
import { SourceMap } from "node:module";
import type { SourceLine } from "../dsl/where.js";

const packageRoot = new URL("../../", import.meta.url);

interface Mapped {
  readonly map: SourceMap;
  readonly lines: readonly string[];
}

const known = new Map<string, Mapped | undefined>();
const places = new Map<string, SourceLine>();

/**
 * Where a step is written: "dist/kernel/tlb.js" becomes "src/kernel/tlb.ts". Any other file stays as it is.
 *
 * Node does this for every stack trace when it is told to at its start, at the price of that start.
 */
export function sourcePlace({ file, line }: SourceLine): SourceLine {
  const key = `${file}:${line}`;
  let place = places.get(key);
  if (place === undefined) {
    place = mappedPlace({ file, line });
    places.set(key, place);
  }
  return place;
}

function mappedPlace({ file, line }: SourceLine): SourceLine {
  const mapped = file.startsWith("dist/") ? (known.has(file) ? known.get(file) : read(file)) : undefined;
  if (mapped === undefined) return { file, line };
  const column = /\S/.exec(mapped.lines[line - 1] ?? "")?.index ?? 0;
  const entry = mapped.map.findEntry(line - 1, column);
  if (!("originalSource" in entry)) return { file, line };
  const source = new URL(entry.originalSource, new URL(file, packageRoot));
  return { file: source.href.slice(packageRoot.href.length), line: entry.originalLine + 1 };
}

function read(file: string): Mapped | undefined {
  let mapped: Mapped | undefined;
  try {
    const text = (path: string): string => readFileSync(new URL(path, packageRoot), "utf8");
    mapped = { map: new SourceMap(JSON.parse(text(`${file}.map`))), lines: text(file).split("\n") };
  } catch {
    // Without a map, the compiled place is the best one there is.
  }
  known.set(file, mapped);
  return mapped;
}
