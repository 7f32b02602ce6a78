/** What a worker thread of the pool does: plain data in, plain data out, and nothing kept from task to task. */
import { isPersonsError } from "../errors.js";
import type { Policy } from "../policy/policy.js";
import { runSimulation } from "./run.js";
import { PROGRESS_CYCLES, PROGRESS_RECORDS, progressWords, type RunTask, type TaskOutcome } from "./task.js";
import { openWork } from "./work.js";

export interface WorkerInput {
  readonly task: RunTask;
  /** Place of the task in the progress table. */
  readonly index: number;
  /** Shared with the thread that prints progress. */
  readonly progress: Float64Array;
}

/** Run one simulation. A failure is an answer too. */
export async function runTask({ task, index, progress }: WorkerInput): Promise<TaskOutcome> {
  const at = index * progressWords;
  try {
    const { machine, tunables } = task;
    const workload = await openWork(task.work, task.cpus, machine.ghz.value);
    const result = await runSimulation({
      machine,
      policy: await policyOf(task),
      set: task.set,
      ...(tunables && { tunables }),
      cpus: task.cpus,
      seed: task.seed,
      threads: task.threads ?? 1,
      workload,
      workloadName: workload.name,
      onProgress: ({ cycles, records }) => {
        progress[at + PROGRESS_CYCLES] = cycles;
        progress[at + PROGRESS_RECORDS] = records;
      },
    });
    return { ok: true, result };
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    return {
      ok: false,
      kind: isPersonsError(error) ? "usage" : "internal",
      message,
      stack: stack ?? message,
    };
  }
}

async function policyOf({ policy, file }: RunTask): Promise<string | Policy> {
  if (file === undefined) return policy;
  const { policies } = await (await import("../own/load.js")).loadOwnFile(file);
  return policies.find(({ name }) => name === policy) ?? policy;
}
