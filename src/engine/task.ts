import type { MachinePreset } from "../machine/preset.js";
import type { Plan } from "../workload/plan.js";
import type { RunResult } from "./result.js";

/** What to run on: a built-in workload with its parameters, a plan, or recorded traces. Plain data: it crosses threads. */
export type WorkSpec =
  | { readonly kind: "plan"; readonly plan: Plan }
  | { readonly kind: "workload"; readonly name: string; readonly params: Readonly<Record<string, string>> }
  | {
      readonly kind: "trace";
      readonly files: readonly string[];
      /** Skip lines that cannot be read instead of stopping at the first. */
      readonly lenient: boolean;
      /** Copies of the recorded process to run side by side. */
      readonly replicate: number;
      /** Processes that do the same; 1 if not given. */
      readonly processes?: number;
      /** Name of the format, where the files do not say it themselves. */
      readonly format?: string;
      /** Pages to touch after each mapping call of a trace that has no accesses; undefined is the reader's default. */
      readonly touch?: number | "all";
    };

/** One simulation, as it is sent to a worker thread. */
export interface RunTask {
  /** Plain data: a file of somebody's own is read once. */
  readonly machine: MachinePreset;
  readonly policy: string;
  /** Absolute path of the file of one's own that the policy may be declared in. */
  readonly file?: string;
  /** Variants by slot that replace the policy's own. */
  readonly set: Readonly<Record<string, string>>;
  readonly tunables?: Readonly<Record<string, number>>;
  readonly cpus: number;
  readonly seed: number;
  /** Threads that share this simulation; 1 unless said. */
  readonly threads?: number;
  readonly work: WorkSpec;
}

/** What a worker sends back: classes of errors do not survive the way between threads. */
export type TaskOutcome =
  | { readonly ok: true; readonly result: RunResult }
  | { readonly ok: false; readonly kind: FailureKind; readonly message: string; readonly stack: string };

/** usage: the person's input or the mechanism's text is at fault. internal: we are. */
export type FailureKind = "usage" | "internal";

/** A failure inside a worker that is nobody's input: our own bug, with the worker's stack. */
export class WorkerError extends Error {
  override readonly name = "WorkerError";
}

/** Words of the shared progress table per task. */
export const progressWords = 2;
/** Simulated cycles so far, and records consumed so far. */
export const PROGRESS_CYCLES = 0;
export const PROGRESS_RECORDS = 1;
