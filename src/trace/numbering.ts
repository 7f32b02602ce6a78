import { InputError } from "./errors.js";

/** Which of the recordings of a run this is; each runs in so many copies. */
export interface TracePlace {
  readonly file: string;
  readonly index: number;
  readonly traces: number;
  readonly copies: number;
}

/**
 * Task and mm ids of one recording's threads and processes.
 *
 * Recordings and copies are interleaved, so that the ids, and with them the CPUs, depend on nothing but the recordings:
 * not on which one is read ahead of which.
 */
export class Numbering {
  readonly #place: TracePlace;
  readonly #tasks: number;
  readonly #mms: number;

  constructor(place: TracePlace, tasks: number, mms: number) {
    this.#place = place;
    this.#tasks = tasks;
    this.#mms = mms;
  }

  /** Task of the first copy of a thread; those of the others follow. Throws: InputError beyond the limit. */
  task(thread: number): number {
    const { index, traces, copies } = this.#place;
    const task = (thread * traces + index) * copies;
    if (task + copies > this.#tasks) throw this.#tooMany("threads", this.#tasks);
    return task;
  }

  /** Throws: InputError beyond the limit. */
  mm(process: number): number {
    const { index, traces } = this.#place;
    const mm = process * traces + index;
    if (mm >= this.#mms) throw this.#tooMany("processes", this.#mms);
    return mm;
  }

  #tooMany(noun: string, limit: number): InputError {
    const { file, traces, copies } = this.#place;
    return new InputError({ file }, `at most ${Math.floor(limit / traces / copies)} ${noun}`, "more of them");
  }
}
