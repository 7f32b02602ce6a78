import { UsageError } from "../errors.js";
import type { Feed, FeedSink, Workload } from "./feed.js";
import type { Plan } from "./plan.js";
import { barriersOf } from "./plan-barrier.js";
import { Layout } from "./plan-layout.js";
import { PlanThread, type Stage, type Steps } from "./plan-thread.js";
import type { Thread } from "./plan-threads.js";
import { randomFor, randomsOf } from "./random.js";
import { StreamTables } from "./stream-tables.js";

/** A plan as a workload. The seed decides what its streams and its `spread` draw. */
export class PlanWorkload implements Workload {
  readonly name: string;
  readonly tasks: number;
  readonly mms: number;
  readonly starters: Workload["starters"];
  readonly pages: number;
  readonly #layout: Layout;
  readonly #ghz: number;

  /**
   * `ghz` is the clock of the machine, for times in seconds. Throws: UsageError for a plan that does not fit.
   */
  constructor(plan: Plan, cpus: number, ghz: number) {
    this.#layout = new Layout(plan, cpus);
    const { threads, pages } = this.#layout;
    this.name = plan.name;
    this.tasks = threads.tasks;
    this.mms = threads.mms;
    this.starters = threads.starters.map(({ task, process: { mm } }) => ({ task, mm }));
    this.pages = pages;
    this.#ghz = ghz;
  }

  open(seed: number): Feed {
    return new PlanFeed(this.#layout, this.#ghz, seed);
  }
}

/** Draws for the kinds of accesses: apart from the keys of the streams' tables, which are numbers of elements. */
const kindsKey = 2 ** 30;

interface Running {
  readonly pen: PlanThread;
  readonly life: Steps;
  /** How many records it had when it had ended. */
  end?: number;
}

class PlanFeed implements Feed {
  readonly #running = new Map<Thread, Running>();
  readonly #byTask = new Map<number, Running>();
  /** How many records the first thread of a process had when all regions of the process were mapped. */
  readonly #mapped = new Map<Thread, number>();
  /** Whether some ring was full since a task was last asked for: then somebody can go on later. */
  #sawFull = false;
  /** Threads that are being let write just now. */
  readonly #above = new Set<Thread>();
  readonly #progress = { moves: 0 };

  constructor(layout: Layout, ghz: number, seed: number) {
    const nextRandom = randomsOf(seed);
    const tables = new StreamTables(seed);
    const progress = this.#progress;
    const endOf: Stage["endOf"] = (thread) => this.#running.get(thread)!.end;
    const barriers = new Map(
      [...new Set(layout.threads.all.map(({ process }) => process))].map((process) => [
        process,
        barriersOf(process),
      ]),
    );
    for (const thread of layout.threads.all) {
      const stage = { layout, tables, ghz, endOf, progress, barriers: barriers.get(thread.process)! };
      const pen = new PlanThread(thread, stage, nextRandom(), randomFor(seed, kindsKey + thread.task));
      const running = { pen, life: this.#life(pen) };
      this.#running.set(thread, running);
      this.#byTask.set(thread.task, running);
    }
  }

  /** Throws: UsageError when threads wait for each other for ever. */
  refill(task: number, sink: FeedSink): void {
    this.#sawFull = false;
    const running = this.#byTask.get(task)!;
    const before = this.#progress.moves;
    const what = this.#advance(running, sink);
    if (what === undefined || this.#sawFull || this.#progress.moves > before) return;
    const { group } = running.pen.thread;
    throw new UsageError(`threads '${group.name}' wait at ${what} for threads that never come there`);
  }

  *#life(pen: PlanThread): Steps {
    const { thread } = pen;
    const { mm, parent, threads } = thread.process;
    // A kernel thread has no memory, and leaves none.
    if (mm === undefined) return yield* pen.steps(thread.group.steps);
    // A forked thread finds the regions of its process where its parent has them.
    if (parent === undefined) yield* this.#mapFirst(pen, threads[0]!);
    yield* pen.begin("thread");
    yield* pen.steps(thread.group.steps);
    yield* pen.exit();
  }

  /** The first thread of a process maps its regions, and the others wait for that. */
  *#mapFirst(pen: PlanThread, first: Thread): Steps {
    const { thread } = pen;
    if (thread === first) {
      yield* pen.begin("process");
      this.#mapped.set(first, pen.sink.position(first.task));
      return;
    }
    for (;;) {
      const position = this.#mapped.get(first);
      if (position !== undefined) return yield* pen.waitFor(first, position);
      yield { needs: [first], what: "the first mappings" };
    }
  }

  /** Lets a thread write until its ring is full, or until it waits for threads that cannot go on either: says at what. */
  #advance(running: Running, sink: FeedSink): string | undefined {
    const { pen, life } = running;
    const { task } = pen.thread;
    pen.sink = sink;
    this.#above.add(pen.thread);
    let what: string | undefined;
    for (let isStuck = false; !isStuck && running.end === undefined; ) {
      const { done, value: pause } = life.next();
      if (done === true) {
        running.end = sink.position(task);
        sink.end(task);
        this.#progress.moves++;
      } else if (pause === undefined) {
        this.#sawFull = true;
        break;
      } else {
        const before = this.#progress.moves;
        this.#advanceAll(pause.needs, sink);
        isStuck = this.#progress.moves === before;
        what = pause.what;
      }
    }
    this.#above.delete(pen.thread);
    return running.end === undefined ? what : undefined;
  }

  #advanceAll(threads: readonly Thread[], sink: FeedSink): void {
    for (const thread of threads) {
      const running = this.#running.get(thread)!;
      if (!this.#above.has(thread) && running.end === undefined) this.#advance(running, sink);
    }
  }
}
