/**
 * The safe policies under random schedules: any CPU may step, take an interrupt, let a store go, walk speculatively or
 * start something new at any moment. Nobody may use what they should not, and nothing may be left behind.
 */

import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { describe, expect, test } from "vitest";
import { IDLE_TASK } from "../src/reference/state.js";
import { Stage, type StageOptions } from "./kernel-stage.js";

const CPUS = 3;
const PAGES = 16;
const MMS = 12;
const TASKS = 24;
const ACTIONS = 5000;
/** Actions after which a run that only lets tasks exit is taken for stuck. */
const DRAIN_LIMIT = 200_000;
const MAPPINGS = [
  0b111n,
  0b1111n,
  0b011n,
  0b1_0111n | (3n << 8n),
  0b11_0111n | (2n << 8n),
  0b10_0111n | (1n << 8n),
];
const CALLS = [
  "mmap",
  "mmap",
  "munmap",
  "mprotect",
  "mprotect",
  "madvise",
  "madvise",
  "brk",
  "fork",
  "exec",
  "exit",
];
/** Small limits, so that they are reached. */
const TUNABLES = {
  tlb_single_page_flush_ceiling: 3,
  MMU_GATHER_BUNDLE: 3,
  MAX_GATHER_BATCH: 3,
  MAX_GATHER_BATCH_COUNT: 1,
  MAX_TABLE_BATCH: 2,
};

class RandomRun {
  readonly stage: Stage;
  readonly #random: ReturnType<typeof xoroshiro128plus>;
  readonly #current = new Array<number>(CPUS).fill(IDLE_TASK);
  /** Where each living task runs. */
  readonly #home = new Map<number, number>();
  /** What happens when the program that a CPU runs has ended. */
  readonly #then = new Array<(() => void) | undefined>(CPUS).fill(undefined);
  #nextMm = 2;
  #nextTask = 0;
  #draining = false;

  constructor(options: StageOptions, seed: number) {
    this.stage = new Stage({ cpus: CPUS, ...options });
    this.#random = xoroshiro128plus(seed);
    for (const mm of [0, 0, 0, 1, 1]) {
      this.stage.task(this.#nextTask, mm);
      this.#home.set(this.#nextTask, this.#nextTask % CPUS);
      this.#nextTask++;
    }
  }

  run(): void {
    for (let action = 0; action < ACTIONS; action++) this.#act();
    this.#draining = true;
    for (let action = 0; !this.#isOver(); action++) {
      if (action > DRAIN_LIMIT) throw new Error("the tasks do not come to their end");
      this.#act();
    }
  }

  /** 0..limit-1 */
  #below(limit: number): number {
    return uniformInt(this.#random, 0, limit - 1);
  }

  #isOver(): boolean {
    const { machine } = this.stage;
    const isBusy = (task: number, cpu: number): boolean =>
      task !== IDLE_TASK || machine.next(cpu) !== undefined;
    return (
      this.#home.size === 0 && !this.#current.some(isBusy) && this.#then.every((then) => then === undefined)
    );
  }

  #act(): void {
    const { machine } = this.stage;
    const cpu = this.#below(CPUS);
    const dice = this.#below(100);
    if (dice < 12) return void machine.deliver(cpu);
    if (dice < 20) return void machine.drain(cpu, this.#below(3));
    if (dice < 23) return void machine.speculate(cpu, this.#below(PAGES));
    if (dice < 25) return void machine.evict(cpu, this.#below(PAGES));
    if (machine.next(cpu) !== undefined) return void machine.step(cpu);
    const then = this.#then[cpu];
    this.#then[cpu] = undefined;
    if (then === undefined) this.#inUserMode(cpu);
    else then();
  }

  #begin(cpu: number, entry: string, args: readonly (number | bigint)[], then = (): void => {}): void {
    this.stage.start(cpu, entry, ...args);
    this.#then[cpu] = then;
  }

  #switch(cpu: number, task: number): void {
    this.#begin(cpu, "context_switch", [task], () => {
      this.stage.machine.setTask(cpu, task);
      this.#current[cpu] = task;
    });
  }

  #inUserMode(cpu: number): void {
    const task = this.#current[cpu]!;
    const mine = [...this.#home].filter(([, home]) => home === cpu).map(([one]) => one);
    const other = mine.length === 0 || this.#below(3) === 0 ? IDLE_TASK : mine[this.#below(mine.length)]!;
    if (!this.#home.has(task)) {
      if (task !== IDLE_TASK || other !== IDLE_TASK) this.#switch(cpu, other);
      return;
    }
    const dice = this.#below(100);
    if (this.#draining) this.#exit(cpu, task);
    else if (dice < 70) this.#access(cpu);
    else if (dice < 76 && other !== task) this.#switch(cpu, other);
    else this.#call(cpu, task, CALLS[this.#below(CALLS.length)]!);
  }

  #access(cpu: number): void {
    const vpn = this.#below(PAGES);
    const kind = this.#below(2) as 0 | 1;
    const outcome = this.stage.machine.access(cpu, vpn, kind);
    if (outcome !== "ok") this.#begin(cpu, "page_fault", [vpn, outcome.fault]);
  }

  #exit(cpu: number, task: number): void {
    this.#home.delete(task);
    this.#begin(cpu, "exit", []);
  }

  #call(cpu: number, task: number, entry: string): void {
    const start = this.#below(PAGES);
    const end = start + 1 + this.#below(PAGES - start);
    const seldom = this.#below(6) === 0;
    if (entry === "mmap") this.#begin(cpu, entry, [start, end, MAPPINGS[this.#below(MAPPINGS.length)]!]);
    else if (entry === "munmap") this.#begin(cpu, entry, [start, end]);
    else if (entry === "mprotect") this.#begin(cpu, entry, [start, end, this.#below(8)]);
    else if (entry === "madvise") this.#begin(cpu, entry, [start, end, this.#below(3) === 0 ? 8 : 4]);
    else if (entry === "brk") this.#begin(cpu, entry, this.#below(2) === 0 ? [start, end] : [end, start]);
    else if (entry === "fork") this.#fork(cpu);
    else if (entry === "exec" && seldom) this.#begin(cpu, entry, []);
    else if (entry === "exit" && seldom) this.#exit(cpu, task);
  }

  #fork(cpu: number): void {
    if (this.#nextMm === MMS || this.#nextTask === TASKS) return;
    const child = this.#nextTask++;
    const home = this.#below(CPUS);
    this.#begin(cpu, "fork", [this.#nextMm++, child], () => void this.#home.set(child, home));
  }
}

const SEEDS = [1, 2, 3, 4];
const CONFIG = { radixBits: 1, tables: 160, frames: 200, mms: MMS, tasks: TASKS };
const runs = (["tso", "weak"] as const).flatMap((model) => SEEDS.map((seed) => [model, seed] as const));

describe.each(["deferred", "eager", "coherent"])("policy %s", (policy) => {
  const { program } = new Stage({ policy, cpus: CPUS, tunables: TUNABLES, config: CONFIG });

  test.each(runs)("%s, seed %i", (model, seed) => {
    const run = new RandomRun({ program, config: { ...CONFIG, model } }, seed);
    run.run();
    expect(run.stage.violations()).toEqual([]);
    expect(run.stage.leaks()).toEqual({ frames: 0, tables: 0 });
    for (let mm = 0; mm < MMS; mm++) expect(run.stage.field("mm", mm, "tlb_flush_pending")).toBe(0n);
  });
});
