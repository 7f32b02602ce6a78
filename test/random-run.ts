/**
 * Random schedules of the kernel's programs: any CPU may step, take an interrupt, let a store go, walk speculatively or start something
 * new at any moment.
 */

import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { IDLE_TASK } from "../src/reference/state.js";
import { Stage, type StageOptions } from "./kernel-stage.js";

export const CPUS = 3;
const PAGES = 16;
export const MMS = 12;
const TASKS = 24;
/** Actions after which a run that only lets tasks exit is taken for stuck. */
const DRAIN_LIMIT = 200_000;
const MAPPINGS = [
  0b111n,
  0b111n,
  0b111n,
  0b1111n,
  0b011n,
  0b1_0111n | (3n << 8n),
  0b11_0111n | (2n << 8n),
  0b10_0111n | (1n << 8n),
];
/** Which calls tasks make, each as often as it stands there, and how long. */
export interface Mix {
  readonly calls: readonly string[];
  readonly actions: number;
  /** Of 100 things that a task does, so many are accesses. */
  readonly accesses: number;
}

export const EVERYTHING: Mix = {
  calls: [
    "mmap",
    "mmap",
    "munmap",
    "mprotect",
    "mprotect",
    "madvise",
    "madvise",
    "brk",
    "mremap",
    "msync",
    "fork",
    "exec",
    "exit",
  ],
  actions: 5000,
  accesses: 70,
};

/** Most pages stay mapped, and go to swap and come back. */
export const MEMORY_IS_SHORT: Mix = {
  calls: [
    ...["mprotect", "mprotect", "munmap", "mmap", "mmap", "mmap", "mmap", "fork", "mremap"],
    ...Array.from({ length: 8 }, () => "madvise"),
    ...Array.from({ length: 8 }, () => "reclaim"),
  ],
  actions: 60_000,
  accesses: 88,
};
/** MADV_DONTNEED, MADV_FREE, MADV_COLD, MADV_PAGEOUT; MADV_HUGEPAGE, MADV_NOHUGEPAGE and MADV_COLLAPSE. */
const ADVICE = [4, 4, 8, 20, 21, 21, 14, 15, 25];
/** Small limits, so that they are reached. */
export const TUNABLES = {
  tlb_single_page_flush_ceiling: 3,
  MMU_GATHER_BUNDLE: 3,
  MAX_GATHER_BATCH: 3,
  MAX_GATHER_BATCH_COUNT: 1,
  MAX_TABLE_BATCH: 2,
  FOLIO_BATCH_SIZE: 2,
  TLB_FLUSH_BATCH_PENDING_BITS: 3,
};

export const CONFIG = { radixBits: 1, tables: 160, frames: 200, mms: MMS, tasks: TASKS };

export class RandomRun {
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

  readonly #mix: Mix;

  constructor(options: StageOptions, seed: number, mix = EVERYTHING) {
    this.#mix = mix;
    this.stage = new Stage({ cpus: CPUS, ...options });
    this.#random = xoroshiro128plus(seed);
    for (const mm of [0, 0, 0, 1, 1]) {
      this.stage.task(this.#nextTask, mm);
      this.#home.set(this.#nextTask, this.#nextTask % CPUS);
      this.#nextTask++;
    }
  }

  run(): void {
    for (let action = 0; action < this.#mix.actions; action++) this.#act();
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
    else if (dice < this.#mix.accesses) this.#access(cpu);
    else if (dice < this.#mix.accesses + 6 && other !== task) this.#switch(cpu, other);
    else this.#call(cpu, task, this.#mix.calls[this.#below(this.#mix.calls.length)]!);
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
    else if (entry === "munmap" || entry === "msync") this.#begin(cpu, entry, [start, end]);
    else if (entry === "mprotect") this.#begin(cpu, entry, [start, end, this.#below(8)]);
    else if (entry === "madvise") this.#begin(cpu, entry, [start, end, ADVICE[this.#below(ADVICE.length)]!]);
    else if (entry === "brk") this.#begin(cpu, entry, this.#below(2) === 0 ? [start, end] : [end, start]);
    else if (entry === "mremap") this.#move(cpu);
    else if (entry === "reclaim") this.#begin(cpu, entry, this.#frames());
    else if (entry === "fork") this.#fork(cpu);
    else if (entry === "exec" && seldom) this.#begin(cpu, entry, []);
    else if (entry === "exit" && seldom) this.#exit(cpu, task);
  }

  /** To a place that the old one does not overlap, or longer or shorter where it is. */
  #move(cpu: number): void {
    const [start, newStart] = [this.#below(PAGES - 4), this.#below(PAGES - 4)];
    const [pages, newPages] = [1 + this.#below(4), 1 + this.#below(4)];
    const isApart = newStart >= start + pages || start >= newStart + newPages;
    this.#begin(cpu, "mremap", [start, pages, isApart ? newStart : start, newPages]);
  }

  /** A range of frame numbers. */
  #frames(): [start: number, end: number] {
    const start = 1 + this.#below(CONFIG.frames - 1);
    return [start, start + 1 + this.#below(Math.min(40, CONFIG.frames - start))];
  }

  #fork(cpu: number): void {
    if (this.#nextMm === MMS || this.#nextTask === TASKS) return;
    const child = this.#nextTask++;
    const home = this.#below(CPUS);
    this.#begin(cpu, "fork", [this.#nextMm++, child], () => void this.#home.set(child, home));
  }
}
