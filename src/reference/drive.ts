/* Runs programs to their end without a scheduler's choices: for trying a mechanism, and for tests that need a state to start from. */
import type { AccessKind, SteppableMachine } from "./state.js";

/** Faults of one access in a row after which its handler is taken for broken. */
const RETRY_LIMIT = 8;
/** Rounds over all CPUs after which a program is taken for an endless loop. */
const ROUND_LIMIT = 100_000;

/**
 * Runs an entry on `cpu` while all CPUs make what progress they can, round robin: take an interrupt, step, let one store go.
 * Returns the status of END. Throws Error when nothing can move and the entry has not ended, saying where each CPU stands.
 */
export function runToEnd(
  machine: SteppableMachine,
  cpu: number,
  entry: string,
  args: readonly (number | bigint)[] = [],
): bigint {
  machine.start(cpu, entry, args);
  settle(machine);
  if (machine.running(cpu) !== null) throw new Error(`${entry} does not end: ${whereAll(machine)}`);
  return machine.status(cpu);
}

/** Lets all CPUs go on, round robin, until none can: take an interrupt, step, let a store go, then what was broadcast to it. */
export function settle(machine: SteppableMachine): void {
  for (let round = 0; round < ROUND_LIMIT; round++) {
    let moved = false;
    for (let cpu = 0; cpu < machine.config.cpus; cpu++) {
      if (machine.deliver(cpu)) moved = true;
      if (machine.running(cpu) !== null && machine.step(cpu) !== "disabled") moved = true;
      if (machine.drain(cpu, 0)) moved = true;
      for (let from = 0; from < machine.config.cpus; from++) if (machine.complete(cpu, from)) moved = true;
    }
    if (!moved) return;
  }
  throw new Error(`no end after ${ROUND_LIMIT} rounds: ${whereAll(machine)}`);
}

/**
 * One user access, with page_fault for each fault. Returns true when it succeeds, false for SIGSEGV.
 * Throws Error when it still faults after several faults were handled.
 */
export function touch(machine: SteppableMachine, cpu: number, vpn: number, kind: AccessKind): boolean {
  for (let retries = 0; retries < RETRY_LIMIT; retries++) {
    const outcome = machine.access(cpu, vpn, kind);
    if (outcome === "ok") return true;
    if (runToEnd(machine, cpu, "page_fault", [vpn, outcome.fault]) !== 0n) return false;
  }
  throw new Error(`CPU ${cpu} still faults on page ${vpn} after ${RETRY_LIMIT} faults were handled`);
}

/** Runs context_switch and makes `task` (IDLE_TASK for none) current. */
export function switchTo(machine: SteppableMachine, cpu: number, task: number): void {
  runToEnd(machine, cpu, "context_switch", [task]);
  machine.setTask(cpu, task);
}

/** What each CPU is at: "CPU 0 is in user mode; CPU 1 waits at LOCK munmap.lock". */
export function whereAll(machine: SteppableMachine): string {
  const places = machine.state().cpus.map(({ interruptContext, taskContext }, cpu) => {
    const context = interruptContext ?? taskContext;
    if (context === null) return `CPU ${cpu} is in user mode`;
    const op = machine.program.ops[context.pc];
    return `CPU ${cpu} waits at ${op?.op} ${machine.program.sites[op?.site ?? -1]?.path ?? "?"}`;
  });
  return places.join("; ");
}
