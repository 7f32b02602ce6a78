/** Steps of plans, written short. */
import { type AccessKind, LOAD, pageBytes, STORE } from "./feed.js";
import type { Step } from "./plan.js";
import type { StreamSpec } from "./stream.js";

export const sequential: StreamSpec = { kind: "sequential" };
export const uniform: StreamSpec = { kind: "uniform" };

/** Advice to madvise(2). */
export const MADV_DONTNEED = 4;
export const MADV_FREE = 8;
export const MADV_PAGEOUT = 21;

/** One access to each page, in order. */
export function sweep(at: string, kind: AccessKind): Step {
  return { do: "access", at, stream: sequential, grain: pageBytes, kind, stores: 0 };
}

/** `count` accesses to pages that the stream chooses; a share of them, 0 to 1, are stores. */
export function visit(at: string, stream: StreamSpec, count: number, stores = 0): Step {
  return { do: "access", at, stream, grain: pageBytes, count, kind: LOAD, stores };
}

/** A store to the thread's stack: what every piece of code does. */
export const useStack: Step = {
  ...{
    do: "access",
    at: "stack",
    stream: sequential,
    grain: 4 * pageBytes,
    count: 1,
    kind: STORE,
    stores: 0,
  },
};

/** About so many cycles: half to one and a half of them. */
export function compute(cycles: number): Step {
  return { do: "compute", time: { cycles }, spread: 0.5 };
}

export function mmap(at: string): Step {
  return { do: "mmap", at };
}

/** A kernel entry with the pages of a region, or of a part, and further arguments. */
export function call(entry: string, at: string, ...args: readonly number[]): Step {
  return { do: "call", entry, at, args };
}

export function repeat(times: number, ...steps: readonly Step[]): Step {
  return { do: "repeat", times, steps };
}

export function sometimes(share: number, ...steps: readonly Step[]): Step {
  return { do: "sometimes", share, steps };
}

export function barrier(name: string): Step {
  return { do: "barrier", name };
}

/** The steps for parts of a region, which they call `name`: each in turn, or `count` that the stream chooses. */
export function parts(
  name: string,
  of: string,
  pages: number,
  steps: readonly Step[],
  chosen?: { readonly stream: StreamSpec; readonly count: number },
): Step {
  return { do: "part", name, of, pages, stream: sequential, ...chosen, steps };
}
