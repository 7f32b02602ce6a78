/** The engine under a schedule that somebody has recorded: programs begin where they are told, and flushes are told as they happen. */
import type { Program } from "../dsl/program.js";
import { kernelProgram } from "../kernel/program.js";
import { IDLE_TASK } from "../kernel/task.js";
import { machineNumbers, workPrices } from "../machine/preset.js";
import { skylakeSp } from "../machine/skylake-sp.js";
import { resolveSlots } from "../policy/policies.js";
import type { AccessKind, MachineConfig } from "../reference/state.js";
import { linuxFaultAround } from "../workload/feed.js";
import { FlushCounters } from "./enact-counters.js";
import { EngineAbort } from "./load.js";
import { EngineMachine } from "./machine.js";
import type { Violation } from "./result.js";
import { readViolations } from "./violations.js";
import type { Charges, World } from "./world.js";

export interface StageSize {
  readonly cpus: number;
  readonly tasks: number;
  readonly mms: number;
  readonly frames: number;
}

/** What happens on a CPU. `inHandler`: for another CPU, by its interrupt; else for the program that the CPU runs. */
export interface StageObserver {
  /** A program asks that all CPUs that need to flush so many pages, FULL for everything. */
  asked(cpu: number, pages: number): void;
  flushed(cpu: number, inHandler: boolean, pages: number): void;
  interrupted(cpu: number): void;
}

/** Steps without an end of the program that is waited for: it will not come. */
const STEPS_MOST = 50_000_000;
/** Prices of steps say how long a program takes, and so which of them overlap. */
const machine = machineNumbers(skylakeSp);
const cyclesPerMicrosecond = machine.ghz * 1000;
const FAULT_PRESENT = 4;
const NONE = { sets: 0, ways: 0 } as const;
const FIRST = ["l1d4k", "l1d4k", "l1d4k"] as const;

/** A TLB is there for the oracle, and so that accesses are accesses; which flush a call needs does not depend on it. */
function configOf({ cpus, tasks, mms, frames }: StageSize): MachineConfig {
  return {
    ...{ cpus, tasks, mms, frames, tables: Math.max(4096, frames >> 4) },
    ...{ radixBits: 9, model: "sc", storeBuffer: 8, assist: "strict" },
    geometry: {
      ...{ l1d4k: { sets: 64, ways: 8 }, l1d2m: NONE, l1d1g: NONE, l1i4k: NONE, l1i2m: NONE },
      ...{ stlb4k: NONE, stlb1g: NONE },
    },
    pwc: { pde: { sets: 1, ways: 16 }, pdpte: NONE, pml4e: NONE },
    serves: { data: FIRST, fetch: FIRST, second: [null, null, null] },
  };
}

const assembled = new Map<number, Program>();

function kernelFor(cpus: number): Program {
  const tunables = { fault_around_pages: linuxFaultAround };
  const program =
    assembled.get(cpus) ?? kernelProgram(resolveSlots("deferred", {}), { cpus, radixBits: 9, tunables });
  assembled.set(cpus, program);
  return program;
}

function chargesOf(program: Program): Charges {
  const { prices, topology } = machine;
  return {
    ...{ prices, works: workPrices(machine, program.works), perCore: topology.threadsPerCore },
    perCcx: topology.threadsPerCore * topology.coresPerCcx,
    perSocket: topology.threadsPerCore * topology.coresPerSocket,
  };
}

/**
 * Linux as it is today (policy `deferred`, faults that map the pages around), on CPUs that do what they are told.
 *
 * A program goes on as time goes on (`until`), and as far as somebody waits for it. All times are in microseconds of the
 * recording; a step takes what it costs on skylake-sp.
 */
export class EnactStage {
  readonly #machine: EngineMachine;
  readonly #world: World;
  readonly #observer: StageObserver;
  readonly #current: number[];
  readonly #counters: FlushCounters;
  /** CPUs in the kernel, and until when each has got. */
  readonly #live = new Set<number>();
  readonly #times: Float64Array;
  #now = 0;

