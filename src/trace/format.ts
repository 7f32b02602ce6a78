import { basename } from "node:path";
import type { BinaryFormat, Origin } from "./binary-format.js";
import { excerpt, InputError } from "./errors.js";
import type { ReaderOptions, TraceReader } from "./event.js";
import { filesOf } from "./folder.js";
import { binaryFormats, formats, type TraceFormat, textFormats } from "./known-formats.js";
import { LineWindow } from "./lines.js";
import { bytesOf, type Unpackers } from "./open.js";
import { packed } from "./packed.js";
import { headBytes, PeekedSource } from "./peek.js";
import { StraceReader } from "./strace.js";
import { MergedLines } from "./strace-merge.js";
import { type RecordedEvents, TracepointStream } from "./tracepoint-stream.js";

/** Lines looked at to tell a format: banners are shorter than that. */
const sniffedLines = 200;

type Opened =
  | {
      readonly source: PeekedSource;
      readonly lines: LineWindow;
      readonly format: TraceFormat;
      /** The first lines, without empty ones. */
      readonly first: readonly string[];
    }
  | { readonly source: PeekedSource; readonly format: BinaryFormat };

function close(opened: Opened): void {
  opened.source.close();
}

/**
 * Open a recording, packed or not, and tell its format by its beginning. Several files are those of one recording, as
 * recordings() has put them together.
 *
 * Throws: InputError, with what would have been read and what was seen.
 */
export async function openTrace(
  recording: string | readonly string[],
  options: ReaderOptions & Unpackers = {},
): Promise<TraceReader> {
  const files = typeof recording === "string" ? [recording] : recording;
  const opened: Opened[] = [];
  try {
    for (const file of files) opened.push(await openFile(file, options));
    const reader = await readerOf(files, opened, options);
    reader.counts.sources = opened.map(({ source }) => source);
    return reader;
  } catch (error) {
    opened.forEach(close);
    throw error;
  }
}

async function readerOf(
  files: readonly string[],
  opened: readonly Opened[],
  options: ReaderOptions,
): Promise<TraceReader> {
  const first = opened[0]!;
  if (!("lines" in first)) {
    return first.format.reader(
      opened.map(({ source }) => source),
      options,
    );
  }
  const { lines, format } = first;
  if (opened.length === 1) return format.reader(lines, format.name, options);
  const parts = files.map((file) => threadFile.exec(file)!);
  const merged = new MergedLines(
    parts[0]![1]!,
    opened.flatMap((each) => ("lines" in each ? [each.lines] : [])),
    parts.map((part) => Number(part[2])),
  );
  return new StraceReader(merged, format.name, options);
}

/** What the kernel of a recording did, packed or not; undefined for one that does not say. Throws: InputError. */
export async function openTracepoints(
  file: string,
  options: ReaderOptions & Unpackers = {},
): Promise<RecordedEvents | undefined> {
  const opened = await openFile(file, options);
  const { format, source } = opened;
  if ("lines" in opened && "tracepoints" in format && format.tracepoints !== undefined)
    return new TracepointStream(opened.lines, format.tracepoints, format.name, options);
  try {
    if (format === packed) {
      const { PackedSchedule } = await import("./packed-schedule.js");
      const schedule = await PackedSchedule.open(source, options.lenient ?? false);
      if (schedule !== undefined) return schedule;
    }
  } catch (error) {
    close(opened);
    throw error;
  }
  close(opened);
  return undefined;
}

/** Name of a file of strace -ff: the id of the thread behind the name given with -o. */
const threadFile = /^(.+)\.(\d+)(?:\.(?:gz|zst|xz))?$/;

/** The files of one recording. */
export interface Recording {
  readonly files: readonly string[];
  /** As results name it: that of its file, or what its files have in common. */
  readonly name: string;
  /** Its accesses are those that faulted. */
  readonly isOfFaults: boolean;
  /** It has calls, and no accesses but those: as many threads and processes as somebody cared to record. */
  readonly isOfCalls: boolean;
}

/**
 * Files and folders put together to recordings: the files of one strace -ff are one, and those of one process under
 * drmemtrace; every other file is one by itself.
 *
 * Throws: InputError for a file that cannot be opened or whose format is not known.
 */
