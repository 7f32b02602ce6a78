import type { WorkSpec } from "../engine/task.js";
import { summaryLines } from "../report/summary.js";
import { checkRequest } from "./check-request.js";
import { deliver } from "./deliver.js";
import { execute, exitCodeOf } from "./execute.js";
import type { RunOptions } from "./options.js";
import { readMachine } from "./read-machine.js";
import { readWork } from "./read-work.js";

/** What `run` does once its arguments are understood. Sets the exit code. */
export async function runWork(named: WorkSpec, options: RunOptions): Promise<void> {
  const machine = await readMachine(options.machine);
  const work = await readWork(named, options.cpus);
  const file = await checkRequest(work, machine, options);
  const executed = await execute(work, machine, options);
  const [result] = executed.runs;
  if (result !== undefined) deliver(result, (paint) => summaryLines(result, paint), options, file);
  else process.stderr.write("shootdown: interrupted before the run was finished\n");
  process.exitCode = exitCodeOf(executed);
}
