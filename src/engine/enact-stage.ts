/** The engine under a schedule that somebody has recorded: programs begin where they are told, and flushes are told as they happen. */
import type { Program } from "../dsl/program.js";
import { kernelProgram } from "../kernel/program.js";
import { IDLE_TASK } from "../kernel/task.js";
import { resolveSlots } from "../policy/policies.js";
import type { AccessKind, MachineConfig } from "../reference/state.js";
import { EngineAbort } from "./load.js";
import { EngineMachine } from "./machine.js";
import type { Violation } from "./result.js";
import { readViolations } from "./violations.js";
import type { World } from "./world.js";

export interface StageSize {
  readonly cpus: number;
  readonly tasks: number;
  readonly mms: number;
  readonly frames: number;
}

/** Pages of a flush that leaves nothing, as the kernel's tlb_flush prints it. */
export const FULL = -1;

/** What happens on a CPU. `inHandler`: for another CPU, by its interrupt; else for the program that the CPU runs. */
export interface StageObserver {
  flushed(cpu: number, inHandler: boolean, pages: number): void;
  interrupted(cpu: number): void;
}

/** Steps of all CPUs without an end of the program that is waited for: it will not come. */
const STEPS_MOST = 50_000_000;
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
  const tunables = { fault_around_pages: 16 };
  const program =
    assembled.get(cpus) ?? kernelProgram(resolveSlots("deferred", {}), { cpus, radixBits: 9, tunables });
  assembled.set(cpus, program);
  return program;
}

/**
 * Linux as it is today (policy `deferred`, faults that map the pages around), on CPUs that do what they are told.
 *
 * A program that has begun goes on only while somebody is waited for: then all CPUs go on in turn, step by step.
 */
export class EnactStage {
  readonly #machine: EngineMachine;
  readonly #world: World;
  readonly #observer: StageObserver;
  readonly #current: number[];
  readonly #counters: FlushCounters;

  constructor(size: StageSize, observer: StageObserver) {
    this.#machine = new EngineMachine(kernelFor(size.cpus), configOf(size), "release", undefined, {
      ...{ canonical: false, ring: 2, lines: 64 },
      ranges: size.mms > 256 ? 4096 : 65_530,
      cache: 2 ** Math.ceil(Math.log2(2 * size.frames)),
    });
    this.#world = this.#machine.world;
    this.#observer = observer;
    this.#current = Array.from({ length: size.cpus }, () => Number(IDLE_TASK));
    this.#counters = new FlushCounters(this.#world);
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

  /** Begins a program on a CPU that has finished what it was at. */
  begin(cpu: number, entry: string, args: readonly (number | bigint)[]): void {
    this.finish(cpu);
    this.#machine.start(cpu, entry, args);
  }

  /** Lets all CPUs go on until this one is back in user mode. Throws: EngineAbort when that does not happen. */
  finish(cpu: number): void {
    const machine = this.#machine;
    for (let steps = 0; machine.running(cpu) !== null; steps++) {
      let moved = false;
      for (let each = 0; each < this.#current.length; each++) if (this.#goOn(each)) moved = true;
      if (!moved || steps > STEPS_MOST)
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

  /** One step of a CPU, and the interrupt that waits for it. */
  #goOn(cpu: number): boolean {
    const machine = this.#machine;
    const delivered = machine.deliver(cpu);
    if (delivered) this.#observer.interrupted(cpu);
    const context = machine.running(cpu);
    if (context === null) return delivered;
    const outcome = machine.step(cpu);
    const pages = this.#counters.flushedBy(cpu);
    if (pages !== undefined) this.#observer.flushed(cpu, context === "interrupt", pages);
    return delivered || outcome !== "disabled";
  }
}

/** What each CPU has counted of its own flushes, looked at after each step. */
class FlushCounters {
  readonly #u64: BigUint64Array;
  readonly #stride: number;
  /** Words of CPU 0's counters: full flushes, ranged ones, and the pages of those. */
  readonly #words: readonly [full: number, ranged: number, pages: number];
  readonly #seen: BigUint64Array;

  constructor(world: World) {
    const base = world.value("stBase") + world.value("ST_COUNTERS");
    const word = (name: string): number => base / 8 + world.program.counters.indexOf(name);
    this.#u64 = world.u64;
    this.#stride = world.value("stStride") / 8;
    this.#words = [word("flushes.full"), word("flushes.ranged"), word("flushes.pages")];
    this.#seen = new BigUint64Array(3 * world.size.cpus);
  }

  /** Pages of the flush that the CPU's last step has completed, FULL for all; undefined if it was none. */
  flushedBy(cpu: number): number | undefined {
    const full = this.#added(cpu, 0);
    const ranged = this.#added(cpu, 1);
    if (full + ranged === 0) return undefined;
    const pages = this.#added(cpu, 2);
    return full > 0 ? FULL : pages;
  }

  #added(cpu: number, which: 0 | 1 | 2): number {
    const now = this.#u64[this.#words[which] + cpu * this.#stride]!;
    const added = Number(now - this.#seen[3 * cpu + which]!);
    this.#seen[3 * cpu + which] = now;
    return added;
  }
}
