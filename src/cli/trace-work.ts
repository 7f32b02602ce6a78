import { realpath, stat } from "node:fs/promises";
import type { TraceInfo } from "../engine/result.js";
import { UsageError } from "../errors.js";
import { count, plural } from "../report/format.js";
import { packedLines, summaryLines } from "../report/trace-lines.js";
import { InputError } from "../trace/errors.js";
import type { ReaderOptions } from "../trace/event.js";
import { type Recording, recordings } from "../trace/format.js";
import { eventText, summarizeTrace, traceEvents } from "../trace/inspect.js";
import { packedHeader } from "../trace/packed.js";
import { packTrace } from "../trace/packed-writer.js";
import type { TraceSummary } from "../workload/feed.js";
import { printLines } from "./deliver.js";
import { exitCodes } from "./exit-codes.js";
import { ResultFile } from "./result-file.js";

/** Pack one recording into `output`. Throws: UsageError, InputError. */
export async function pack(files: readonly string[], output: string, options: ReaderOptions): Promise<void> {
  const recording = await oneRecording(files, options);
  for (const file of recording.files) await mustDiffer(file, output);
  // Made before the work, so that an unwritable path costs none.
  const { path, isSpecial } = new ResultFile(output, "-o");
  // A packed recording takes the place of what has its name, at once.
  if (isSpecial) throw new UsageError(`cannot write -o ${output}: it is no file`);
  const header = await untilInterrupted((signal) => packTrace(recording, path, { ...options, signal }));
  if (header === undefined) {
    process.stderr.write("shootdown: interrupted; nothing was written\n");
    process.exitCode = exitCodes.interrupted;
    return;
  }
  const bytes = (await stat(output)).size;
  const { rows, schedule } = header;
  const all = rows + (schedule?.events ?? 0);
  const each = all === 0 ? "" : `, ${(bytes / all).toFixed(2)} each`;
  const also = schedule === undefined ? "" : `, ${count(schedule.events)} of the kernel's`;
  const blocks = plural(header.blocks + (schedule?.blocks ?? 0), "block");
  printLines([`${output}: ${plural(rows, "event")}${also} in ${blocks}, ${count(bytes)} bytes${each}`]);
}

/** Undefined if a signal came before the work was done. */
async function untilInterrupted<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  try {
    return await work(stop.signal);
  } catch (error) {
    if (stop.signal.aborted && error === stop.signal.reason) return undefined;
    throw error;
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/** Print the first events. */
export async function head(files: readonly string[], rows: number, options: ReaderOptions): Promise<void> {
  const recording = await oneRecording(files, options);
  const lines: string[] = [];
  if (rows > 0) {
    for await (const event of traceEvents(recording.files, options)) {
      lines.push(eventText(event));
      if (lines.length >= linesAtOnce) printLines(lines.splice(0));
      if (--rows === 0) break;
    }
  }
  printLines(lines);
}

const linesAtOnce = 1000;

/** Say what a recording holds: what the header of a packed one says, or else what reading all of it shows. */
export async function info(
  files: readonly string[],
  { json, verify }: { readonly json: string | undefined; readonly verify: boolean },
  options: ReaderOptions,
): Promise<void> {
  const target = json === undefined || json === "-" ? undefined : new ResultFile(json);
  const recording = await oneRecording(files, options);
  const packed = await packedHeader(recording.files[0]!, options);
  const counted =
    packed === undefined || verify ? await summarizeTrace(recording.files, options) : packed.summary;
  if (packed !== undefined && options.lenient !== true)
    mustAgree(recording.files[0]!, packed.summary, counted);
  const result: TraceInfo = {
    schema: "shootdown/trace@1",
    trace: counted,
    ...(packed !== undefined && {
      packed: { rows: packed.rows, blocks: packed.blocks, source: [...packed.source], verified: verify },
    }),
  };
  target?.write(result);
  if (json === "-") printLines([JSON.stringify(result, null, 2)]);
  else if (target === undefined) printLines([counted.file, ...packedLines(result), ...summaryLines(counted)]);
}

function mustAgree(file: string, header: TraceSummary, events: TraceSummary): void {
  const [stated, found] = [header, events].map((summary) => JSON.stringify(summary)) as [string, string];
  if (stated !== found)
    throw new InputError({ file }, `events with the counts of the header, ${stated}`, found);
}

async function oneRecording(files: readonly string[], options: ReaderOptions): Promise<Recording> {
  const found = await recordings(files, options);
  if (found.length === 1) return found[0]!;
  throw new UsageError(`trace takes one recording; these files are ${found.length}`);
}

async function mustDiffer(file: string, output: string): Promise<void> {
  const [from, to] = await Promise.all([realpath(file), realpath(output).catch(() => undefined)]);
  if (from === to) throw new UsageError(`trace pack would write over what it reads: ${output}`);
}