export async function recordings(
  names: readonly string[],
  options: ReaderOptions & Unpackers = {},
): Promise<readonly Recording[]> {
  const groups: (Pick<Recording, "isOfFaults" | "isOfCalls"> & {
    readonly key: string | undefined;
    readonly files: string[];
    readonly title: string;
  })[] = [];
  for (const file of await filesOf(names)) {
    const opened = await openFile(file, options);
    const key = groupOf(file, opened);
    const { name, format } = await originOf(file, opened);
    const group = key === undefined ? undefined : groups.findLast((each) => each.key === key);
    // The same file twice is two recordings.
    if (group !== undefined && !group.files.includes(file)) group.files.push(file);
    else {
      const isOfFaults = textFormats.find((each) => each.name === format)?.tracepoints !== undefined;
      groups.push({
        key,
        files: [file],
        title: name,
        isOfFaults,
        isOfCalls: isOfFaults || format === "strace",
      });
    }
  }
  return groups.map(({ files, title, isOfFaults, isOfCalls }) => ({
    ...{ files, name: files.length === 1 ? title : commonName(files), isOfFaults, isOfCalls },
  }));
}

/** What a file is, or what it was packed from; the file is closed. */
async function originOf(file: string, opened: Opened): Promise<Origin> {
  try {
    const origin = "lines" in opened ? undefined : await opened.format.origin?.(opened.source);
    return origin ?? { name: basename(file), format: opened.format.name };
  } finally {
    close(opened);
  }
}

/** What the names of a recording's files begin with, without the id of a thread. */
function commonName(files: readonly string[]): string {
  const names = files.map((file) => basename(file));
  const [first] = names as [string];
  let length = first.length;
  while (!names.every((name) => name.startsWith(first.slice(0, length)))) length--;
  return first.slice(0, length).replace(/[.\d]+$/, "") || first;
}

/** What the files of one recording have in common; undefined for a file that is one by itself. */
function groupOf(file: string, opened: Opened): string | undefined {
  if (!("lines" in opened)) return opened.format.group?.(opened.source.head, file);
  const { format, first } = opened;
  const isOfThread = format.name === "strace" && first.every((line) => !/^(?:\[pid|\d+ )/.test(line));
  return isOfThread ? threadFile.exec(file)?.[1] : undefined;
}

async function openFile(file: string, options: ReaderOptions & Unpackers): Promise<Opened> {
  const source = await PeekedSource.of(await bytesOf(file, options));
  const { head } = source;
  const named = (format: { name: string }): boolean => format.name === options.format;
  const binary = binaryFormats.find((each) =>
    options.format === undefined ? each.fits(head, file) : named(each),
  );
  if (binary !== undefined && head.length > 0) return { source, format: binary };
  const first = firstLines(head);
  const format = textFormats.find((each) => (options.format === undefined ? each.fits(first) : named(each)));
  if (head.length > 0 && format !== undefined)
    return { source, lines: new LineWindow(source), format, first };
  source.close();
  if (head.length === 0) throw new InputError({ file }, "a recording", "an empty file");
  throw unknownFormat(file, first[0] ?? head.toString("latin1", 0, 100));
}

/** Whole lines at the beginning, without empty ones. */
function firstLines(head: Buffer): string[] {
  const text = head.toString("latin1", 0, Math.min(head.length, headBytes));
  return (head.length < headBytes ? text : text.slice(0, text.lastIndexOf("\n")))
    .split(/\r?\n/)
    .slice(0, sniffedLines)
    .filter((line) => line !== "");
}

function unknownFormat(file: string, first: string): InputError {
  const known = `a recording in one of the formats ${formats.map(({ name }) => name).join(", ")}`;
  const bytes = [...Buffer.from(first.slice(0, 8), "latin1")].map((byte) =>
    byte.toString(16).padStart(2, "0"),
  );
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what tells binary data from text.
  const isBinary = /[\0-\x08\x0e-\x1f]/.test(first.slice(0, 80));
  return new InputError(
    { file, line: 1 },
    `${known} (or its name: --format)`,
    isBinary ? `binary data beginning ${bytes.join(" ")}` : excerpt(first),
  );
}
