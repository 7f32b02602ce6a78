/** What the steps of a plan name, and how often they fork. */
import { UsageError } from "../errors.js";
import { allSteps, type Plan, type Step } from "./plan.js";

/** Rings, stacks and page tables of more threads than this fit in no memory. */
export const tasksMax = 4096;

/** Regions (and parts) that the steps name. */
export function mentioned(steps: readonly Step[]): string[] {
  return allSteps(steps).flatMap((step) => {
    if (step.do === "part") return [step.of];
    if (step.do === "mremap") return [step.at, step.to];
    return "at" in step && step.at !== undefined ? [step.at] : [];
  });
}

/** Barriers that the steps come by. */
export function barriersIn(steps: readonly Step[]): ReadonlySet<string> {
  return new Set(allSteps(steps).flatMap((step) => (step.do === "barrier" ? [step.name] : [])));
}

/** Regions that no step maps, or moves pages to, and whose end no step moves: they are there from the beginning. */
export function mappedFirst(plan: Plan, names: readonly string[]): ReadonlySet<string> {
  const later = new Set(plan.groups.flatMap(({ steps }) => mappedBy(steps, new Map())));
  return new Set(names.filter((name) => !later.has(name)));
}

/** `parts` says of what the parts at hand are. */
function mappedBy(steps: readonly Step[], parts: ReadonlyMap<string, string>): string[] {
  const whole = (name: string): string => parts.get(name) ?? name;
  return steps.flatMap((step) => {
    if (step.do === "mmap" || step.do === "brk") return [whole(step.at)];
    if (step.do === "mremap") return [step.to];
    if (step.do === "part") return mappedBy(step.steps, new Map([...parts, [step.name, whole(step.of)]]));
    return "steps" in step ? mappedBy(step.steps, parts) : [];
  });
}

/** How often at most the steps fork, by group. Throws: UsageError when that is more often than can be. */
export function forksIn(steps: readonly Step[], times = 1): Map<string, number> {
  const forks = new Map<string, number>();
  const add = (name: string, count: number): void => void forks.set(name, (forks.get(name) ?? 0) + count);
  for (const step of steps) {
    if (step.do === "fork") add(step.group, times);
    if ("steps" in step)
      for (const [name, count] of forksIn(step.steps, times * roundsOf(step))) add(name, count);
  }
  const most = Math.max(0, ...forks.values());
  if (most > tasksMax)
    throw new UsageError(`the workload forks ${most} times; at most ${tasksMax} threads fit`);
  return forks;
}

function roundsOf(step: Step): number {
  if (step.do === "repeat") return step.times;
  // Without a count there is a round for each part, and a fork in it wants a count.
  return step.do === "part" ? (step.count ?? tasksMax + 1) : 1;
}
