/** What a worker thread of a check does: plain data in, plain data out. */
import { isPersonsError } from "../errors.js";
import type { Scenario } from "../scenario/scenario.js";
import { checkVariant, replayVariant } from "./check.js";
import type { CheckOutcome, CheckTask } from "./check-task.js";
import { exploreCase } from "./explorer.js";

export interface CheckInput {
  readonly task: CheckTask;
  /** Place of the task in the progress table. */
  readonly index: number;
  /** Shared with the thread that prints progress. */
  readonly progress: Float64Array;
}

/** Search one variant. A failure is an answer too. */
export async function runCheck({ task, index, progress }: CheckInput): Promise<CheckOutcome> {
  try {
    const scenario = await scenarioOf(task);
    const { variant, limits, choices } = task;
    if (choices !== undefined) return { ok: true, result: replayVariant(scenario, variant, limits, choices) };
    const result = checkVariant(scenario, variant, limits, exploreCase, (states) => {
      progress[index] = states;
    });
    return { ok: true, result };
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    // A program of somebody's own that breaks the machine is that person's mistake.
    const isTheirs = isPersonsError(error) || task.file !== undefined;
    const where = isPersonsError(error) ? "" : `${task.scenario}/${task.variant}: `;
    return {
      ok: false,
      kind: isTheirs ? "usage" : "internal",
      message: where + message,
      stack: stack ?? message,
    };
  }
}

async function scenarioOf({ file, scenario }: CheckTask): Promise<Scenario> {
  if (file === undefined) return (await import("../scenario/all.js")).scenarioNamed(scenario);
  const { scenarios } = await (await import("../own/load.js")).loadOwnFile(file);
  return scenarios.find(({ name }) => name === scenario)!;
}
