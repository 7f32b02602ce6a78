import { openTraceWorkload } from "../trace/feed.js";
import { builtinWorkload } from "../workload/builtins.js";
import type { Workload } from "../workload/feed.js";
import type { WorkSpec } from "./task.js";

/**
 * The workload that a plain description stands for, on a machine of so many CPUs.
 *
 * Throws: UsageError for an unknown name or parameter, InputError for a trace that cannot be read.
 */
export async function openWork(spec: WorkSpec, cpus: number): Promise<Workload> {
  if (spec.kind === "workload") return builtinWorkload(spec.name, spec.params, cpus);
  const { files, lenient, replicate, processes = 1, touch, format } = spec;
  return openTraceWorkload(files, {
    ...{ lenient, replicate, processes, cpus },
    ...(touch !== undefined && { touch }),
    ...(format !== undefined && { format }),
  });
}