  constructor(size: StageSize, observer: StageObserver) {
    const program = kernelFor(size.cpus);
    this.#machine = new EngineMachine(program, configOf(size), "release", chargesOf(program), {
      ...{ canonical: false, ring: 2, lines: 64 },
      ranges: size.mms > 256 ? 4096 : 65_530,
      cache: 2 ** Math.ceil(Math.log2(2 * size.frames)),
    });
    this.#world = this.#machine.world;
    this.#observer = observer;
    this.#current = Array.from({ length: size.cpus }, () => Number(IDLE_TASK));
    this.#counters = new FlushCounters(this.#world);
    this.#times = new Float64Array(size.cpus);
  }

  /** The task that a CPU runs. */
  current(cpu: number): number {
    return this.#current[cpu]!;
  }

  get violations(): Violation[] {
    return readViolations(this.#world);
  }

  /** Declares that a task that nobody forks runs in an address space. */
  place(task: number, mm: number): void {
    const { u64 } = this.#world;
    u64[this.#world.fieldAddress("task", "mm", task) / 8] = BigInt(mm);
    const users = this.#world.fieldAddress("mm", "mm_users", mm) / 8;
    u64[users] = u64[users]! + 1n;
  }

  /** It is `time`: what has begun before has got as far as it gets by then. */
  until(time: number): void {
    while (this.#live.size > 0 && this.#goOn(time));
    this.#now = time;
  }

  /** Begins a program on a CPU that has finished what it was at. */
  begin(cpu: number, entry: string, args: readonly (number | bigint)[]): void {
    this.finish(cpu);
    this.#machine.start(cpu, entry, args);
    this.#times[cpu] = this.#now;
    this.#live.add(cpu);
  }

  /** Lets all CPUs go on until this one is back in user mode. Throws: EngineAbort when that does not happen. */
  finish(cpu: number): void {
    for (let steps = 0; this.#live.has(cpu); steps++) {
      if (!this.#goOn(Number.POSITIVE_INFINITY) || steps > STEPS_MOST)
        throw new EngineAbort(`CPU ${cpu} does not come back from the kernel`);
    }
  }

  switchTo(cpu: number, task: number): void {
    if (this.#current[cpu] === task) return;
    this.begin(cpu, "context_switch", [task]);
    this.finish(cpu);
    this.#machine.setTask(cpu, task);
    this.#current[cpu] = task;
  }

  /** A user access, without the fault that it may need: whether it does, and whether an entry was there. */
  access(cpu: number, vpn: number, kind: AccessKind): { faults: number; isPresent: boolean } | "ok" {
    this.finish(cpu);
    const outcome = this.#machine.access(cpu, vpn, kind);
    if (outcome === "ok") return outcome;
    return { faults: outcome.fault, isPresent: (outcome.fault & FAULT_PRESENT) !== 0 };
  }

  /** One step of the CPU that is behind the others and can make one, if it begins before `end`. False when there is none. */
  #goOn(end: number): boolean {
    const waiting: number[] = [];
    while (waiting.length < this.#live.size) {
      const cpu = this.#lastOf(waiting);
      if (this.#times[cpu]! >= end) return false;
      if (this.#step(cpu)) {
        // Whoever waits has waited until now.
        for (const each of waiting) this.#times[each] = Math.max(this.#times[each]!, this.#times[cpu]!);
        return true;
      }
      waiting.push(cpu);
    }
    return this.#interrupt();
  }

  /** The CPU in the kernel that has got the least far, but for these. */
  #lastOf(others: readonly number[]): number {
    let last = -1;
    for (const cpu of this.#live) {
      if (!others.includes(cpu) && (last < 0 || this.#times[cpu]! < this.#times[last]!)) last = cpu;
    }
    return last;
  }

  #step(cpu: number): boolean {
    const context = this.#machine.running(cpu);
    const pc = this.#machine.pc(cpu);
    const cycles = this.#machine.tryStep(cpu);
    if (cycles === undefined) return false;
    this.#times[cpu]! += cycles / cyclesPerMicrosecond;
    const asked = this.#counters.askedBy(cpu, pc);
    if (asked !== undefined) this.#observer.asked(cpu, asked);
    const pages = this.#counters.flushedBy(cpu);
    if (pages !== undefined) this.#observer.flushed(cpu, context === "interrupt", pages);
    if (this.#machine.running(cpu) === null) this.#live.delete(cpu);
    return true;
  }

  /** Everybody waits: pending interrupts are taken. */
  #interrupt(): boolean {
    let any = false;
    for (let cpu = 0; cpu < this.#current.length; cpu++) {
      if (!this.#machine.deliver(cpu)) continue;
      any = true;
      if (!this.#live.has(cpu)) this.#times[cpu] = this.#now;
      this.#live.add(cpu);
      this.#observer.interrupted(cpu);
    }
    return any;
  }
}
