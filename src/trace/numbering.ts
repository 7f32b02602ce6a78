import { InputError } from "./errors.js";

/** Which of the recordings of a run this is; each runs in so many copies. */
export interface TracePlace {
  readonly file: string;
  readonly index: number;
  readonly traces: number;
  /** Copies of every thread: replicas in one address space, times processes with one each. */
  readonly copies: number;
  readonly processes: number;
  /** Distance of the task ids of two threads that follow each other: at least traces times copies. */
  readonly stride: number;
}

/**
 * A distance of task ids at which the threads of each of many processes run on different CPUs, though task t runs on CPU
 * t modulo `cpus`: the least one that has no divisor in common with the number of CPUs.
 */
export function spreadStride(least: number, cpus: number): number {
  let stride = least;
  while (divisor(stride, cpus) > 1) stride++;
  return stride;
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
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
    const { index, copies, stride } = this.#place;
    const task = thread * stride + index * copies;
    if (task + copies > this.#tasks) throw this.#tooMany("threads", this.#tasks);
    return task;
  }

  /** Address space of the first copy of a process; those of the others follow. Throws: InputError beyond the limit. */
  mm(process: number): number {
    const { index, traces, processes } = this.#place;
    const mm = (process * traces + index) * processes;
    if (mm + processes > this.#mms) throw this.#tooMany("processes", this.#mms);
    return mm;
  }

  #tooMany(noun: string, limit: number): InputError {
    const { file, stride } = this.#place;
    return new InputError({ file }, `at most ${Math.floor(limit / stride)} ${noun}`, "more of them");
  }
}
