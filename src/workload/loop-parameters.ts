import { ownPagesMax } from "./loop.js";
import type { Parameter } from "./parameters.js";

const threadsMax = 4096;
const million = 1_000_000;

/** What every loop workload takes. */
export const loopParameters = [
  parameter("pages", "pages", 16, [1, ownPagesMax], "pages of each thread's own mapping"),
  parameter("iterations", "count", 200, [1, 1000 * million], "rounds of each thread"),
  parameter("threads", "count", "cpus", [1, threadsMax], "threads of the process"),
  parameter(
    "initiators",
    "count",
    threadsMax,
    [0, threadsMax],
    "threads that make the calls; the rest only works",
  ),
  parameter("reads", "count", 64, [0, million], "loads from random shared pages, each round"),
  parameter("shared", "pages", 256, [1, 262_144], "pages of the array that all threads read"),
  parameter("compute", "cycles", 2000, [0, 1000 * million], "computing each round, on average"),
];

export type LoopValues = Readonly<Record<(typeof loopParameters)[number]["name"], number>>;

function parameter<N extends string>(
  name: N,
  unit: Parameter["unit"],
  otherwise: Parameter["default"],
  [min, max]: readonly [number, number],
  about: string,
): Parameter & { readonly name: N } {
  return { name, unit, default: otherwise, min, max, about };
}
