/** What a trap of the engine means, in words. */

import { UsageError } from "../errors.js";
import type { Instance } from "./load.js";
import { EngineAbort } from "./load.js";

/** A limit of the simulated world that an input reached: the person can raise it. */
const limits: Readonly<Record<string, string>> = {
  RANGES_FULL: "a process has more mappings than the simulated kernel can hold",
  CACHE_FULL:
    "more file pages are cached, or more pages swapped out, than the simulated page cache and swap can hold",
  TLB_FULL:
    "machine.tlb or machine.walkCache is too small: a set of a translation cache has to hold more than its ways",
};

const bugs: Readonly<Record<string, string>> = {
  BAD_OP: "a program holds an unknown micro-op",
  QUEUE_FULL: "a call queue overflowed",
  DOUBLE_FREE: "a program freed a frame or a page table that was free",
  BAD_FEED: "a feed holds an unknown record",
  TIME_BACKWARDS: "a clock went backwards",
  BAD_TABLE: "a program named a page table that does not exist",
  SEARCH_LEAK: "a transition wrote a word that the search did not put back, at this address",
  RUNAWAY: "a program loops without a step, or a fault repeats for ever",
};

/** Turns a WebAssembly trap into an error that says what happened; passes other errors through. */
export function explainTrap(error: unknown, instance: Instance): unknown {
  if (!(error instanceof WebAssembly.RuntimeError)) return error;
  const at = instance.value("TRAP_ADDRESS");
  const view = new DataView(instance.memory.buffer);
  const code = view.getUint32(at, true);
  const detail = view.getBigUint64(at + 8, true);
  for (const [name, number] of instance.constants("TRAP_")) {
    if (number !== code || code === 0) continue;
    const limit = limits[name];
    if (limit !== undefined) return new UsageError(`${limit} (${detail})`);
    if (bugs[name] !== undefined) return new EngineAbort(`${bugs[name]} (${detail})`);
  }
  return new EngineAbort(`the engine trapped: ${error.message}`, { cause: error });
}
