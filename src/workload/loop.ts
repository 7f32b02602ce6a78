import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";
import {
  type AccessKind,
  type Feed,
  type FeedSink,
  LOAD,
  pageBytes,
  recordsOf,
  STORE,
  type Workload,
} from "./feed.js";
import { PROT_READ, PROT_WRITE, privateWord } from "./vma-word.js";

/** The array that all threads read. */
const sharedPage = 0x6000_0000_0000 / pageBytes;
/** Each thread has an area of 1 GiB: its stack, and behind it the memory that its loop is about. */
const firstArea = 0x7000_0000_0000 / pageBytes;
const areaPages = 2 ** 30 / pageBytes;
const stackPages = 4;
export const ownPagesMax = areaPages - stackPages;
const readWrite = privateWord(PROT_READ | PROT_WRITE);

type Random = ReturnType<typeof xoroshiro128plusFromState>;

/** What a thread does, as far as its ring has room: it stops at each yield until there is room again. */
export type Steps = Generator<undefined, void>;

/** Threads of one process that each run a loop, and how much memory they touch. */
export interface Loop {
  readonly name: string;
  readonly threads: number;
  /** Pages of the array that all threads read. */
  readonly sharedPages: number;
  /** Pages of each thread's own memory. */
  readonly ownPages: number;
  /** Everything that a thread does, but its exit. */
  readonly thread: (pen: Pen) => Steps;
}

/** Writes the records of one thread. */
export class Pen {
  readonly task: number;
  /** First page of the thread's own memory. */
  readonly ownPage: number;
  sink!: FeedSink;
  readonly #sharedPages: number;
  readonly #random: Random;
  #room = 0;

  constructor(task: number, sharedPages: number, random: Random) {
    this.task = task;
    this.ownPage = firstArea + task * areaPages + stackPages;
    this.#sharedPages = sharedPages;
    this.#random = random;
  }

  /** Where the loop's thread keeps its locals: mapped for as long as it runs. */
  get stackPage(): number {
    return this.ownPage - stackPages;
  }

  *access(page: number, kind: AccessKind): Steps {
    while (!this.#fits(recordsOf.access)) yield;
    this.sink.access(this.task, page * pageBytes, kind);
  }

  /** One access to each of `count` pages, in order. */
  *sweep(page: number, count: number, kind: AccessKind): Steps {
    for (let index = 0; index < count; index++) {
      while (!this.#fits(recordsOf.access)) yield;
      this.sink.access(this.task, (page + index) * pageBytes, kind);
    }
  }

  /** Loads from pages of the shared array, chosen at random. */
  *readShared(count: number): Steps {
    const last = this.#sharedPages - 1;
    for (let index = 0; index < count; index++) {
      while (!this.#fits(recordsOf.access)) yield;
      const page = sharedPage + uniformInt(this.#random, 0, last);
      this.sink.access(this.task, page * pageBytes, LOAD);
    }
  }

  /** About `cycles` of user work: half to one and a half of it, at random. */
  *compute(cycles: number): Steps {
    while (!this.#fits(recordsOf.compute)) yield;
    const half = Math.floor(cycles / 2);
    this.sink.compute(this.task, uniformInt(this.#random, cycles - half, cycles + half));
  }

  *call(entry: string, args: readonly (number | bigint)[]): Steps {
    while (!this.#fits(recordsOf.call)) yield;
    this.sink.call(this.task, entry, args);
  }

  *waitCalls(rank: number): Steps {
    while (!this.#fits(recordsOf.waitCalls)) yield;
    this.sink.waitCalls(this.task, rank);
  }

  /** Takes the room for some records, if there is that much. */
  #fits(records: number): boolean {
    if (this.#room < records) this.#room = this.sink.room(this.task);
    if (this.#room < records) return false;
    this.#room -= records;
    return true;
  }
}

/** A loop as a workload. The seed chooses the shared pages that are read and how long the computing takes. */
export class LoopWorkload implements Workload {
  readonly name: string;
  readonly tasks: number;
  readonly mms = 1;
  readonly starters: readonly { readonly task: number; readonly mm: number }[];
  readonly pages: number;
  readonly #loop: Loop;

  constructor(loop: Loop) {
    this.name = loop.name;
    this.tasks = loop.threads;
    this.starters = Array.from({ length: loop.threads }, (_, task) => ({ task, mm: 0 }));
    this.pages = loop.sharedPages + loop.threads * (stackPages + loop.ownPages);
    this.#loop = loop;
  }

  open(seed: number): Feed {
    return new LoopFeed(this.#loop, seed);
  }
}

class LoopFeed implements Feed {
  readonly #loop: Loop;
  readonly #pens: Pen[] = [];
  readonly #steps: Steps[] = [];
  #isMapped = false;

  constructor(loop: Loop, seed: number) {
    this.#loop = loop;
    // A generator of its own for each thread, far apart in one sequence: the order of refills does not matter.
    const [high, low] = [Math.floor(seed / 2 ** 32) | 0, seed | 0];
    const random = xoroshiro128plusFromState([-1, ~low, low, high]);
    for (let task = 0; task < loop.threads; task++) {
      random.jump();
      const pen = new Pen(task, loop.sharedPages, random.clone());
      this.#pens.push(pen);
      this.#steps.push(life(pen, loop));
    }
  }

  refill(task: number, sink: FeedSink): void {
    if (!this.#isMapped) {
      // The shared array is there before anything else: call 0, which the other threads wait for.
      this.#isMapped = true;
      sink.call(0, "image", [sharedPage, sharedPage + this.#loop.sharedPages, readWrite]);
    }
    const pen = this.#pens[task]!;
    pen.sink = sink;
    if (this.#steps[task]!.next().done === true) sink.end(task);
  }
}

function* life(pen: Pen, loop: Loop): Steps {
  if (pen.task !== 0) yield* pen.waitCalls(1);
  yield* pen.call("image", [pen.stackPage, pen.stackPage + stackPages, readWrite]);
  yield* loop.thread(pen);
  yield* pen.call("exit", []);
}

/** What threads do beside the calls that a loop is about: they use their stack, read and compute. */
export function* userWork(pen: Pen, reads: number, cycles: number): Steps {
  yield* pen.access(pen.stackPage, STORE);
  yield* pen.readShared(reads);
  yield* pen.compute(cycles);
}
