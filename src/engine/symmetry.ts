/**
 * CPUs of a case that differ only in their number, and from where on no program tells them apart: docs/modelling.md has the argument.
 * `assembly/symmetry.ts` renames such CPUs, state by state.
 */

import type { Case, Doing } from "../dsl/case.js";
import { nextOf } from "../dsl/flow.js";
import { NONE, OPS, type OpRoles } from "../dsl/isa.js";
import type { FieldPlace, MicroOp, Program } from "../dsl/program.js";
import { fieldOf, type Known, type KnownAt, knownValues } from "./known-values.js";

export interface Symmetry {
  /** CPUs that can stand for each other, ascending; two at least. They run nothing but the interrupt handler. */
  readonly members: readonly number[];
  /** By CPU and op: what the program does from there on can tell members apart. */
  readonly ops: readonly (readonly boolean[])[];
  /** By CPU and item: what the thread does from there on can. One more than there are items. */
  readonly items: readonly (readonly boolean[])[];
  /** The members' handler looks at the task that the CPU runs. */
  readonly usesTask: boolean;
}

const HANDLER = "call_function_interrupt";
/** What a handler of a member must not do: leave its CPU's number with others, or wait for others. */
const OUTGOING = new Set(["QPUSH", "TLBI", "DSB", "LOCK", "TRYLOCK", "RLOCK", "WLOCK", "TRYRLOCK"]);
const MASK_OPS = new Set(["MASK_SET", "MASK_CLR", "MASK_TEST", "MASK_ZERO", "MASK_COUNT", "RAISE"]);
const CPU_OPERAND = new Set(["MASK_SET", "MASK_CLR", "MASK_TEST", "RAISE1", "QPUSH"]);
const OWN_OPERAND = new Set(["MASK_SET", "MASK_CLR", "MASK_TEST"]);
const CPUS_MOST = 64;

/** Undefined when no two CPUs are alike, or when something tells them apart all the time. */
export function symmetryOf(play: Case): Symmetry | undefined {
  const members = alike(play);
  if (members.length < 2 || play.machine.cpus > CPUS_MOST) return undefined;
  return new Finder(play, members).find();
}

/** The most CPUs without a thread that have the same liberties, up to their number. */
function alike({ machine, threads, liberties, devices = [] }: Case): number[] {
  const classes = new Map<string, number[]>();
  for (let cpu = 0; cpu < machine.cpus; cpu++) {
    const isBusy = threads.some((thread) => thread.cpu === cpu && thread.does.length > 0);
    if (isBusy || devices.includes(cpu)) continue;
    const own = liberties.filter((liberty) => liberty.cpu === cpu);
    const key = own.map(({ may, vpn, kind = 0 }) => `${may} ${vpn} ${kind}`).sort();
    classes.set(`${key}`, [...(classes.get(`${key}`) ?? []), cpu]);
  }
  return [...classes.values()].reduce((most, one) => (one.length > most.length ? one : most), []);
}

class Finder {
  readonly #play: Case;
  readonly #program: Program;
  readonly #members: readonly number[];
  readonly #numbers: ReadonlySet<bigint>;
  readonly #fields = new Map<string, FieldPlace>();

  constructor(play: Case, members: readonly number[]) {
    this.#play = play;
    this.#program = play.program;
    this.#members = members;
    this.#numbers = new Set(members.map(BigInt));
    for (const field of play.program.layout.fields) {
      for (let word = field.word; word < field.word + field.words; word++)
        this.#fields.set(`${field.record} ${word}`, field);
    }
  }

