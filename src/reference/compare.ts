/* Runs one schedule on two machines and stops at the first thing in which they differ. */
import type { Program } from "../dsl/program.js";
import type { AccessKind, MachineConfig, MachineState, SteppableMachine } from "./state.js";

/** One choice of a scheduler. What does not apply when its turn comes is left out, or changes nothing. */
export type Move =
  | {
      readonly do: "start";
      readonly cpu: number;
      readonly entry: string;
      readonly args: readonly (number | bigint)[];
    }
  | { readonly do: "step"; readonly cpu: number }
  /** Starts an entry and steps to its end, or to a step that is disabled, without a look in between. */
  | {
      readonly do: "run";
      readonly cpu: number;
      readonly entry: string;
      readonly args: readonly (number | bigint)[];
    }
  | { readonly do: "access"; readonly cpu: number; readonly vpn: number; readonly kind: AccessKind }
  | { readonly do: "deliver"; readonly cpu: number }
  | { readonly do: "drain"; readonly cpu: number; readonly index: number }
  | { readonly do: "speculate"; readonly cpu: number; readonly vpn: number }
  | { readonly do: "complete"; readonly cpu: number; readonly initiator: number }
  | { readonly do: "evict"; readonly cpu: number; readonly vpn: number }
  | { readonly do: "setTask"; readonly cpu: number; readonly task: number };

export type MakeMachine = (program: Program, config: MachineConfig) => SteppableMachine;

export interface Case {
  readonly program: Program;
  readonly config: MachineConfig;
  readonly schedule: readonly Move[];
}

/** `what` names the first difference: "mm[0].tlb_gen", "cpus[1].tlb.l1d4k[0].dirty", "outcome" for what the move itself returned. */
export interface Difference {
  /** Index in the schedule, -1 for machines that differ from the start. */
  readonly at: number;
  readonly move: Move | undefined;
  /** The op that a step ran, with the inline path of its site. */
  readonly op: string;
  readonly what: string;
  readonly left: unknown;
  readonly right: unknown;
}

/** Undefined when the machines agree after every move. A move that throws on both ends the comparison. */
export function compareStepByStep(
  makeLeft: MakeMachine,
  makeRight: MakeMachine,
  { program, config, schedule }: Case,
): Difference | undefined {
  const left = makeLeft(program, config);
  const right = makeRight(program, config);
  let state = left.state();
  const atStart = differenceOf(program, state, right.state());
  if (atStart !== undefined) return { at: -1, move: undefined, op: "", ...atStart };
  for (const [at, move] of schedule.entries()) {
    if (!applies(move, state)) continue;
    const op = opOf(program, move, state);
    const outcomes = [outcomeOf(left, move), outcomeOf(right, move)] as const;
    const different = firstDifference(outcomes[0], outcomes[1], "outcome");
    if (different !== undefined) return { at, move, op, ...different };
    if (outcomes[0] === THROWN) return undefined;
    state = left.state();
    const found = differenceOf(program, state, right.state());
    if (found !== undefined) return { at, move, op, ...found };
  }
  return undefined;
}

/** A message for people: the move, the op, what differs. */
export function describe(difference: Difference): string {
  const { at, move, op, what, left, right } = difference;
  const moved = move === undefined ? "at the start" : `after move ${at}, ${show(move)}${op && ` (${op})`}`;
  return `${moved}: ${what} is ${show(left)} on the left and ${show(right)} on the right`;
}

const THROWN = "throws";

/** User accesses and calls happen in user mode only. */
function applies(move: Move, state: MachineState): boolean {
  if (move.do !== "start" && move.do !== "run" && move.do !== "access") return true;
  const cpu = state.cpus[move.cpu]!;
  return cpu.taskContext === null && cpu.interruptContext === null;
}

function outcomeOf(machine: SteppableMachine, move: Move): unknown {
  try {
    switch (move.do) {
      case "start":
        return machine.start(move.cpu, move.entry, move.args);
      case "step":
        return machine.step(move.cpu);
      case "run":
        return run(machine, move.cpu, move.entry, move.args);
      case "access":
        return machine.access(move.cpu, move.vpn, move.kind);
      case "deliver":
        return machine.deliver(move.cpu);
      case "drain":
        return machine.drain(move.cpu, move.index);
      case "speculate":
        return machine.speculate(move.cpu, move.vpn);
      case "complete":
        return machine.complete(move.cpu, move.initiator);
      case "evict":
        return machine.evict(move.cpu, move.vpn);
      case "setTask":
        return machine.setTask(move.cpu, move.task);
    }
  } catch {
    // The texts differ between machines: only that both refuse is compared.
    return THROWN;
  }
}

function run(
  machine: SteppableMachine,
  cpu: number,
  entry: string,
  args: readonly (number | bigint)[],
): unknown {
  machine.start(cpu, entry, args);
  for (;;) {
    const outcome = machine.step(cpu);
    if (outcome !== "stepped") return outcome;
  }
}

function opOf(program: Program, move: Move, state: MachineState): string {
  if (move.do !== "step") return "";
  const cpu = state.cpus[move.cpu]!;
  const context = cpu.interruptContext ?? cpu.taskContext;
  const op = context === null ? undefined : program.ops[context.pc];
  return op === undefined ? "" : `${op.op} ${program.sites[op.site]?.path ?? ""}`;
}

interface Found {
  readonly what: string;
  readonly left: unknown;
  readonly right: unknown;
}

function differenceOf(program: Program, left: MachineState, right: MachineState): Found | undefined {
  const found = firstDifference(left, right, "");
  return found && { ...found, what: nameWord(program, found.what) };
}

/** Depth first, in the order of the left side's members. The name is put together on the way back, because most values are equal. */
function firstDifference(left: unknown, right: unknown, what: string): Found | undefined {
  if (Object.is(left, right)) return undefined;
  if (!isObject(left) || !isObject(right)) return { what, left, right };
  const members = Object.keys(left);
  if (Object.keys(right).length !== members.length) {
    members.push(...Object.keys(right).filter((member) => !(member in left)));
  }
  for (const member of members) {
    const found = firstDifference(left[member], right[member], "");
    if (found === undefined) continue;
    const here = Array.isArray(left) ? `[${member}]` : what === "" ? member : `.${member}`;
    const separator = found.what === "" || found.what.startsWith("[") ? "" : ".";
    return { ...found, what: `${what}${here}${separator}${found.what}` };
  }
  return undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** "words.mm[0][2]" as the program's author knows it: "mm[0].tlb_gen". */
function nameWord(program: Program, what: string): string {
  const match = /^words\.(\w+)\[(\d+)\]\[(\d+)\]$/.exec(what);
  if (match === null) return what;
  const [, kind, record, word] = match;
  const offset = Number(word);
  const place = program.layout.fields.find(
    (field) => field.record === kind && field.word <= offset && offset < field.word + field.words,
  );
  if (place === undefined) return what;
  const part = place.words === 1 ? "" : `[${offset - place.word}]`;
  return `${kind}[${record}].${place.name}${part}`;
}

function show(value: unknown): string {
  return (
    JSON.stringify(value, (_, member) =>
      typeof member === "bigint" ? `0x${member.toString(16)}` : member,
    ) ?? "nothing"
  );
}
