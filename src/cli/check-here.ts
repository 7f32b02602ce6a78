import type { VariantResult } from "../engine/check-result.js";
import { type CheckTask, resultOf } from "../engine/check-task.js";
import { runCheck } from "../engine/check-worker.js";

/** Time of the processor after which this thread takes no more variants by itself. Threads take about as long to start. */
const BUDGET_SECONDS = 0.4;
/** How long it stays with one of them: on a busy machine, assembling alone takes a good part of this. */
const VARIANT_SECONDS = 1;

/**
 * Searches what is quickly searched without starting threads for it. Gives the places of the tasks that are left.
 *
 * A variant that does not end in the time is searched again elsewhere: with the same limits it gives the same answer.
 */
export async function searchHere(
  tasks: readonly CheckTask[],
  onResult: (index: number, result: VariantResult) => void,
): Promise<number[]> {
  const started = process.cpuUsage();
  const left: number[] = [];
  const progress = new Float64Array(1);
  for (const [index, task] of tasks.entries()) {
    const { user, system } = process.cpuUsage(started);
    const isOver = user + system > BUDGET_SECONDS * 1e6;
    // What a file of somebody's own does to this thread, nobody could stop.
    if (task.file !== undefined || isOver) {
      left.push(index);
      continue;
    }
    const limits = {
      ...task.limits,
      seconds: Math.min(VARIANT_SECONDS, task.limits.seconds ?? VARIANT_SECONDS),
    };
    const result = resultOf(await runCheck({ task: { ...task, limits }, index: 0, progress }));
    if (result.limit === "seconds" && limits.seconds !== task.limits.seconds) left.push(index);
    else onResult(index, { ...result, bounds: { ...result.bounds, seconds: task.limits.seconds ?? null } });
  }
  return left;
}
