/** From a recorded file to the comparison of what its kernel flushed with what the simulated one flushes. */
import { InputError } from "../trace/errors.js";
import type { ReaderOptions } from "../trace/event.js";
import { openTracepoints } from "../trace/format.js";
import type { RecordedEvent, RecordedEvents } from "../trace/tracepoint-stream.js";
import { Enactment } from "./enact.js";
import type { StageSize } from "./enact-stage.js";
import type { RecordedFlushes } from "./result.js";

/** Frames of the simulated machine at most: 4 GiB of pages. */
const framesMost = 1_000_000;
const cpusMost = 1024;
const tasksMost = 4096;

/**
 * Enacts a recording of perf or ftrace, packed or not; undefined for one in another format.
 *
 * Throws: InputError for a recording that cannot be read, or is too large.
 */
export async function enactRecording(
  file: string,
  options: ReaderOptions = {},
): Promise<RecordedFlushes | undefined> {
  const first = await openTracepoints(file, options);
  if (first === undefined) return undefined;
  const needed = new Needs();
  await forEach(first, (event) => needed.add(event));
  const size = needed.size(file);
  const stream = (await openTracepoints(file, options))!;
  const enactment = new Enactment(file, size);
  await forEach(stream, (event) => enactment.event(event));
  return enactment.result(stream);
}

async function forEach(stream: RecordedEvents, use: (event: RecordedEvent) => void): Promise<void> {
  try {
    for (let events = await stream.next(); events !== undefined; events = await stream.next())
      for (const event of events) use(event);
  } finally {
    stream.close();
  }
}

/** What a machine must have to enact a recording. */
class Needs {
  #cpus = 1;
  /** Beginnings of threads: each id once, and each fork, since ids are used again. */
  #forks = 0;
  readonly #tids = new Set<number>();
  #faults = 0;

  add(event: RecordedEvent): void {
    this.#cpus = Math.max(this.#cpus, event.cpu + 1);
    this.#tids.add(event.tid);
    if (event.kind === "fork") this.#forks++;
    if (event.kind === "fault") this.#faults++;
  }

  size(file: string): StageSize {
    const tasks = this.#tids.size + this.#forks;
    if (this.#cpus > cpusMost)
      throw new InputError({ file }, `CPUs below ${cpusMost}`, `CPU ${this.#cpus - 1}`);
    if (tasks > tasksMost) throw new InputError({ file }, `at most ${tasksMost} threads`, `${tasks}`);
    const frames = Math.min(framesMost, 8192 + 17 * this.#faults);
    return { cpus: this.#cpus, tasks, mms: tasks, frames };
  }
}
