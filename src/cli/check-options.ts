import type { DirtyAssist, MemoryModel } from "../dsl/case.js";
import type { CheckLimits } from "../engine/check-task.js";
import { UsageError } from "../errors.js";
import {
  flag,
  list,
  once,
  type ProgressMode,
  progressMode,
  type RawOptions,
  threadsMax,
  wholeNumber,
} from "./options.js";

export interface CheckOptions {
  /** Names and patterns; empty for all. */
  readonly scenarios: readonly string[];
  readonly variant: string | undefined;
  /** A module of one's own. */
  readonly file: string | undefined;
  readonly limits: CheckLimits;
  readonly replay: string | undefined;
  readonly threads: number | undefined;
  readonly json: string | undefined;
  readonly junit: string | undefined;
  readonly sarif: string | undefined;
  readonly progress: ProgressMode;
  readonly traces: boolean;
  readonly verbose: boolean;
  readonly quiet: boolean;
  readonly color: boolean;
}

const models: readonly MemoryModel[] = ["sc", "tso", "weak"];
const assists: readonly DirtyAssist[] = ["strict", "legacy", "knl"];
const depthMax = 1_000_000;
const statesMax = 4_000_000_000;
/** What one Wasm memory can hold, less what the rest of a world needs. */
const memoryMaxMib = 3584;
const secondsMax = 1_000_000;
const runsMax = 1_000_000_000;

/** Throws: UsageError saying which option, what was given and what is accepted. */
export function checkOptions(raw: RawOptions): CheckOptions {
  const scenarios = list(raw, "scenarios");
  const replay = once(raw, "replay");
  const variant = once(raw, "variant");
  if (replay !== undefined && (scenarios.length > 0 || variant !== undefined))
    throw new UsageError("--replay names its scenario and variant itself; give no others");
  return {
    scenarios,
    variant,
    file: once(raw, "file"),
    limits: limitsOf(raw),
    replay,
    threads: wholeNumber(raw, "threads", 1, threadsMax),
    json: target(raw, "json"),
    junit: target(raw, "junit"),
    sarif: target(raw, "sarif"),
    progress: progressMode(once(raw, "progress")!),
    traces: flag(raw, "traces"),
    verbose: flag(raw, "verbose"),
    quiet: flag(raw, "quiet"),
    color: !flag(raw, "no-color"),
  };
}

function limitsOf(raw: RawOptions): CheckLimits {
  const model = oneOf(raw, "model", models);
  const assist = oneOf(raw, "assist", assists);
  const depth = wholeNumber(raw, "depth", 1, depthMax);
  const preemptions = wholeNumber(raw, "preemptions", 0, depthMax);
  const states = wholeNumber(raw, "max-states", 1, statesMax);
  const seconds = wholeNumber(raw, "seconds", 1, secondsMax);
  const runs = wholeNumber(raw, "pct", 1, runsMax);
  const seed = wholeNumber(raw, "seed", 0, Number.MAX_SAFE_INTEGER)!;
  const reduction = !flag(raw, "no-reduction");
  const symmetry = flag(raw, "symmetry");
  if (symmetry && !reduction)
    throw new UsageError("--symmetry takes states for one, --no-reduction forbids it; give one of them");
  return {
    ...(model && { model }),
    ...(assist && { assist }),
    ...(depth !== undefined && { depth }),
    ...(preemptions !== undefined && { preemptions }),
    ...(states !== undefined && { states }),
    memoryMib: wholeNumber(raw, "memory", 1, memoryMaxMib)!,
    ...(seconds !== undefined && { seconds }),
    reduction,
    symmetry,
    ...(runs !== undefined && { pct: { runs, seed } }),
  };
}

function oneOf<T extends string>(raw: RawOptions, name: string, known: readonly T[]): T | undefined {
  const text = once(raw, name);
  const found = known.find((candidate) => candidate === text);
  if (text !== undefined && found === undefined)
    throw new UsageError(`--${name} takes one of ${known.join(", ")}; got '${text}'`);
  return found;
}

function target(raw: RawOptions, name: "json" | "junit" | "sarif"): string | undefined {
  const text = once(raw, name);
  if (text === "" || (text === "-" && name !== "json"))
    throw new UsageError(
      `--${name} takes a file name${name === "json" ? ", or - for stdout" : ""}; got '${text}'`,
    );
  return text;
}
