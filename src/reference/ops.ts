/* Every op by name. The types make the two tables complete. */
import type { OpName } from "../dsl/program.js";
import * as flush from "./ops-flush.js";
import * as free from "./ops-free.js";
import * as interrupts from "./ops-interrupts.js";
import * as locks from "./ops-locks.js";
import * as memory from "./ops-memory.js";
import * as resources from "./ops-resources.js";
import type { Step } from "./running.js";

export const FREE_OPS = { ...free };
export type FreeOpName = keyof typeof FREE_OPS;
export type StepOpName = Exclude<OpName, FreeOpName | "END">;

export const STEP_OPS: Readonly<Record<StepOpName, Step>> = {
  ...memory,
  ...locks,
  ...interrupts,
  ...flush,
  ...resources,
};

export function isFreeOp(op: OpName): op is FreeOpName {
  return op in FREE_OPS;
}
