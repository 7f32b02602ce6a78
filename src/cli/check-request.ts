import type { WorkSpec } from "../engine/task.js";
import { openWork } from "../engine/work.js";
import { UsageError } from "../errors.js";
import { cpuCount, type MachinePreset } from "../machine/preset.js";
import { resolveSlots } from "../policy/policies.js";
import type { RunOptions } from "./options.js";
import { ResultFile } from "./result-file.js";

/**
 * Everything that can be wrong with a request is found here, before any simulation starts.
 *
 * Returns the file that the result will go to; undefined when it goes to stdout or nowhere. Throws: UsageError,
 * InputError.
 */
export async function checkRequest(
  work: WorkSpec,
  machine: MachinePreset,
  options: RunOptions,
): Promise<ResultFile | undefined> {
  if (options.cpus > cpuCount(machine) && !options.quiet) {
    const { name } = machine;
    process.stderr.write(
      `shootdown: ${name} has ${cpuCount(machine)} CPUs; the others are taken for further sockets\n`,
    );
  }
  await checkPolicies(options);
  await openWork(work, options.cpus, machine.ghz.value);
  return options.json === undefined || options.json === "-" ? undefined : new ResultFile(options.json);
}

/** Opens the file of one's own too: it is found out here whether it works. */
async function checkPolicies({ policies, set, file }: RunOptions): Promise<void> {
  const own = file === undefined ? [] : (await (await import("../own/open.js")).openOwnFile(file)).policies;
  const unused = own.map(({ name }) => name).filter((name) => !policies.includes(name));
  if (file !== undefined && unused.length === own.length) {
    const hint =
      own.length === 0 ? "it declares no policy" : `name one of its policies: --policy deferred,${unused[0]}`;
    throw new UsageError(`--file ${file}: ${hint}`);
  }
  for (const policy of policies) resolveSlots(own.find(({ name }) => name === policy) ?? policy, set);
}
