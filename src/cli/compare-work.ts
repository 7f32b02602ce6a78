import type { RecordedFlushes } from "../engine/result.js";
import type { WorkSpec } from "../engine/task.js";
import { compareResult } from "../report/compare.js";
import { comparisonLines } from "../report/comparison.js";
import { checkRequest } from "./check-request.js";
import { deliver } from "./deliver.js";
import { execute, exitCodeOf } from "./execute.js";
import type { RunOptions } from "./options.js";
import { readMachine } from "./read-machine.js";
import { readWork } from "./read-work.js";

/** What the recordings say that their kernels flushed, and what is predicted; nothing for those that do not say. */
async function recordedFlushes(work: WorkSpec): Promise<RecordedFlushes[]> {
  if (work.kind !== "trace") return [];
  const { enactRecording } = await import("../engine/enact-recording.js");
  const compared: RecordedFlushes[] = [];
  const { recordings } = await import("../trace/format.js");
  const { lenient, format } = work;
  const reading = { lenient, ...(format !== undefined && { format }) };
  for (const { files } of await recordings(work.files, reading)) {
    const flushes = await enactRecording(files[0]!, reading);
    if (flushes !== undefined) compared.push(flushes);
  }
  return compared;
}

/** What compare and replay have in common: everything but where the work comes from. Sets the exit code. */
export async function compareWork(named: WorkSpec, options: RunOptions): Promise<void> {
  const machine = await readMachine(options.machine);
  const work = await readWork(named, options.cpus);
  const file = await checkRequest(work, machine, options);
  const executed = await execute(work, machine, options);
  const recordings = executed.interrupted ? [] : await recordedFlushes(work);
  const result = compareResult(options.policies[0]!, executed.runs, executed.interrupted, recordings);
  if (executed.interrupted) {
    const asked = options.policies.length * options.seeds;
    process.stderr.write(`shootdown: interrupted; ${executed.runs.length} of ${asked} runs were finished\n`);
  }
  if (executed.runs.length > 0) deliver(result, (paint) => comparisonLines(result, paint), options, file);
  process.exitCode = exitCodeOf(executed);
}
