/* Every state that a scheduler can reach, breadth first: the adversary, done the slow way. */
import type { SteppableMachine } from "./state.js";

/** Something that a scheduler may do next; false when it is not enabled, and then nothing has changed. */
export interface Action<M> {
  readonly name: string;
  readonly apply: (machine: M) => boolean;
}

/** A reached state, by a shortest way of getting there. */
export interface Reached<M> {
  readonly machine: M;
  readonly path: readonly string[];
  /** No action is enabled here. */
  readonly final: boolean;
}

/**
 * Visits each distinct state once. There are no snapshots: every path is run again from the start, so `make` must always give the
 * same machine. Throws Error when there are more than `limit` states.
 */
export function explore<M extends SteppableMachine>(
  make: () => M,
  actions: readonly Action<M>[],
  visit: (reached: Reached<M>) => void,
  limit = 100_000,
): number {
  const replay = (path: readonly number[]) => {
    const machine = make();
    for (const at of path) actions[at]!.apply(machine);
    return machine;
  };
  const seen = new Set([keyOf(make())]);
  const frontier: number[][] = [[]];
  for (let path = frontier.shift(); path !== undefined; path = frontier.shift()) {
    let final = true;
    for (const [at, action] of actions.entries()) {
      const machine = replay(path);
      if (!action.apply(machine)) continue;
      final = false;
      const key = keyOf(machine);
      if (seen.has(key)) continue;
      seen.add(key);
      if (seen.size > limit) throw new Error(`more than ${limit} states`);
      frontier.push([...path, at]);
    }
    visit({ machine: replay(path), path: path.map((at) => actions[at]!.name), final });
  }
  return seen.size;
}

/** Steps, interrupts and store-buffer drains of every CPU: what a scheduler of kernel code alone chooses from. */
export function kernelActions(cpus: number, drainDepth: number): Action<SteppableMachine>[] {
  return Array.from({ length: cpus }, (_, cpu) => [
    { name: `step ${cpu}`, apply: (machine: SteppableMachine) => moves(machine, cpu) },
    { name: `deliver ${cpu}`, apply: (machine: SteppableMachine) => machine.deliver(cpu) },
    ...Array.from({ length: drainDepth }, (_, index) => ({
      name: `drain ${cpu}.${index}`,
      apply: (machine: SteppableMachine) => machine.drain(cpu, index),
    })),
  ]).flat();
}

/** Steps a CPU; false in user mode or when its step is disabled. */
function moves(machine: SteppableMachine, cpu: number): boolean {
  const { taskContext, interruptContext } = machine.state().cpus[cpu]!;
  const inKernel = taskContext !== null || interruptContext !== null;
  return inKernel && machine.step(cpu) !== "disabled";
}

function keyOf(machine: SteppableMachine): string {
  return JSON.stringify(machine.state(), (_, value) => (typeof value === "bigint" ? `${value}n` : value));
}
