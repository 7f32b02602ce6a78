import { InputError } from "./errors.js";

/** Which of the files of a run, and how many copies of each run. */
export interface FilePlace {
  readonly file: string;
  readonly index: number;
  readonly files: number;
  readonly copies: number;
}

/**
 * Task and mm ids of one file's threads and processes.
 *
 * Files and copies are interleaved, so that the ids, and with them the CPUs, depend on nothing but the recording: not on
 * which file is read ahead of which.
 */
export class Numbering {
  readonly #place: FilePlace;
  readonly #tasks: number;
  readonly #mms: number;

  constructor(place: FilePlace, tasks: number, mms: number) {
    this.#place = place;
    this.#tasks = tasks;
    this.#mms = mms;
  }

  /** Task of the first copy of a thread; those of the others follow. Throws: InputError beyond the limit. */
  task(thread: number): number {
    const { index, files, copies } = this.#place;
    const task = (thread * files + index) * copies;
    if (task + copies > this.#tasks) throw this.#tooMany("threads", this.#tasks);
    return task;
  }

  /** Throws: InputError beyond the limit. */
  mm(process: number): number {
    const { index, files } = this.#place;
    const mm = process * files + index;
    if (mm >= this.#mms) throw this.#tooMany("processes", this.#mms);
    return mm;
  }

  #tooMany(noun: string, limit: number): InputError {
    const { file, files, copies } = this.#place;
    return new InputError({ file }, `at most ${Math.floor(limit / files / copies)} ${noun}`, "more of them");
  }
}
