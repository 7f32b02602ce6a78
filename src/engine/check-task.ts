import type { DirtyAssist, MemoryModel } from "../dsl/case.js";
import { UsageError } from "../errors.js";
import type { VariantResult } from "./check-result.js";
import { type FailureKind, WorkerError } from "./task.js";

/** What the person allows the search; what is absent is as the scenario says, or has no limit. */
export interface CheckLimits {
  readonly model?: MemoryModel;
  readonly assist?: DirtyAssist;
  readonly depth?: number;
  readonly preemptions?: number;
  readonly states?: number;
  readonly memoryMib: number;
  readonly seconds?: number;
  readonly reduction: boolean;
  readonly symmetry?: boolean;
  readonly pct?: { readonly runs: number; readonly seed: number };
}

/** One variant to search, or one run of it to play again. Plain data: it crosses threads. */
export interface CheckTask {
  /** Path of the file of one's own that the scenario is in; undefined for a built-in. */
  readonly file?: string;
  readonly scenario: string;
  readonly variant: string;
  readonly limits: CheckLimits;
  /** Choices to play in place of a search, as in a replay string. */
  readonly choices?: string;
}

export type CheckOutcome =
  | { readonly ok: true; readonly result: VariantResult }
  | { readonly ok: false; readonly kind: FailureKind; readonly message: string; readonly stack: string };

/** Throws: UsageError or WorkerError of a task that failed. */
export function resultOf(outcome: CheckOutcome): VariantResult {
  if (outcome.ok) return outcome.result;
  if (outcome.kind === "usage") throw new UsageError(outcome.message);
  const error = new WorkerError(outcome.message);
  error.stack = outcome.stack;
  throw error;
}
