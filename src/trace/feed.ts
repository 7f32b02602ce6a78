import {
  type Feed,
  type FeedSink,
  linuxFaultAround,
  type TraceSummary,
  type Workload,
} from "../workload/feed.js";
import { InputError } from "./errors.js";
import type { ReaderOptions, TraceReader } from "./event.js";
import { openTrace, type Recording, recordings } from "./format.js";
import { summarizeTrace } from "./inspect.js";
import { Numbering, spreadStride } from "./numbering.js";
import type { Unpackers } from "./open.js";
import type { Copies } from "./record-writer.js";
import { addedUp } from "./tally.js";
import { cannotReplicate, TraceSource } from "./trace-source.js";

export interface ReplayOptions extends ReaderOptions, Unpackers {
  /**
   * Pages touched where a call gives or takes memory, in recordings without accesses: after a call that makes a range
   * accessible, and before one that takes it away, the calling thread accesses the first so many pages of the range (a
   * store where it may, else a load). An assumption, not a recording; 64 if not given.
   */
  readonly touch?: number | "all";
  /** Copies of every thread, in the same address space at addresses of their own; 1 if not given. */
  readonly replicate?: number;
  /** Processes that do the same, each in an address space of its own (with so many replicas); 1 if not given. */
  readonly processes?: number;
  /** Simulated CPUs, for threads of many processes to be spread over them; 1 if not given. */
  readonly cpus?: number;
  /** Limit on the threads of one run, copies included; if not given, what the recording needs, and 512 at least. */
  readonly tasks?: number;
}

const touchDefault = 64;
const tasksDefault = 512;
/** More tasks than this are refused: each has a ring of its own. */
const tasksMax = 4096;

/**
 * Recordings as a workload: each file (or the files of one strace -ff) by itself; all begin at time 0.
 *
 * The records do not depend on the seed: a recording has one course. Waits keep the recorded order where threads depend
 * on each other through memory calls; elsewhere threads overlap as the simulated machine lets them.
 * Throws: InputError for a file that cannot be read, has a format that is not known, or cannot be replicated as asked.
 */
export async function openTraceWorkload(
  files: readonly string[],
  options: ReplayOptions = {},
): Promise<Workload> {
  const copies = { replicas: options.replicate ?? 1, processes: options.processes ?? 1 };
  const traces = await recordings(files, options);
  const least = traces.length * copies.replicas * copies.processes;
  const stride = copies.processes === 1 ? least : spreadStride(least, options.cpus ?? 1);
  const isOnce = copies.replicas * copies.processes === 1;
  const needed = await tasksOf(traces, copies, stride, options);
  const asked = isOnce ? Math.max(needed, tasksDefault) : needed;
  const tasks = Math.max(Math.min(options.tasks ?? asked, tasksMax), least);
  return new TraceWorkload(traces, { copies, stride, tasks }, options);
}

/** Copies multiply the threads, so these are counted first; so are those of a recording that may have thousands. */
async function tasksOf(
  traces: readonly Recording[],
  { replicas, processes }: Copies,
  stride: number,
  options: ReplayOptions,
): Promise<number> {
  let tasks = 0;
  for (const trace of traces) {
    if (replicas * processes === 1 && !trace.isOfCalls) continue;
    const [file] = trace.files as [string];
    const { threads, forks } = await summarizeTrace(trace.files, options);
    if (forks > 0 && replicas > 1) throw cannotReplicate(file);
    tasks = Math.max(tasks, threads * stride);
    const saw = `${replicas * processes === 1 ? "" : `${replicas * processes} copies of `}${threads} threads`;
    if (tasks > tasksMax) throw new InputError({ file }, `at most ${tasksMax} threads in one run`, saw);
  }
  return tasks;
}

interface Extent {
  readonly copies: Copies;
  /** Distance of the task ids of threads that follow each other. */
  readonly stride: number;
  readonly tasks: number;
}

class TraceWorkload implements Workload {
  readonly name: string;
  readonly tasks: number;
  readonly mms: number;
  readonly starters: readonly { readonly task: number; readonly mm: number }[];
  readonly faultAround?: number;
  readonly #traces: readonly Recording[];
  readonly #extent: Extent;
  readonly #options: ReplayOptions;

  constructor(traces: readonly Recording[], extent: Extent, options: ReplayOptions) {
    const { replicas, processes } = extent.copies;
    const copies = replicas * processes;
    this.name =
      traces.map(({ name }) => name).join("+") +
      (replicas > 1 ? ` x${replicas}` : "") +
      (processes > 1 ? ` in ${processes} processes` : "");
    this.tasks = extent.tasks;
    // Every process has a task of its own, and a recording that is replicated does not fork.
    this.mms = replicas > 1 ? traces.length * processes : extent.tasks;
    this.starters = traces.flatMap((_, index) =>
      Array.from({ length: copies }, (__, copy) => ({
        task: index * copies + copy,
        mm: index * processes + Math.floor(copy / replicas),
      })),
    );
    if (traces.every(({ isOfFaults }) => isOfFaults)) this.faultAround = linuxFaultAround;
    this.#traces = traces;
    this.#extent = extent;
    this.#options = options;
  }

  open(_seed: number): Feed {
    const { copies, stride } = this.#extent;
    const touch = this.#options.touch ?? touchDefault;
    const pages = touch === "all" ? Number.POSITIVE_INFINITY : touch;
    const sources = this.#traces.map((trace, index) => {
      const file = trace.files[0]!;
      const traces = this.#traces.length;
      const { replicas, processes } = copies;
      const place = { file, index, traces, copies: replicas * processes, processes, stride };
      const numbering = new Numbering(place, this.tasks, this.mms);
      const open = (): Promise<TraceReader> => openTrace(trace.files, this.#options);
      return new TraceSource({ open, file, copies, touch: pages, numbering });
    });
    return new TraceFeed(sources);
  }
}

class TraceFeed implements Feed {
  readonly #sources: readonly TraceSource[];
  /** Reads under way: a second task that runs dry waits for the same one. */
  readonly #loading = new Map<TraceSource, Promise<void>>();

  constructor(sources: readonly TraceSource[]) {
    this.#sources = sources;
  }

  get summary(): TraceSummary | undefined {
    return addedUp(this.#sources.flatMap((source) => source.summary ?? []));
  }

  refill(task: number, sink: FeedSink): void | Promise<void> {
    const source = this.#sources.find((each) => each.owns(task));
    if (source === undefined) throw new Error(`task ${task} is not of this feed`);
    const position = sink.position(task);
    if (source.advance(sink, task, position)) return;
    return this.#read(source, sink, task, position);
  }

  close(): void {
    for (const source of this.#sources) source.close();
  }

  async #read(source: TraceSource, sink: FeedSink, task: number, position: number): Promise<void> {
    do await this.#load(source);
    while (!source.advance(sink, task, position));
  }

  #load(source: TraceSource): Promise<void> {
    let loading = this.#loading.get(source);
    if (loading === undefined) {
      loading = source.load().finally(() => this.#loading.delete(source));
      this.#loading.set(source, loading);
    }
    return loading;
  }
}
