/** What a thread of a crew does: it helps with the turns of one world until it is told to stop. */
import { instantiate } from "./load.js";

export interface CrewTask {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Number of this thread: 1 and up, as 0 runs the clock. */
  readonly thread: number;
}

/** How it ended; an error of WebAssembly does not survive the way between threads. */
export type CrewOutcome =
  | { readonly ok: true }
  | { readonly ok: false; readonly isTrap: boolean; readonly message: string; readonly stack: string };

export function helpWorld({ module, memory, thread }: CrewTask): CrewOutcome {
  const instance = instantiate(module, memory);
  const words = new Int32Array(memory.buffer);
  const word = (name: string): number => instance.value(`CREW_${name}`) / 4;
  try {
    instance.functions.plan();
    Atomics.add(words, word("READY"), 1);
    while (instance.functions.help(thread) !== 0);
    return { ok: true };
  } catch (error) {
    Atomics.store(words, word("FAILED"), thread);
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    return { ok: false, isTrap: error instanceof WebAssembly.RuntimeError, message, stack: stack ?? message };
  }
}
