import { openTraceWorkload } from "../trace/feed.js";
import { builtinWorkload } from "../workload/builtins.js";
import type { Workload } from "../workload/feed.js";
import { PlanWorkload } from "../workload/plan-workload.js";
import type { WorkSpec } from "./task.js";

/**
 * The workload that a plain description stands for, on a machine of so many CPUs with a clock of so many GHz.
 *
 * Throws: UsageError for an unknown name or parameter, InputError for a trace that cannot be read.
 */
export async function openWork(spec: WorkSpec, cpus: number, ghz = 1): Promise<Workload> {
  if (spec.kind === "workload") return builtinWorkload(spec.name, spec.params, cpus);
  if (spec.kind === "plan") return new PlanWorkload(spec.plan, cpus, ghz);
  const { files, lenient, replicate, processes = 1, touch, format } = spec;
  return openTraceWorkload(files, {
    ...{ lenient, replicate, processes, cpus },
    ...(touch !== undefined && { touch }),
    ...(format !== undefined && { format }),
  });
}
