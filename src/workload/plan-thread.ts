import { UsageError } from "../errors.js";
import { type FeedSink, kindBits, MODIFY, pageBytes, recordsOf, STORE } from "./feed.js";
import type { Duration, Step } from "./plan.js";
import type { Barrier } from "./plan-barrier.js";
import type { Layout, Place } from "./plan-layout.js";
import type { Thread } from "./plan-threads.js";
import { between, isChosen, type Random, thresholdOf } from "./random.js";
import { openStream, type Stream, type StreamSpec } from "./stream.js";
import type { StreamTables } from "./stream-tables.js";
import { fileWord, privateWord, type VmaWord, watchedForWrites, withHuge } from "./vma-word.js";

type Do<N extends Step["do"]> = Extract<Step, { do: N }>;

/** A thread stops until its ring has room (undefined), or until others have got further. */
export type Pause = undefined | { readonly needs: readonly Thread[]; readonly what: string };
export type Steps = Generator<Pause, void>;

/** What all threads of a pass have in common. */
export interface Stage {
  readonly layout: Layout;
  readonly tables: StreamTables;
  readonly ghz: number;
  /** Of the thread's process. */
  readonly barriers: ReadonlyMap<string, Barrier>;
  /** How many records a thread had when it had ended; undefined before. */
  readonly endOf: (thread: Thread) => number | undefined;
  /** Counts what threads do, so that it shows when nobody does anything. */
  readonly progress: { moves: number };
}

/** A loop without any record would take the host's time and none of the machine's. */
const idleRoundsMax = 1_000_000;

/** Elements are drawn, and written, so many at a time at most. Threads take turns with these. */
const chunk = new Float64Array(1024);
const words = new Uint32Array(2 * chunk.length);

/** Carries out the steps of one thread: it writes records, as far as its ring has room. */
export class PlanThread {
  readonly thread: Thread;
  sink!: FeedSink;
  readonly #stage: Stage;
  readonly #random: Random;
  /** Which accesses are stores is drawn apart, so that it does not matter how the accesses are cut into pieces. */
  readonly #kinds: Random;
  readonly #streams = new Map<Step, { readonly stream: Stream; readonly elements: number }>();
  readonly #places = new Map<string, Place>();
  readonly #parts = new Map<string, Place>();
  /** Pages of the regions that brk moves, by name. */
  readonly #breaks = new Map<string, number>();
  readonly #forked = new Map<string, number>();
  readonly #running: Thread[] = [];

  constructor(thread: Thread, stage: Stage, random: Random, kinds: Random) {
    this.thread = thread;
    this.#stage = stage;
    this.#random = random;
    this.#kinds = kinds;
  }

