import type { Parameter } from "./parameters.js";
import type { Plan, Region, Step, ThreadGroup } from "./plan.js";
import { ownPagesMax } from "./plan-layout.js";
import { compute, uniform, useStack, visit } from "./steps.js";
import { PROT_READ, PROT_WRITE } from "./vma-word.js";

const threadsMax = 4096;
const million = 1_000_000;
/** Where every call interrupts every CPU, so much work on many CPUs would take the host hours. */
export const fewerAbove = 64;
export const fewer = `; unless given, fewer above ${fewerAbove} CPUs`;
export const readWrite = PROT_READ | PROT_WRITE;

export const threadsParameter = parameter(
  "threads",
  "count",
  "cpus",
  [1, threadsMax],
  "threads of the process",
);

/** What threads do beside the calls that a workload is about: see userWork. */
export const workParameters = [
  parameter("reads", "count", 64, [0, million], "loads from random shared pages, each round"),
  parameter("shared", "pages", 256, [1, 262_144], "pages of the array that all threads read"),
  parameter("compute", "cycles", 2000, [0, 1000 * million], "computing each round, on average"),
] as const;

/** What every loop workload takes. */
export const loopParameters = [
  parameter("pages", "pages", 16, [1, ownPagesMax], "pages of each thread's own mapping"),
  {
    ...parameter("iterations", "count", 200, [1, 1000 * million], `rounds of each thread${fewer}`),
    fewerAbove,
  },
  threadsParameter,
  parameter(
    "initiators",
    "count",
    threadsMax,
    [0, threadsMax],
    "threads that make the calls; the rest only works",
  ),
  parameter(
    "busy",
    "count",
    1,
    [1, million],
    "rounds of threads that only work, for each round of the others",
  ),
  ...workParameters,
] as const;

export type LoopValues = Readonly<Record<(typeof loopParameters)[number]["name"], number>>;

export function parameter<N extends string>(
  name: N,
  unit: Parameter["unit"],
  otherwise: Parameter["default"],
  [min, max]: readonly [number, number],
  about: string,
): Parameter & { readonly name: N } {
  return { name, unit, default: otherwise, min, max, about };
}

/** Private memory that can be read and written. */
export function anonymous(pages: number, of: Region["of"]): Region {
  return { pages, of, rights: readWrite, shared: false };
}

/** Threads of a process that exist from the beginning. */
export function threads(name: string, count: number, steps: readonly Step[], process = "main"): ThreadGroup {
  return { name, count, process, start: "beginning", steps };
}

export function kernelThreads(name: string, count: number, steps: readonly Step[]): ThreadGroup {
  return { name, count, process: undefined, start: "beginning", steps };
}

/** Groups without threads are left out. */
export function groups(...all: readonly ThreadGroup[]): ThreadGroup[] {
  return all.filter(({ count }) => count > 0);
}

/** Threads use their stack, read from an array that all share, and compute. */
export function userWork({ reads, compute: cycles }: Pick<LoopValues, "reads" | "compute">): Step[] {
  return [useStack, visit("shared", uniform, reads), compute(cycles)];
}

/** Threads that do `steps` with memory of their own (`own`) and an array that all read (`shared`), and threads that only work. */
export function loopPlan(
  values: LoopValues,
  steps: readonly Step[],
  own: Partial<Region> = {},
): Omit<Plan, "name"> {
  const calling = Math.min(values.threads, values.initiators);
  const idle: Step = { do: "repeat", times: values.iterations * values.busy, steps: userWork(values) };
  return {
    regions: {
      shared: anonymous(values.shared, "process"),
      own: { ...anonymous(values.pages, "thread"), ...own },
    },
    groups: groups(threads("caller", calling, steps), threads("worker", values.threads - calling, [idle])),
  };
}
