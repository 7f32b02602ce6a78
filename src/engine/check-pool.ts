import { Piscina } from "piscina";
import type { VariantResult } from "./check-result.js";
import { type CheckOutcome, type CheckTask, resultOf } from "./check-task.js";
import type { CheckInput } from "./check-worker.js";

export interface CheckPoolOptions {
  /** Variants that are searched at the same time. */
  readonly threads: number;
  /** When it fires, running searches are killed and the finished ones are kept. */
  readonly signal: AbortSignal;
  /** Called as soon as a variant is done, in the order in which they end. */
  readonly onResult: (index: number, result: VariantResult) => void;
  /** Called now and then with the states of all searches together. */
  readonly onProgress: (states: number) => void;
}

const PROGRESS_EVERY_MS = 200;

/** Search every task. Throws: UsageError or WorkerError of the first that failed; the others are killed. */
export async function checkAll(tasks: readonly CheckTask[], options: CheckPoolOptions): Promise<void> {
  const { signal, onResult, onProgress } = options;
  if (tasks.length === 0 || signal.aborted) return;
  const threads = Math.min(options.threads, tasks.length);
  const progress = new Float64Array(new SharedArrayBuffer(tasks.length * 8));
  const pool = new Piscina({
    filename: workerUrl().href,
    minThreads: threads,
    maxThreads: threads,
    recordTiming: false,
    stricterFIFO: true,
  });
  const ticker = setInterval(
    () => onProgress(progress.reduce((sum, states) => sum + states, 0)),
    PROGRESS_EVERY_MS,
  );
  const stopped = new Promise<void>((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true }),
  );
  try {
    const work = tasks.map(async (task, index) => {
      const input: CheckInput = { task, index, progress };
      const outcome: CheckOutcome = await pool.run(input, { name: "runCheck" });
      if (signal.aborted) return;
      onResult(index, resultOf(outcome));
    });
    // A task that dies because the pool is destroyed below has nobody left to tell.
    for (const one of work) one.catch(() => {});
    await Promise.race([Promise.all(work), stopped]);
  } finally {
    clearInterval(ticker);
    // close() would wait for busy workers; destroy() ends them.
    await pool.destroy();
  }
}

/** Tests import this file as TypeScript, but a worker thread needs the compiled one. */
function workerUrl(): URL {
  const compiled = import.meta.url.endsWith(".ts")
    ? "../../dist/engine/check-worker.js"
    : "./check-worker.js";
  return new URL(compiled, import.meta.url);
}
