import { EnactCpus } from "./enact-cpus.js";
import type { Item } from "./enact-items.js";
import { EnactStage, type StageSize } from "./enact-stage.js";
import type { Violation } from "./result.js";

/** The simulated kernel on the CPUs of a recording, and what each of its flushes is for. */
export class EnactKernel {
  readonly stage: EnactStage;
  readonly cpus: EnactCpus;
  /** Flushes in interrupt handlers, and interrupts that were taken, both while a recorded task ran. */
  readonly counts = { remoteShootdowns: 0, interrupts: 0 };
  /** What the program on each CPU is run for. */
  readonly #purpose: (Item | undefined)[] = [];
  /** What happens puts right what was taken for granted, and counts for nothing. */
  #isCorrecting = false;

  constructor(size: StageSize) {
    const { cpus, tasks, mms } = size;
    this.stage = new EnactStage(
      { ...size, tasks: tasks + cpus, mms: mms + cpus },
      {
        asked: (cpu, pages) => this.#told(cpu, pages, true),
        flushed: (cpu, inHandler, pages) => {
          if (!inHandler) this.#told(cpu, pages, false);
          else if (!this.#isCorrecting) this.counts.remoteShootdowns++;
        },
        interrupted: (cpu) => {
          if (!this.#isCorrecting && this.cpus.isRecorded(cpu)) this.counts.interrupts++;
        },
      },
    );
    for (let cpu = 0; cpu < cpus; cpu++) this.stage.place(tasks + cpu, mms + cpu);
    this.cpus = new EnactCpus(this.stage, tasks);
  }

  get violations(): Violation[] {
    return this.stage.violations;
  }

  /** What begins on this CPU from now on is for this item; what has begun is finished. */
  for(cpu: number, item: Item | undefined): void {
    this.stage.finish(cpu);
    this.#purpose[cpu] = item;
  }

  purpose(cpu: number): Item | undefined {
    return this.#purpose[cpu];
  }

  /** Runs a program to its end. */
  run(cpu: number, entry: string, args: readonly number[]): void {
    this.stage.begin(cpu, entry, args);
    this.stage.finish(cpu);
  }

  /** The same, to make the state what the recording says that it was. */
  correct(cpu: number, entry: string, args: readonly number[]): void {
    this.stage.finish(cpu);
    this.#isCorrecting = true;
    this.run(cpu, entry, args);
    this.#isCorrecting = false;
  }

  #told(cpu: number, pages: number, isAsked: boolean): void {
    if (!this.#isCorrecting) this.#purpose[cpu]?.predictedFlush(pages, isAsked);
  }
}
