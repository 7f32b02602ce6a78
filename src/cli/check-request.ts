import type { WorkSpec } from "../engine/task.js";
import { openWork } from "../engine/work.js";
import { cpuCount } from "../machine/preset.js";
import { machineNamed } from "../machine/presets.js";
import { resolveSlots } from "../policy/policies.js";
import type { RunOptions } from "./options.js";
import { ResultFile } from "./result-file.js";

/**
 * Everything that can be wrong with a request is found here, before any simulation starts.
 *
 * Returns the file that the result will go to; undefined when it goes to stdout or nowhere. Throws: UsageError,
 * InputError.
 */
export async function checkRequest(work: WorkSpec, options: RunOptions): Promise<ResultFile | undefined> {
  const machine = machineNamed(options.machine);
  if (options.cpus > cpuCount(machine) && !options.quiet) {
    const { name } = machine;
    process.stderr.write(
      `shootdown: ${name} has ${cpuCount(machine)} CPUs; the others are taken for further sockets\n`,
    );
  }
  for (const policy of options.policies) resolveSlots(policy, options.set);
  await openWork(work, options.cpus);
  return options.json === undefined || options.json === "-" ? undefined : new ResultFile(options.json);
}
