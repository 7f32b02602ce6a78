/** A small machine that runs the kernel's programs, for tests that choose the schedule themselves. */

import { assemble, type Program, type RecordKind } from "../src/dsl/index.js";
import { type KernelTarget, kernelEntries, kernelRecords } from "../src/kernel/program.js";
import { resolveSlots } from "../src/policy/policies.js";
import { runToEnd, settle, switchTo, touch } from "../src/reference/drive.js";
import { ReferenceMachine } from "../src/reference/machine.js";
import { SMALL_CONFIG } from "../src/reference/small-config.js";
import { type AccessKind, IDLE_TASK, type MachineConfig } from "../src/reference/state.js";

export const LOAD = 0;
export const STORE = 1;

/** Mappings, as words of the range map. */
export const ANON_RW = 0b111n;
export const ANON_RO = 0b011n;
export const SHARED_MEMORY = 0b1_0111n;
export const sharedFile = (id: number): bigint => 0b11_0111n | (BigInt(id) << 8n);
export const privateFile = (id: number): bigint => 0b10_0111n | (BigInt(id) << 8n);

/** What every stage has, besides the entries that a test asks for. */
const BASE_ENTRIES = ["mmap", "page_fault", "context_switch", "call_function_interrupt"];

export interface StageOptions extends Pick<KernelTarget, "mutants" | "tunables" | "pcid"> {
  /** Assembling takes most of a test's time, so a test names what it needs; all entries unless said. */
  readonly entries?: readonly string[];
  readonly policy?: string;
  /** Slots that differ from the policy's. */
  readonly set?: Readonly<Record<string, string>>;
  /** An assembled program of another stage, in place of policy, entries and target. */
  readonly program?: Program;
  readonly cpus?: number;
  readonly config?: Partial<MachineConfig>;
}

/** Steps of one CPU after which a program that a test drives is taken for an endless loop. */
const STEP_LIMIT = 20_000;
const TABLES = 128;
const FRAMES = 128;

export class Stage {
  readonly program: Program;
  readonly machine: ReferenceMachine;

  constructor({
    policy = "deferred",
    set = {},
    cpus = 2,
    program,
    entries,
    config,
    ...target
  }: StageOptions = {}) {
    const radixBits = config?.radixBits ?? 2;
    const wanted = entries && [...BASE_ENTRIES, ...entries];
    this.program =
      program ??
      assemble({
        entries: kernelEntries(resolveSlots(policy, set), target).filter(
          ({ name }) => wanted?.includes(name) ?? true,
        ),
        records: kernelRecords,
        cpus,
        radixBits,
      });
    const sizes = { radixBits, tables: TABLES, frames: FRAMES, mms: 12, tasks: 24 };
    this.machine = new ReferenceMachine(this.program, { ...SMALL_CONFIG, cpus, ...sizes, ...config });
  }

