/** Which programs each CPU of a case can execute, from which op on and with what arguments, and what is known of its registers there. */

import type { Argument, Case, Doing } from "../dsl/case.js";
import { OPS } from "../dsl/isa.js";
import type { RecordKind } from "../dsl/program.js";
import { type Cells, opFootprint, type Things } from "./footprint.js";
import { type Known, knownValues, type Start } from "./known-values.js";
import type { Run } from "./locksets.js";

/** A word of the state in which the search begins. */
export type InitialWord = (kind: RecordKind, record: number, word: number) => bigint;

/** What the case's own tables say. */
export interface Surroundings {
  readonly one: Case;
  readonly initial: InitialWord;
  readonly records: Readonly<Record<RecordKind, number>>;
  readonly things: Things;
  readonly cells: Cells;
}

/** Rounds after which constants are taken as they are: each round is right, a later one is only sharper. */
const ROUNDS = 3;
const IDLE = 2n ** 32n - 1n;

/** One entry that a CPU can execute; arguments are joined over all that call it. */
export interface Started extends Run {
  readonly entry: string;
  readonly args: readonly Known[];
}

/** Runs of all entries that CPUs can execute, with the sharpest constants. */
export function startedRuns(around: Surroundings): Started[] {
  const started = startsOf(around.one);
  let written: ReadonlySet<string> | undefined;
  let runs: Started[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    runs = started.map(({ cpu, entry, args, pc }) => {
      const known = knownValues(around.one.program, startFor(around, cpu, pc, args, written));
      return { cpu, entry, args, pc, known };
    });
    written = writtenWords(around, runs);
  }
  return runs;
}

function startFor(
  { one, initial, records, cells }: Surroundings,
  cpu: number,
  pc: number,
  args: readonly Known[],
  written: ReadonlySet<string> | undefined,
): Start {
  const { machine, program, setup, threads } = one;
  const tasks = new Set<bigint>([IDLE]);
  for (const step of setup) if (step.do === "switch" && step.cpu === cpu) tasks.add(BigInt(step.task));
  for (const thread of threads) {
    for (const item of thread.does)
      if (thread.cpu === cpu && "switchTo" in item) tasks.add(BigInt(item.switchTo));
  }
  return {
    pc,
    args,
    cpu,
    cpus: machine.cpus,
    tasks: [...tasks],
    records,
    constant: (kind, record, word) => {
      if (written === undefined || word >= BigInt(program.layout.words[kind])) return undefined;
      const cell = cells.bitOf(kind, Number(record), word);
      return written.has(`${cell}`) ? undefined : initial(kind, Number(record), Number(word));
    },
  };
}

function writtenWords({ one, things, cells }: Surroundings, runs: readonly Started[]): ReadonlySet<string> {
  const { cpus } = one.machine;
  let changed = 0n;
  for (const { cpu, known } of runs) {
    for (const [pc, op] of one.program.ops.entries()) {
      const registers = known[pc];
      if (registers === undefined || OPS[op.op].class !== "step") continue;
      changed |= opFootprint(op, registers, cpu, cpus, things, cells).changes;
    }
  }
  const bits = cells.cells.map((_, index) => 1n << BigInt(things.count + index));
  return new Set(bits.filter((bit) => (changed & bit) !== 0n).map((bit) => `${bit}`));
}

/** Each entry once for each CPU, its arguments joined over all that call it. */
function startsOf(one: Case): { cpu: number; entry: string; args: readonly Known[]; pc: number }[] {
  const calls = new Map<string, { cpu: number; entry: string; args: Known[] }>();
  const add = (cpu: number, entry: string, args: readonly Known[]): void => {
    const key = `${cpu} ${entry}`;
    const before = calls.get(key);
    if (before === undefined) calls.set(key, { cpu, entry, args: [...args] });
    else before.args = before.args.map((known, at) => union(known, args[at]));
  };
  for (const { cpu, does } of one.threads) {
    for (const item of does) {
      const { entry, args } = startOf(item);
      add(cpu, entry, args);
    }
  }
  for (let cpu = 0; cpu < one.machine.cpus; cpu++) add(cpu, HANDLER, []);
  const entries = new Map(one.program.entries.map((entry) => [entry.name, entry.pc]));
  return [...calls.values()].flatMap((call) => {
    const pc = entries.get(call.entry);
    return pc === undefined ? [] : [{ ...call, pc }];
  });
}

export const HANDLER = "call_function_interrupt";

export function startOf(item: Doing): { entry: string; args: readonly Known[] } {
  if ("call" in item) return { entry: item.call, args: item.args.map(knownArgument) };
  if ("switchTo" in item) return { entry: "context_switch", args: [[BigInt(item.switchTo)]] };
  const error = BigInt(item.access);
  return { entry: "page_fault", args: [[BigInt(item.vpn)], [error, error | FAULT_PRESENT]] };
}

const FAULT_PRESENT = 4n;

function knownArgument(argument: Argument): Known {
  return typeof argument === "object" ? undefined : [BigInt.asUintN(64, BigInt(argument))];
}

function union(left: Known, right: Known): Known {
  return left === undefined || right === undefined ? undefined : [...new Set([...left, ...right])];
}
