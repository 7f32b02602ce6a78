/*
 * The naive twin of the engine: the same machine as objects and maps, one small function an op, no care for speed. It shares nothing with
 * the engine but the program format; that the two agree step by step is the main argument that either is right.
 */
import type { OpName, Program, RecordKind } from "../dsl/program.js";
import { access, speculate } from "./access.js";
import { completeBroadcast } from "./broadcast.js";
import { copyOf } from "./copy.js";
import { type Context, Cpu } from "./cpu.js";
import { Memory } from "./memory.js";
import { FREE_OPS, isFreeOp, STEP_OPS } from "./ops.js";
import { Oracle } from "./oracle.js";
import { Running, type World } from "./running.js";
import type {
  AccessKind,
  AccessOutcome,
  MachineConfig,
  MachineState,
  StepOutcome,
  SteppableMachine,
  TableState,
} from "./state.js";
import type { Violation } from "./violations.js";

/** Free ops in a row after which a program is taken for an endless loop. */
const FREE_LIMIT = 1_000_000;

/** Throws, at the step that does it: RangeError for an operand that names nothing, Error for a misused lock or free. */
export class ReferenceMachine implements SteppableMachine {
  readonly config: MachineConfig;
  readonly program: Program;
  private readonly world: World;

  constructor(program: Program, config: MachineConfig) {
    this.program = program;
    this.config = config;
    const oracle = new Oracle(config);
    const memory = new Memory(program, config, oracle);
    const cpus = Array.from({ length: config.cpus }, (_, id) => new Cpu(id, memory));
    oracle.watch(cpus, memory);
    const counters = program.counters.map(() => 0n);
    const windows = program.windows.map(() => 0);
    this.world = { program, config, memory, oracle, cpus, counters, windows };
  }

  /** A machine in the same state, which goes its own way from here. */
  copy(): ReferenceMachine {
    return copyOf(this, [this.program, this.config]);
  }

  start(cpu: number, entry: string, args: readonly (number | bigint)[]): void {
    const target = this.cpu(cpu);
    if (target.context !== undefined) throw new Error(`CPU ${cpu} is in the kernel already`);
    target.taskContext = this.contextAt(entry, args);
    this.settle(target);
  }

  step(cpu: number): StepOutcome {
    const target = this.cpu(cpu);
    const context = target.context;
    if (context === undefined) return "ended";
    const op = this.program.ops[context.pc]!;
    const step = STEP_OPS[op.op as keyof typeof STEP_OPS];
    if (!step(new Running(this.world, target, context, op))) return "disabled";
    if (context === target.taskContext) this.world.oracle.stepped(cpu);
    context.pc++;
    this.settle(target);
    return target.context === context ? "stepped" : "ended";
  }

  access(cpu: number, vpn: number, kind: AccessKind): AccessOutcome {
    return access(this.world, this.cpu(cpu), vpn, kind);
  }

  deliver(cpu: number): boolean {
    const target = this.cpu(cpu);
    if (!target.pending || !target.irqsOn || target.interruptContext !== undefined) return false;
    target.stores.drainAll();
    target.pending = false;
    target.interruptContext = this.contextAt("call_function_interrupt", []);
    this.settle(target);
    return true;
  }

  drain(cpu: number, index: number): boolean {
    const { stores } = this.cpu(cpu);
    if (!stores.canDrain(index)) return false;
    stores.drain(index);
    return true;
  }

  speculate(cpu: number, vpn: number): boolean {
    return speculate(this.world, this.cpu(cpu), vpn);
  }

  complete(cpu: number, initiator: number): boolean {
    return completeBroadcast(this.cpu(cpu), this.cpu(initiator), this.config.radixBits);
  }

  evict(cpu: number, vpn: number): boolean {
    const { tlb, pcid } = this.cpu(cpu);
    return tlb.dropPage(vpn, pcid) > 0;
  }

  setTask(cpu: number, task: number): void {
    this.cpu(cpu).task = task;
  }

  peek(kind: RecordKind, record: number, word: number): bigint {
    return this.world.memory.read({ kind, record, word });
  }

  poke(kind: RecordKind, record: number, word: number, value: bigint): void {
    this.world.memory.write({ kind, record, word }, value, { site: -1, cpu: -1 });
  }

  running(cpu: number): "task" | "interrupt" | null {
    const { interruptContext, taskContext } = this.cpu(cpu);
    if (interruptContext !== undefined) return "interrupt";
    return taskContext === undefined ? null : "task";
  }

