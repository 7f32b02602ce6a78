import { unknownName } from "../errors.js";
import type { Builtin } from "./builtin.js";
import type { Workload } from "./feed.js";
import { fileScan } from "./file-scan.js";
import { forkCow } from "./fork-cow.js";
import { gcHeap } from "./gc-heap.js";
import { idleMix } from "./idle-mix.js";
import { madviseLoop } from "./madvise-loop.js";
import { mmapServe } from "./mmap-serve.js";
import { mmapWriter } from "./mmap-writer.js";
import { mprotectLoop } from "./mprotect-loop.js";
import { munmapLoop } from "./munmap-loop.js";
import { pendingStorm } from "./pending-storm.js";
import { uffdFill } from "./uffd-fill.js";

/** In the order of lists. */
export const builtins: readonly Builtin[] = [
  munmapLoop,
  mprotectLoop,
  madviseLoop,
  mmapServe,
  mmapWriter,
  gcHeap,
  forkCow,
  fileScan,
  idleMix,
  pendingStorm,
  uffdFill,
];

/**
 * The built-in workload of this name, with these parameters, for a machine of so many CPUs.
 * Throws: UsageError for a name, a parameter or a value that is not known.
 */
export function builtinWorkload(
  name: string,
  params: Readonly<Record<string, string>>,
  cpus: number,
): Workload {
  const builtin = builtins.find((each) => each.name === name);
  if (builtin === undefined) {
    throw unknownName(
      "workload",
      name,
      builtins.map((each) => each.name),
    );
  }
  return builtin.open(params, cpus);
}
