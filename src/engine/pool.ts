import { Piscina } from "piscina";
import { UsageError } from "../errors.js";
import type { RunResult } from "./result.js";
import {
  PROGRESS_CYCLES,
  PROGRESS_RECORDS,
  progressWords,
  type RunTask,
  type TaskOutcome,
  WorkerError,
} from "./task.js";

/** How far a fan-out has come. `records` and `cycles` are sums over all tasks, finished or not. */
export interface PoolProgress {
  readonly finished: number;
  readonly tasks: number;
  readonly records: number;
  readonly cycles: number;
}

export interface PoolOptions {
  /** Tasks that run at the same time, each in a thread of its own, and those that this one may share it with. */
  readonly threads: number;
  /** When it fires, running tasks are killed and the finished ones are kept. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: PoolProgress) => void;
  readonly progressEveryMs?: number;
}

/**
 * Run every task, at most `threads` at a time.
 *
 * Shape:  one place per task, in the order of `tasks`; undefined where a task was not finished before `signal` fired.
 * Throws: UsageError or WorkerError of the first task that failed; the other tasks are killed.
 */
export async function runAll(
  tasks: readonly RunTask[],
  options: PoolOptions,
): Promise<(RunResult | undefined)[]> {
  const results = new Array<RunResult | undefined>(tasks.length).fill(undefined);
  if (tasks.length === 0 || options.signal?.aborted) return results;
  const threads = Math.min(options.threads, tasks.length);
  const progress = new Float64Array(new SharedArrayBuffer(tasks.length * progressWords * 8));
  const pool = new Piscina({
    filename: workerUrl().href,
    minThreads: threads,
    maxThreads: threads,
    recordTiming: false,
    // A violation names lines of mechanisms as they were written, not as they were compiled.
    execArgv: [...process.execArgv, "--enable-source-maps"],
    // Tasks end in about the order in which they were given, so that what Ctrl-C leaves can be compared.
    stricterFIFO: true,
  });
  const ticker = startTicker(options, results, progress);
  const stopped = new Promise<void>((resolve) =>
    options.signal?.addEventListener("abort", () => resolve(), { once: true }),
  );
  try {
    const work = tasks.map(async (task, index) => {
      const outcome: TaskOutcome = await pool.run({ task, index, progress }, { name: "runTask" });
      if (!outcome.ok) throw failure(outcome);
      results[index] = outcome.result;
    });
    // A task that dies because the pool is destroyed below has nobody left to tell.
    for (const one of work) one.catch(() => {});
    await Promise.race([Promise.all(work), stopped]);
  } finally {
    clearInterval(ticker);
    // close() would wait for busy workers; destroy() ends them.
    await pool.destroy();
  }
  return results;
}

/** Tests import this file as TypeScript, but a worker thread needs the compiled one. */
function workerUrl(): URL {
  const compiled = import.meta.url.endsWith(".ts") ? "../../dist/engine/worker.js" : "./worker.js";
  return new URL(compiled, import.meta.url);
}

function failure(outcome: Extract<TaskOutcome, { ok: false }>): Error {
  if (outcome.kind === "usage") return new UsageError(outcome.message);
  const error = new WorkerError(outcome.message);
  error.stack = outcome.stack;
  return error;
}

function startTicker(options: PoolOptions, results: readonly unknown[], progress: Float64Array) {
  const { onProgress, progressEveryMs = 200 } = options;
  if (onProgress === undefined) return undefined;
  const tick = (): void => {
    let [records, cycles] = [0, 0];
    for (let at = 0; at < progress.length; at += progressWords) {
      records += progress[at + PROGRESS_RECORDS]!;
      cycles += progress[at + PROGRESS_CYCLES]!;
    }
    const finished = results.filter((result) => result !== undefined).length;
    onProgress({ finished, tasks: results.length, records, cycles });
  };
  return setInterval(tick, progressEveryMs);
}