  /** Declares that a task exists and runs in `mm`, as a feed does. */
  task(task: number, mm: number): void {
    this.machine.poke("task", task, this.#word("task", "mm"), BigInt(mm));
    const users = this.#word("mm", "mm_users");
    this.machine.poke("mm", mm, users, this.machine.peek("mm", mm, users) + 1n);
  }

  /** Task c of `mm` runs on CPU c, for every CPU, and [0, pages) is mapped. */
  threads(pages: number, value = ANON_RW): this {
    for (let cpu = 0; cpu < this.machine.config.cpus; cpu++) {
      this.task(cpu, 0);
      this.switch(cpu, cpu);
    }
    this.call(0, "mmap", 0, pages, value);
    return this;
  }

  switch(cpu: number, task: number): void {
    switchTo(this.machine, cpu, task);
  }

  idle(cpu: number): void {
    switchTo(this.machine, cpu, IDLE_TASK);
  }

  call(cpu: number, entry: string, ...args: (number | bigint)[]): bigint {
    return runToEnd(this.machine, cpu, entry, args);
  }

  /** An access with its faults; false for SIGSEGV. */
  touch(cpu: number, vpn: number, kind: AccessKind): boolean {
    return touch(this.machine, cpu, vpn, kind);
  }

  /** An access without fault handling: whether the TLB, or a walk, allows it now. */
  reaches(cpu: number, vpn: number, kind: AccessKind): boolean {
    return this.machine.access(cpu, vpn, kind) === "ok";
  }

  start(cpu: number, entry: string, ...args: (number | bigint)[]): void {
    this.machine.start(cpu, entry, args);
  }

  /** Steps only `cpu` until the step with this label is next. Throws Error when it blocks or ends before. */
  until(cpu: number, label: string): void {
    for (let steps = 0; steps < STEP_LIMIT; steps++) {
      const next = this.machine.next(cpu);
      if (next === undefined) throw new Error(`the program ended before "${label}"`);
      if (next.path.endsWith(`.${label}`)) return;
      if (this.machine.step(cpu) === "disabled") throw new Error(`blocked at ${next.path} before "${label}"`);
    }
    throw new Error(`"${label}" was not reached`);
  }

  /** Like until(), but where `cpu` blocks the others take interrupts and steps. */
  reach(cpu: number, label: string): void {
    for (let steps = 0; steps < STEP_LIMIT; steps++) {
      const next = this.machine.next(cpu);
      if (next === undefined) throw new Error(`the program ended before "${label}"`);
      if (next.path.endsWith(`.${label}`)) return;
      if (this.machine.step(cpu) === "disabled") this.#othersMove(cpu);
    }
    throw new Error(`"${label}" was not reached`);
  }

  /** `cpu` takes its pending interrupt and serves it; what it was doing stays where it is. */
  serve(cpu: number): void {
    if (!this.machine.deliver(cpu)) return;
    while (this.machine.step(cpu) === "stepped");
    this.drain(cpu);
  }

  drain(cpu: number): void {
    while (this.machine.drain(cpu, 0));
  }

  /** Runs `cpu` to its end; the others do nothing but serve interrupts. */
  finish(cpu: number): void {
    for (let round = 0; round < STEP_LIMIT; round++) {
      if (this.alone(cpu)) return;
      for (let other = 0; other < this.machine.config.cpus; other++) if (other !== cpu) this.serve(other);
    }
    throw new Error(`CPU ${cpu} is stuck at ${this.machine.next(cpu)?.path}`);
  }

  /** Steps only `cpu` until it ends or blocks. True when it has ended. */
  alone(cpu: number): boolean {
    for (let steps = 0; steps < STEP_LIMIT; steps++) {
      if (this.machine.next(cpu) === undefined) return true;
      if (this.machine.step(cpu) === "disabled") return false;
    }
    throw new Error(`CPU ${cpu} goes on for ever`);
  }

  /** Lets everybody go on to the end. Throws Error when somebody cannot. */
  settle(): void {
    settle(this.machine);
    for (let cpu = 0; cpu < this.machine.config.cpus; cpu++) {
      const next = this.machine.next(cpu);
      if (next !== undefined) throw new Error(`CPU ${cpu} is stuck at ${next.path}`);
    }
  }

  /** A task's exit, and the switch to idle behind it. */
  exit(cpu: number): void {
    this.call(cpu, "exit");
    this.idle(cpu);
  }

  field(record: RecordKind, index: number, name: string): bigint {
    return this.machine.peek(record, index, this.#word(record, name));
  }

  count(name: string): number {
    return Number(this.machine.counters()[name] ?? 0n);
  }

  violations(): string[] {
    return this.machine.state().oracle.violations.map(({ invariant }) => invariant);
  }

  /** The entry of the last level that maps a page, 0 when there is none. */
  pte(mm: number, vpn: number): bigint {
    const { radixBits } = this.machine.config;
    const { tables } = this.machine.state();
    let table = Number(this.field("mm", mm, "pgd"));
    for (let level = 3; level >= 0; level--) {
      const index = Math.floor(vpn / 2 ** (radixBits * level)) % 2 ** radixBits;
      const entry = tables[table - 1]?.entries.find((one) => one.index === index)?.value ?? 0n;
      if (level === 0) return entry;
      table = Number((entry >> 12n) & ((1n << 40n) - 1n));
      if (table === 0) return 0n;
    }
    return 0n;
  }

  pfn(mm: number, vpn: number): number {
    return Number((this.pte(mm, vpn) >> 12n) & ((1n << 40n) - 1n));
  }

  /** Frames and tables in use that nobody accounts for: page cache, page of zeroes, borrowed roots. */
  leaks(): { frames: number; tables: number } {
    const state = this.machine.state();
    const { cpus, frames, tables } = this.machine.config;
    const { radixBits } = this.machine.config;
    const inBlocks = state.freeBlocks.reduce(
      (sum, list, at) => sum + list.length * 2 ** (radixBits * (at + 1)),
      0,
    );
    const zero = this.field("global", 0, "zero_pfn") === 0n ? 0 : 1;
    const cpuList = Array.from({ length: cpus }, (_, cpu) => cpu);
    const borrowed = new Set(
      cpuList.map((cpu) => this.field("cpu", cpu, "active_mm")).filter((mm) => mm !== 0n),
    );
    return {
      frames: frames - 1 - state.freeFrames.length - inBlocks - state.cache.length - zero,
      tables: tables - 1 - state.freeTables.length - borrowed.size,
    };
  }

  #othersMove(cpu: number): void {
    for (let other = 0; other < this.machine.config.cpus; other++) {
      if (other === cpu) continue;
      this.machine.deliver(other);
      if (this.machine.next(other) !== undefined) this.machine.step(other);
      this.machine.drain(other, 0);
    }
  }

  #word(record: RecordKind, name: string): number {
    const place = this.program.layout.fields.find((one) => one.record === record && one.name === name);
    if (place === undefined) throw new RangeError(`no field ${record}.${name}`);
    return place.word;
  }
}
