/* Runs programs to their end without a scheduler's choices: for trying a mechanism, and for tests that need a state to start from. */
import type { ReferenceMachine } from "./machine.js";
import type { AccessKind } from "./state.js";

/** Faults of one access in a row after which its handler is taken for broken. */
const RETRY_LIMIT = 8;
/** Rounds over all CPUs after which a program is taken for an endless loop. */
const ROUND_LIMIT = 100_000;

/**
 * Runs an entry on `cpu` while all CPUs make what progress they can, round robin: take an interrupt, step, let one store go.
 * Returns the status of END. Throws Error when nothing can move and the entry has not ended, saying where each CPU stands.
 */
export function runToEnd(
  machine: ReferenceMachine,
  cpu: number,
  entry: string,
  args: readonly (number | bigint)[] = [],
): bigint {
  machine.start(cpu, entry, args);
  settle(machine);
  if (machine.next(cpu) !== undefined) throw new Error(`${entry} does not end: ${whereAll(machine)}`);
  return machine.status(cpu);
}

/** Lets all CPUs go on, round robin, until none can. */
export function settle(machine: ReferenceMachine): void {
  for (let round = 0; round < ROUND_LIMIT; round++) {
    let moved = false;
    for (let cpu = 0; cpu < machine.config.cpus; cpu++) {
      if (machine.deliver(cpu)) moved = true;
      if (machine.next(cpu) !== undefined && machine.step(cpu) !== "disabled") moved = true;
      if (machine.drain(cpu, 0)) moved = true;
    }
    if (!moved) return;
  }
  throw new Error(`no end after ${ROUND_LIMIT} rounds: ${whereAll(machine)}`);
}

/**
 * One user access, with page_fault for each fault. Returns true when it succeeds, false for SIGSEGV.
 * Throws Error when it still faults after several faults were handled.
 */
export function touch(machine: ReferenceMachine, cpu: number, vpn: number, kind: AccessKind): boolean {
  for (let retries = 0; retries < RETRY_LIMIT; retries++) {
    const outcome = machine.access(cpu, vpn, kind);
    if (outcome === "ok") return true;
    if (runToEnd(machine, cpu, "page_fault", [vpn, outcome.fault]) !== 0n) return false;
  }
  throw new Error(`CPU ${cpu} still faults on page ${vpn} after ${RETRY_LIMIT} faults were handled`);
}

/** Runs context_switch and makes `task` (IDLE_TASK for none) current. */
export function switchTo(machine: ReferenceMachine, cpu: number, task: number): void {
  runToEnd(machine, cpu, "context_switch", [task]);
  machine.setTask(cpu, task);
}

function whereAll(machine: ReferenceMachine): string {
  const places = Array.from({ length: machine.config.cpus }, (_, cpu) => {
    const next = machine.next(cpu);
    return `CPU ${cpu} ${next === undefined ? "is in user mode" : `waits at ${next.op} ${next.path}`}`;
  });
  return places.join("; ");
}