  /** The op that the CPU would step next, with the inline path of its site; undefined in user mode. */
  next(cpu: number): { op: OpName; path: string } | undefined {
    const context = this.cpu(cpu).context;
    const op = context && this.program.ops[context.pc];
    return op && { op: op.op, path: this.program.sites[op.site]?.path ?? "?" };
  }

  status(cpu: number): bigint {
    return this.cpu(cpu).status;
  }

  /** Sums of COUNT so far, by name. */
  counters(): Record<string, bigint> {
    return Object.fromEntries(this.program.counters.map((name, at) => [name, this.world.counters[at]!]));
  }

  /** Times that each named window was entered. */
  windows(): Record<string, number> {
    return Object.fromEntries(this.program.windows.map((name, at) => [name, this.world.windows[at]!]));
  }

  /** In the order in which they happened. */
  violations(): readonly Violation[] {
    return this.world.oracle.violations.all;
  }

  /** Counters and windows begin anew. */
  forgetStatistics(): void {
    this.world.counters.fill(0n);
    this.world.windows.fill(0);
  }

  /** What later events depend on although state() does not show it: what was copied from where, and the roots that each CPU ever loaded. */
  unseen(): unknown {
    const { oracle, cpus } = this.world;
    return [
      [...oracle.copies.sources].sort(([left], [right]) => left - right),
      cpus.map(({ roots }) => [...roots].sort()),
    ];
  }

  state(): MachineState {
    const { memory, oracle, cpus } = this.world;
    return {
      words: copyOfRecords(memory.words),
      tables: this.tableStates(),
      freeTables: memory.freeTables.toReversed(),
      freeFrames: memory.freeFrames,
      freeBlocks: [1, 2].map((level) =>
        (memory.freeBlocks.get(level * memory.config.radixBits) ?? []).toReversed(),
      ),
      generations: [...oracle.generations],
      ranges: memory.ranges.map(({ ranges }) => ranges.map((range) => ({ ...range }))),
      cache: [...memory.cache]
        .map(([key, value]) => ({ key, value }))
        .sort((left, right) => (left.key < right.key ? -1 : 1)),
      cpus: cpus.map((cpu) => cpu.state(oracle)),
      oracle: oracle.state(),
    };
  }

  private tableStates(): TableState[] {
    return this.world.memory.tables.slice(1).map(({ live, root, level, base, entries, unseen }, at) => {
      const sorted = [...entries].sort(([left], [right]) => left - right);
      return {
        table: at + 1,
        live,
        root,
        level,
        base,
        entries: sorted.map(([index, value]) => ({ index, value })),
        unseen: [...unseen].sort((left, right) => left - right),
      };
    });
  }

  private cpu(cpu: number): Cpu {
    const found = this.world.cpus[cpu];
    if (found === undefined) throw new RangeError(`no CPU ${cpu}`);
    return found;
  }

  private contextAt(name: string, args: readonly (number | bigint)[]): Context {
    const entry = this.program.entries.find((one) => one.name === name);
    if (entry === undefined) throw new RangeError(`the program has no entry ${name}`);
    if (args.length !== entry.args.length)
      throw new RangeError(`${name} takes ${entry.args.length} arguments`);
    const registers = new Array<bigint>(this.program.registers).fill(0n);
    for (const [at, value] of args.entries()) registers[at] = BigInt(value);
    return { pc: entry.pc, registers };
  }

  /** Runs free ops until the running context rests before a step, or ends. */
  private settle(cpu: Cpu): void {
    const context = cpu.context!;
    for (let count = 0; count < FREE_LIMIT; count++) {
      const op = this.program.ops[context.pc];
      if (op === undefined) throw new RangeError(`no op at ${context.pc}`);
      const run = new Running(this.world, cpu, context, op);
      if (op.op === "END") {
        this.end(cpu, run.value(op.a));
        return;
      }
      if (!isFreeOp(op.op)) return;
      context.pc = FREE_OPS[op.op](run) ?? context.pc + 1;
    }
    throw new Error(`an endless loop of free ops at ${context.pc}`);
  }

  /** Leaving the kernel, or an interrupt, serialises. */
  private end(cpu: Cpu, status: bigint): void {
    cpu.stores.drainAll();
    if (cpu.interruptContext !== undefined) {
      cpu.interruptContext = undefined;
      return;
    }
    cpu.taskContext = undefined;
    this.world.oracle.callEnded(cpu.id);
    cpu.status = status;
  }
}

function copyOfRecords(words: Memory["words"]): MachineState["words"] {
  const copies = Object.entries(words).map(([kind, records]) => [kind, records.map((record) => [...record])]);
  return Object.fromEntries(copies) as MachineState["words"];
}
