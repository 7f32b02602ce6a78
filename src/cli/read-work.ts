import type { WorkSpec } from "../engine/task.js";

/**
 * A workload that names a YAML file, as the plan that stands in it; any other as it is.
 *
 * Read once, so that all runs of a comparison do the same whatever becomes of the file. Throws: UsageError.
 */
export async function readWork(work: WorkSpec, cpus: number): Promise<WorkSpec> {
  if (work.kind !== "workload" || !isFile(work.name)) return work;
  const { readPlan } = await import("../workload/yaml-plan.js");
  return { kind: "plan", plan: readPlan(work.name, work.params, cpus) };
}

/** No built-in has such a name. */
function isFile(name: string): boolean {
  return /\.ya?ml$|[/\\]/i.test(name);
}
