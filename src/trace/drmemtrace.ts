import { type Stop, ThreadFile } from "./drmemtrace-file.js";
import { type EventBlock, ReaderCounts, type ReaderOptions, type TraceReader } from "./event.js";
import type { ByteSource } from "./open.js";

/** Rows that one record may need. */
const rowsPerRecord = 4;

/**
 * A recording by DynamoRIO's drmemtrace, one file for each thread, as `drrun -t drmemtrace -offline` leaves them.
 *
 * Threads ran in parallel. Their records are put in order by the timestamps that each file has at every system call and
 * whenever a buffer was full: what stands between two timestamps comes in one piece. System calls are those whose
 * arguments were recorded (-record_syscall).
 */
export class DrmemtraceReader implements TraceReader {
  readonly file: string;
  readonly format: string;
  readonly hasAccesses = true;
  readonly counts = new ReaderCounts("record");
  /** Files that are not read to their end. */
  readonly #files: ThreadFile[];
  /** Threads that run, by their number. */
  readonly #running = new Map<number, ThreadFile>();
  #current: ThreadFile | undefined;

  constructor(file: string, sources: readonly ByteSource[], format: string, options: ReaderOptions = {}) {
    this.file = file;
    this.format = format;
    this.#files = sources.map((source) => new ThreadFile(source, this.counts, options.lenient ?? false));
  }

  async read(block: EventBlock): Promise<boolean> {
    block.clear();
    const full = block.capacity - rowsPerRecord;
    while (block.length < full) {
      this.#current ??= this.#earliest();
      const file = this.#current;
      if (file === undefined) break;
      const stop = file.decode(block, full);
      if (stop !== "dry") this.#stopped(file, stop, block);
      else if (!(await file.more())) this.#finished(file, block);
    }
    return block.length > 0;
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  #earliest(): ThreadFile | undefined {
    let best: ThreadFile | undefined;
    for (const file of this.#files) if (best === undefined || file.time < best.time) best = file;
    return best;
  }

  #stopped(file: ThreadFile, stop: Stop, block: EventBlock): void {
    if (stop === "time") this.#current = undefined;
    else if (stop === "start") this.#start(file, block);
    else if (stop === "exit") this.#exit(file, block);
  }

  #finished(file: ThreadFile, block: EventBlock): void {
    this.#exit(file, block);
    file.close();
    this.#files.splice(this.#files.indexOf(file), 1);
    this.#current = undefined;
  }

  /** The thread begins; who has asked for it is not recorded, so it is whoever has waited longest for a new one. */
  #start(file: ThreadFile, block: EventBlock): void {
    file.thread = this.counts.threads++;
    if (file.thread > 0) {
      const all = [...this.#running];
      const [parent, creator] = all.find(([, { calls }]) => calls.created > 0) ?? all[0]!;
      creator.calls.created--;
      block.call({ name: "thread", thread: parent, child: file.thread });
    }
    this.#running.set(file.thread, file);
  }

  #exit(file: ThreadFile, block: EventBlock): void {
    if (!this.#running.has(file.thread)) return;
    // The last one to run starts those that were recorded later.
    if (this.#running.size === 1) {
      for (const other of this.#files) if (other.thread < 0 && other !== file) this.#start(other, block);
    }
    this.#running.delete(file.thread);
    block.call({ name: "exit", thread: file.thread });
  }
}