  /** Maps what is mapped first. */
  *begin(of: "process" | "thread"): Steps {
    for (const place of this.#stage.layout.mappedFirst(this.thread, of))
      yield* this.#call("image", [place.start, place.end, wordOf(place, 0)]);
  }

  *steps(steps: readonly Step[]): Steps {
    for (const step of steps) yield* this.#step(step);
  }

  *exit(): Steps {
    yield* this.#call("exit", []);
  }

  /** Waits until another thread has consumed so many of its records. */
  *waitFor(other: Thread, records: number): Steps {
    while (!this.#fits(recordsOf.waitTask)) yield;
    this.sink.waitTask(this.thread.task, other.task, records);
  }

  *#step(step: Step): Steps {
    switch (step.do) {
      case "access":
        return yield* this.#access(step);
      case "compute":
        return yield* this.#compute(step);
      case "mmap":
        return yield* this.#mmap(step);
      case "mremap": {
        const [from, to] = [this.#place(step.at), this.#place(step.to)];
        const args = [from.start, from.end - from.start, to.start, to.end - to.start];
        return yield* this.#call("mremap", args);
      }
      case "call": {
        const place = step.at === undefined ? undefined : this.#place(step.at);
        return yield* this.#call(step.entry, [...(place ? [place.start, place.end] : []), ...step.args]);
      }
      case "brk":
        return yield* this.#brk(step);
      case "fork":
        return yield* this.#fork(step);
      case "join":
        return yield* this.#join();
      case "barrier":
        return yield* this.#barrier(step);
      case "repeat":
        return yield* this.#repeat(step);
      case "sometimes":
        if (isChosen(this.#random, thresholdOf(step.share))) yield* this.steps(step.steps);
        return;
      case "part":
        return yield* this.#part(step);
    }
  }

  *#repeat({ times, steps }: Do<"repeat">): Steps {
    let idle = 0;
    for (let round = 0; round < times; round++) {
      const before = this.sink.position(this.thread.task);
      yield* this.steps(steps);
      idle = this.sink.position(this.thread.task) === before ? idle + 1 : 0;
      if (idle >= idleRoundsMax)
        throw new UsageError(
          `threads '${this.thread.group.name}' do nothing in ${idleRoundsMax} rounds of a loop`,
        );
    }
  }

  *#access(step: Do<"access">): Steps {
    const { start, end } = this.#place(step.at);
    const elements = Math.max(1, Math.floor(((end - start) * pageBytes) / step.grain));
    const stream = this.#stream(step, step.stream, elements);
    const { grain, kind } = step;
    const [base, stores] = [start * pageBytes, kind === MODIFY ? 0 : thresholdOf(step.stores)];
    const { sink } = this;
    const { task } = this.thread;
    for (let left = step.count ?? elements; left > 0; ) {
      const count = Math.min(left, sink.room(task), chunk.length);
      if (count < 1) {
        yield;
        continue;
      }
      stream.fill(chunk, count);
      for (let index = 0; index < count; index++) {
        const address = base + chunk[index]! * grain;
        words[2 * index] = (address & ~kindBits) | kind;
        words[2 * index + 1] = address / 2 ** 32;
      }
      for (let index = 0; stores > 0 && index < count; index++)
        if (isChosen(this.#kinds, stores)) words[2 * index] = (words[2 * index]! & ~kindBits) | STORE;
      sink.accesses(task, words, count);
      left -= count;
      this.#stage.progress.moves++;
    }
  }

  *#compute({ time, spread }: Do<"compute">): Steps {
    while (!this.#fits(recordsOf.compute)) yield;
    const cycles = cyclesOf(time, this.#stage.ghz);
    const more = Math.floor(cycles * spread);
    const drawn = more === 0 ? cycles : between(this.#random, cycles - more, cycles + more);
    this.sink.compute(this.thread.task, drawn);
  }

  *#mmap(step: Do<"mmap">): Steps {
    const place = this.#place(step.at);
    const { files } = place.region;
    let file = 0;
    if (files !== undefined) {
      this.#stream(step, files.stream, files.count).fill(chunk, 1);
      file = chunk[0]!;
    }
    yield* this.#call("mmap", [place.start, place.end, wordOf(place, file)]);
  }

  *#brk({ at, pages }: Do<"brk">): Steps {
    const { start } = this.#place(at);
    const before = this.#breaks.get(at) ?? 0;
    this.#breaks.set(at, pages);
    if (pages !== before) yield* this.#call("brk", [start + before, start + pages]);
  }

  *#fork({ group }: Do<"fork">): Steps {
    const index = this.#forked.get(group) ?? 0;
    this.#forked.set(group, index + 1);
    const child = this.thread.children.get(group)![index]!;
    yield* this.#call("fork", [child.process.mm!, child.task]);
    while (!this.#fits(recordsOf.start)) yield;
    this.sink.start(this.thread.task, child.task);
    this.#running.push(child);
  }

  *#join(): Steps {
    for (const child of this.#running.splice(0)) {
      let end = this.#stage.endOf(child);
      for (; end === undefined; end = this.#stage.endOf(child))
        yield { needs: [child], what: `the end of threads '${child.group.name}'` };
      yield* this.waitFor(child, end);
    }
  }

  *#barrier({ name }: Do<"barrier">): Steps {
    const barrier = this.#stage.barriers.get(name)!;
    const [first] = barrier.members;
    const round = barrier.arrive(this.thread, this.sink.position(this.thread.task));
    const what = `barrier '${name}'`;
    this.#stage.progress.moves++;
    if (this.thread !== first) {
      while (barrier.round < round) yield { needs: [first!], what };
      return yield* this.waitFor(first!, barrier.openAt);
    }
    while (!barrier.isComplete) yield { needs: barrier.missing, what };
    for (const [index, member] of barrier.members.entries())
      if (member !== first) yield* this.waitFor(member, barrier.positionOf(index));
    barrier.open(this.sink.position(this.thread.task));
  }

  *#part(step: Do<"part">): Steps {
    const whole = this.#place(step.of);
    const parts = Math.ceil((whole.end - whole.start) / step.pages);
    const stream = this.#stream(step, step.stream, parts);
    const hidden = this.#parts.get(step.name);
    for (let left = step.count ?? parts; left > 0; left--) {
      stream.fill(chunk, 1);
      const skipped = chunk[0]! * step.pages;
      const start = whole.start + skipped;
      // The last part may be shorter than the others.
      const end = Math.min(whole.end, start + step.pages);
      this.#parts.set(step.name, { ...whole, start, end, filePage: whole.filePage + skipped });
      yield* this.steps(step.steps);
    }
    if (hidden === undefined) this.#parts.delete(step.name);
    else this.#parts.set(step.name, hidden);
  }

  *#call(entry: string, args: readonly (number | bigint)[]): Steps {
    while (!this.#fits(recordsOf.call)) yield;
    this.sink.call(this.thread.task, entry, args);
  }

  /** The stream of a step goes on where it stopped, unless it is over something of another size now. */
  #stream(step: Step, spec: StreamSpec, elements: number): Stream {
    let open = this.#streams.get(step);
    if (open?.elements !== elements) {
      open = { stream: openStream(spec, elements, this.#random, this.#stage.tables), elements };
      this.#streams.set(step, open);
    }
    return open.stream;
  }

  #place(name: string): Place {
    let place = this.#parts.get(name) ?? this.#places.get(name);
    if (place === undefined) {
      place = this.#stage.layout.place(this.thread, name);
      this.#places.set(name, place);
    }
    return place;
  }

  /** Whether there is room; whoever asks uses it. */
  #fits(records: number): boolean {
    const fits = this.sink.room(this.thread.task) >= records;
    if (fits) this.#stage.progress.moves++;
    return fits;
  }
}

/** At least 1: a record of no time would be a record for nothing. */
export function cyclesOf(time: Duration, ghz: number): number {
  return "cycles" in time ? time.cycles : Math.max(1, Math.round(time.ns * ghz));
}

/** The mapping of a region or of a part of one; `index` says which of its files. */
function wordOf({ region, start, file, filePage }: Place, index: number): VmaWord {
  const { rights, shared, watched, huge } = region;
  if (huge !== undefined) return withHuge(privateWord(rights), huge);
  const word =
    file === undefined ? privateWord(rights) : fileWord(rights, shared, file + index, filePage, start);
  return watched === true ? watchedForWrites(word) : word;
}