  find(): Symmetry | undefined {
    const cpus = Array.from({ length: this.#play.machine.cpus }, (_, cpu) => cpu);
    for (const cpu of cpus) if (this.#handlerTells(cpu)) return undefined;
    const found = cpus.map((cpu) => this.#ofCpu(cpu));
    const handled = this.#known(this.#members[0]!, HANDLER, []);
    const usesTask = this.#program.ops.some(({ op }, pc) => op === "TASK" && handled?.[pc] !== undefined);
    return {
      members: this.#members,
      ops: found.map(({ ops }) => ops),
      items: found.map(({ items }) => items),
      usesTask,
    };
  }

  #ofCpu(cpu: number): { ops: boolean[]; items: boolean[] } {
    const does = this.#play.threads.find((thread) => thread.cpu === cpu)?.does ?? [];
    const ops = this.#program.ops.map(() => false);
    for (const item of does) {
      const { entry, args } = startOf(item);
      const known = this.#known(cpu, entry, args);
      known?.forEach((registers, pc) => {
        if (registers && this.#tells(this.#program.ops[pc]!, registers, () => false)) ops[pc] = true;
      });
    }
    this.#spreadBack(ops);
    const items = [false];
    for (const item of does.toReversed()) {
      const pc = this.#pc(startOf(item).entry);
      items.unshift(items[0]! || (pc !== undefined && ops[pc]!));
    }
    return { ops, items };
  }

  /** What comes before something that tells will tell. */
  #spreadBack(ops: boolean[]): void {
    for (let grows = true; grows; ) {
      grows = false;
      for (let pc = ops.length - 1; pc >= 0; pc--) {
        if (ops[pc] || !nextOf(this.#program.ops[pc]!, pc).some((next) => ops[next])) continue;
        ops[pc] = true;
        grows = true;
      }
    }
  }

  #handlerTells(cpu: number): boolean {
    const known = this.#known(cpu, HANDLER, []);
    if (known === undefined) return false;
    const isMember = this.#members.includes(cpu);
    const own = isMember ? this.#ownNumbers(known) : undefined;
    if (isMember && own === undefined) return true;
    return this.#program.ops.some((op, pc) => {
      const registers = known[pc];
      if (registers === undefined) return false;
      if (isMember && OUTGOING.has(op.op)) return true;
      const isOwn = (register: number): boolean =>
        own?.[pc]?.has(register) === true && `${registers[register]}` === `${cpu}`;
      return this.#tells(op, registers, isOwn);
    });
  }

  /** Registers that may hold the number of the CPU, before each op; undefined when an op does more with it than name its own things. */
  #ownNumbers(known: KnownAt): readonly ReadonlySet<number>[] | undefined {
    const { ops } = this.#program;
    const held = ops.map(() => new Set<number>());
    for (let grows = true; grows; ) {
      grows = false;
      for (const [pc, op] of ops.entries()) {
        if (known[pc] === undefined) continue;
        const behind = this.#ownBehind(op, held[pc]!);
        if (behind === undefined) return undefined;
        for (const next of nextOf(op, pc)) {
          const before = held[next]!.size;
          for (const register of behind) held[next]!.add(register);
          if (held[next]!.size > before) grows = true;
        }
      }
    }
    return held;
  }

  #ownBehind(op: MicroOp, held: ReadonlySet<number>): ReadonlySet<number> | undefined {
    const roles: OpRoles = OPS[op.op];
    for (const role of ["a", "b", "c", "d"] as const) {
      if (roles[role] === undefined || roles[role] === "out" || roles[role] === "relation") continue;
      if (!held.has(op[role])) continue;
      const namesRecord = role === "a" && roles.imm === "field" && fieldOf(op).kind === "cpu";
      const namesBit = role === "c" && OWN_OPERAND.has(op.op);
      if (op.op !== "MOV" && !namesRecord && !namesBit) return undefined;
    }
    const behind = new Set(held);
    for (const role of ["dst", "a", "b", "c", "d"] as const)
      if (roles[role] === "out") behind.delete(op[role]);
    if (op.dst !== NONE && (op.op === "CPU" || (op.op === "MOV" && held.has(op.a)))) behind.add(op.dst);
    return behind;
  }

  /**
   * Whether what an op does depends on which member has which number; an index in an array is taken to be inside of it. `isOwn` of
   * a register: it holds the number of the CPU itself.
   */
  #tells(op: MicroOp, registers: readonly Known[], isOwn: (register: number) => boolean): boolean {
    const roles: OpRoles = OPS[op.op];
    const isNoMember = (register: number): boolean => {
      const values = register === NONE ? [0n] : registers[register];
      return isOwn(register) || (values?.every((value) => !this.#numbers.has(value)) ?? false);
    };
    if (op.op === "MASK_NEXT") return true;
    if (CPU_OPERAND.has(op.op) && !isNoMember(op.c)) return true;
    if (roles.imm !== "field") return false;
    const { kind, word } = fieldOf(op);
    const field = this.#fields.get(`${kind} ${word}`);
    if (field === undefined || (field.kind === "mask") !== MASK_OPS.has(op.op)) return true;
    return kind === "cpu" && !isNoMember(op.a);
  }

  #known(cpu: number, entry: string, args: readonly Known[]): KnownAt | undefined {
    const pc = this.#pc(entry);
    if (pc === undefined) return undefined;
    const { cpus, mms, tasks, tables, frames } = this.#play.machine;
    const records = { global: 1, mm: mms, cpu: cpus, task: tasks, table: tables, frame: frames };
    // Members call nobody; `cpus` stands for an empty queue.
    const numbers = Array.from({ length: cpus + 1 }, (_, one) => BigInt(one));
    const callers = numbers.filter((one) => !this.#numbers.has(one));
    return knownValues(this.#program, {
      pc,
      args,
      cpu,
      cpus,
      tasks: undefined,
      records,
      constant: () => undefined,
      callers,
    });
  }

  #pc(entry: string): number | undefined {
    return this.#program.entries.find(({ name }) => name === entry)?.pc;
  }
}

function startOf(item: Doing): { entry: string; args: readonly Known[] } {
  if ("switchTo" in item) return { entry: "context_switch", args: [undefined] };
  if (!("call" in item)) return { entry: "page_fault", args: [undefined, undefined] };
  const args = item.args.map((argument) =>
    typeof argument === "object" ? undefined : [BigInt.asUintN(64, BigInt(argument))],
  );
  return { entry: item.call, args };
}
