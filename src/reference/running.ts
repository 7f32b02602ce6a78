import type { MicroOp, Program, RecordKind } from "../dsl/program.js";
import type { Context, Cpu } from "./cpu.js";
import type { Cell, Memory, Origin } from "./memory.js";
import type { Oracle } from "./oracle.js";
import type { MachineConfig } from "./state.js";

/** An operand that names no register. */
export const NONE = 255;
const LOAD = 0;
const STORE = 1;
const RECORD_KINDS: readonly RecordKind[] = ["global", "mm", "cpu", "task", "table", "frame"];

/** Everything the CPUs of one machine share. */
export interface World {
  readonly program: Program;
  readonly config: MachineConfig;
  readonly memory: Memory;
  readonly oracle: Oracle;
  readonly cpus: readonly Cpu[];
  /** Sums of COUNT by counter, and times WINDOW was passed by window. */
  readonly counters: bigint[];
  readonly windows: number[];
}

/** One micro-op at work: the machine, the CPU that runs it, and its operands by meaning. */
export class Running {
  readonly world: World;
  readonly cpu: Cpu;
  readonly context: Context;
  readonly op: MicroOp;

  constructor(world: World, cpu: Cpu, context: Context, op: MicroOp) {
    this.world = world;
    this.cpu = cpu;
    this.context = context;
    this.op = op;
  }

  get origin(): Origin {
    return { site: this.op.site, cpu: this.cpu.id };
  }

  /** The value of a register operand; no register is 0. Throws RangeError for one that the program does not have. */
  value(operand: number): bigint {
    if (operand === NONE) return 0n;
    const value = this.context.registers[operand];
    if (value === undefined) throw new RangeError(`no register ${operand}`);
    return value;
  }

  number(operand: number): number {
    return Number(this.value(operand));
  }

  /** Writes the register `operand`, unless it names none. */
  set(operand: number, value: bigint | number | boolean): void {
    if (operand === NONE) return;
    if (this.context.registers[operand] === undefined) throw new RangeError(`no register ${operand}`);
    this.context.registers[operand] = BigInt.asUintN(64, BigInt(value));
  }

  /** The word that the field operand names: record `a`, kind and word in `imm`, `b` added to the word. */
  field(): Cell {
    const { a, b, imm } = this.op;
    const kind = RECORD_KINDS[Number(imm >> 32n)];
    if (kind === undefined) throw new RangeError(`no record kind ${imm >> 32n}`);
    return { kind, record: this.number(a), word: Number(imm & 0xffffffffn) + this.number(b) };
  }

  /** The word of a mask field that has this CPU's bit. */
  maskWord(cpu: number): Cell {
    const first = this.field();
    return { ...first, word: first.word + Math.floor(cpu / 64) };
  }

  /** Throws RangeError for a register that names no CPU. */
  cpuNamedBy(operand: number): Cpu {
    const cpu = this.world.cpus[this.number(operand)];
    if (cpu === undefined) throw new RangeError(`no CPU ${this.value(operand)}`);
    return cpu;
  }

  /** The page-table entry in table `a` at index `b`, which is about to be used. */
  pte(): Cell {
    const cell = { kind: "pte", record: this.number(this.op.a), word: this.number(this.op.b) } as const;
    this.world.memory.noteUse(cell, this.op.op === "PTE_LD" ? LOAD : STORE, this.origin);
    return cell;
  }
}

/** A step op: false when it is disabled, and then nothing has changed. */
export type Step = (run: Running) => boolean;
