import { resolve } from "node:path";
import { runAll } from "../engine/pool.js";
import type { RunResult } from "../engine/result.js";
import type { RunTask, WorkSpec } from "../engine/task.js";
import { divideThreads } from "../engine/threads.js";
import type { MachinePreset } from "../machine/preset.js";
import { type ExitCode, exitCodes } from "./exit-codes.js";
import type { RunOptions } from "./options.js";
import { Progress, progressText } from "./progress.js";

export interface Executed {
  /** Finished runs: seed by seed, and for each seed policy by policy, so that what Ctrl-C leaves can be compared. */
  readonly runs: readonly RunResult[];
  readonly interrupted: boolean;
}

/** Every policy with every seed, in worker threads, with progress; Ctrl-C ends it and keeps what is finished. */
export async function execute(
  work: WorkSpec,
  machine: MachinePreset,
  options: RunOptions,
): Promise<Executed> {
  const progress = new Progress(options.quiet ? "none" : options.progress, progressText);
  const stop = new AbortController();
  const onSignal = (): void => {
    // The second signal finds the default action again: it ends the process at once.
    stop.abort();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  try {
    const { sideBySide, each } = divideThreads(
      options.policies.length * options.seeds,
      options.cpus,
      options.threads,
    );
    const results = await runAll(tasksOf(work, machine, options, each), {
      threads: sideBySide,
      signal: stop.signal,
      onProgress: (state) => progress.update(state),
    });
    const runs = results.filter((result) => result !== undefined);
    return { runs, interrupted: stop.signal.aborted && runs.length < results.length };
  } finally {
    progress.end();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

function tasksOf(work: WorkSpec, machine: MachinePreset, options: RunOptions, threads: number): RunTask[] {
  const { cpus, set, tunables } = options;
  const file = options.file === undefined ? {} : { file: resolve(options.file) };
  const seeds = Array.from({ length: options.seeds }, (_, index) => options.seed + index);
  return seeds.flatMap((seed) =>
    options.policies.map((policy) => ({
      machine,
      policy,
      set,
      tunables,
      cpus,
      seed,
      threads,
      work,
      ...file,
    })),
  );
}

/** 130 when something is missing, 1 when the oracle saw a violation, else 0. */
export function exitCodeOf({ runs, interrupted }: Executed): ExitCode {
  if (interrupted) return exitCodes.interrupted;
  return runs.some((run) => run.violations.length > 0) ? exitCodes.finding : exitCodes.done;
}
