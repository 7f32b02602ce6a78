import { type Feed, type FeedSink, recordsOf, type Workload } from "../src/workload/feed.js";

type Args = readonly (number | bigint)[];
type Rec =
  | { readonly is: "access"; readonly address: number; readonly kind: number; readonly version: number }
  | { readonly is: "compute" }
  | { readonly is: "call"; readonly rank: number; readonly entry: string; readonly args: Args }
  | { readonly is: "waitCalls"; readonly rank: number }
  | { readonly is: "waitTask"; readonly other: number; readonly records: number }
  | { readonly is: "start"; readonly child: number };

interface Task {
  readonly ring: Rec[];
  appended: number;
  consumed: number;
  isRunnable: boolean;
  isEnded: boolean;
  lastEntry: string;
}

/** What calls did to each page of each mm, told as a number that depends on which calls, and in which order. */
class Memory {
  readonly #pages = new Map<number, Map<number, number>>();
  readonly #changes = new Map<number, { start: number; end: number; rank: number }[]>();
  readonly mmOf = new Map<number, number>();

  version(task: number, page: number): number {
    const mm = this.mmOf.get(task);
    if (mm === undefined) throw new Error(`task ${task} has no mm`);
    const pages = getOr(this.#pages, mm, () => new Map<number, number>());
    return getOr(pages, page, () => {
      const changes = this.#changes.get(mm) ?? [];
      return changes.reduce(
        (old, { start, end, rank }) => (start <= page && page < end ? next(old, rank) : old),
        0,
      );
    });
  }

  call(task: number, rank: number, entry: string, args: Args): void {
    const mm = this.mmOf.get(task)!;
    if (entry === "fork") {
      const child = Number(args[0]);
      this.mmOf.set(Number(args[1]), child);
      this.#changes.set(child, [...(this.#changes.get(mm) ?? [])]);
    } else if (entry === "exec") this.#change(mm, 0, 2 ** 35, rank);
    else if (entry === "mremap") {
      const [start, pages, newStart, newPages] = args.map(Number) as [number, number, number, number];
      this.#change(mm, start, start + pages, rank);
      this.#change(mm, newStart, newStart + newPages, rank);
    } else if (entry !== "exit" && !(entry === "madvise" && args[2] !== 4 && args[2] !== 8)) {
      const [from, to] = [Number(args[0]), Number(args[1])];
      this.#change(mm, Math.min(from, to), Math.max(from, to), rank);
    }
  }

  #change(mm: number, start: number, end: number, rank: number): void {
    getOr(this.#changes, mm, () => []).push({ start, end, rank });
    const pages = this.#pages.get(mm) ?? new Map<number, number>();
    const change = (page: number, version: number | undefined): void => {
      if (version !== undefined) pages.set(page, next(version, rank));
    };
    if (end - start < pages.size) for (let page = start; page < end; page++) change(page, pages.get(page));
    else for (const [page, version] of pages) if (page >= start && page < end) change(page, version);
  }
}

function next(version: number, rank: number): number {
  return (version * 65_599 + rank + 1) % 2 ** 31;
}

/**
 * A stand-in for the engine, with small rings and an unfair scheduler, that holds a feed to its rules: no ring
 * overflows, every wait is for something already appended, calls and accesses to a page keep the order in which they
 * were appended, threads exit once, and everything ends.
 */
export class FakeEngine implements FeedSink {
  readonly #capacity: number;
  readonly #isOrdered: boolean;
  readonly #tasks: Task[];
  /** What the calls do in the order of appending, and in the order of execution. */
  readonly #appended = new Memory();
  readonly #executed = new Memory();
  readonly #done: boolean[] = [];
  #prefix = 0;
  #calls = 0;
  readonly counts = { access: 0, compute: 0, call: 0, waitCalls: 0, waitTask: 0, start: 0 };
  readonly entries = new Map<string, number>();
  /** Called for every access appended. */
  onAccess: (task: number, address: number, kind: number) => void = () => {};
  /** Called for every record that is consumed. */
  onExecuted: (task: number, record: Rec["is"]) => void = () => {};
  /** Sum over all records: two passes over the same work have the same. */
  digest = 0;

  /** Threads that work on the same pages without waiting for each other have no order that could be kept: `isOrdered` false. */
  constructor(workload: Workload, capacity: number, isOrdered = true) {
    this.#capacity = capacity;
    this.#isOrdered = isOrdered;
    this.#tasks = Array.from({ length: workload.tasks }, () => ({
      ...{ ring: [], appended: 0, consumed: 0, isRunnable: false, isEnded: false, lastEntry: "" },
    }));
    for (const { task, mm } of workload.starters) {
      this.#task(task).isRunnable = true;
      // A kernel thread does not exit.
      if (mm === undefined) this.#task(task).lastEntry = "exit";
      else this.thread(task, mm);
    }
  }

  /** Run a pass to its end. `random` gives numbers from 0 to below 1, and so the schedule. */
  async run(feed: Feed, random: () => number): Promise<void> {
    let idle = 0;
    for (;;) {
      const open = this.#tasks.flatMap((task, id) => (task.isRunnable && !isFinished(task) ? [id] : []));
      if (open.length === 0) break;
      const id = open[Math.floor(random() * open.length)]!;
      const moved = await this.#turn(feed, id, 1 + Math.floor(random() * 2 * this.#capacity));
      idle = moved ? 0 : idle + 1;
      // Everybody has had many turns: only then is it certain that nobody can go on.
      if (idle > 50 * open.length && !(await this.#anyMoves(feed, open))) throw new Error("deadlock");
    }
    const waiting = this.#tasks.findIndex(
      (task) => task.ring.length > 0 || (task.appended > 0 && !task.isEnded),
    );
    if (waiting >= 0) throw new Error(`task ${waiting} never ran to its end`);
  }

  async #anyMoves(feed: Feed, open: readonly number[]): Promise<boolean> {
    for (const id of open) if (await this.#turn(feed, id, 1)) return true;
    return false;
  }

  async #turn(feed: Feed, id: number, steps: number): Promise<boolean> {
    const task = this.#task(id);
    let moved = false;
    for (let step = 0; step < steps && !isFinished(task); step++) {
      if (task.ring.length === 0 && !(await this.#refill(feed, id))) return moved;
      if (isFinished(task)) return true;
      if (!this.#step(id, task)) return moved;
      moved = true;
    }
    return moved;
  }

  async #refill(feed: Feed, id: number): Promise<boolean> {
    const task = this.#task(id);
    const before = task.appended;
    await feed.refill(id, this);
    if (task.appended > before || task.isEnded) return true;
    const isFull = this.#tasks.some(
      ({ appended, consumed }) => appended - consumed > this.#capacity - recordsOf.call,
    );
    if (!isFull) throw new Error(`refill of task ${id} gave nothing, and no ring is full`);
    return false;
  }

  #step(id: number, task: Task): boolean {
    const record = task.ring[0]!;
    if (record.is === "waitCalls" && this.#prefix < record.rank) return false;
    if (record.is === "waitTask" && this.#task(record.other).consumed < record.records) return false;
    task.ring.shift();
    task.consumed += recordsOf[record.is];
    this.onExecuted(id, record.is);
    if (record.is === "access") {
      const page = Math.floor(record.address / 4096);
      const version = this.#executed.version(id, page);
      if (this.#isOrdered && version !== record.version) {
        throw new Error(
          `page ${page} of task ${id}: the calls before this access ran in another order than recorded`,
        );
      }
    } else if (record.is === "start") {
      this.#task(record.child).isRunnable = true;
    } else if (record.is === "call") {
      this.#executed.call(id, record.rank, record.entry, record.args);
      this.#done[record.rank] = true;
      while (this.#done[this.#prefix] === true) this.#prefix++;
    }
    return true;
  }

  room(id: number): number {
    const { appended, consumed } = this.#task(id);
    return this.#capacity - (appended - consumed);
  }

  accesses(id: number, words: Uint32Array, count: number): void {
    for (let word = 0; word < 2 * count; word += 2) {
      const [low, high] = [words[word]!, words[word + 1]!];
      this.access(id, high * 2 ** 32 + (low - (low % 16)), low % 16);
    }
  }

  access(id: number, exact: number, kind: number): void {
    if (!(exact >= 0 && exact < 2 ** 47)) throw new Error(`address ${exact}`);
    // No record holds more, however it is written.
    const address = exact - (exact % 16);
    this.onAccess(id, address, kind);
    const version = this.#appended.version(id, Math.floor(address / 4096));
    this.#append(id, { is: "access", address, kind, version }, address + kind);
  }

  compute(id: number, cycles: number): void {
    this.#append(id, { is: "compute" }, cycles);
  }

  call(id: number, entry: string, args: Args): void {
    const [from, to] = args;
    if (args.length > 6) throw new Error(`${args.length} arguments`);
    const isRange = args.length > 1 && !["fork", "brk", "mremap"].includes(entry);
    if (isRange && !(Number(from) < Number(to) && Number(to) <= 2 ** 35))
      throw new Error(`${entry}(${args})`);
    this.#appended.call(id, this.#calls, entry, args);
    if (entry === "fork") this.#executed.mmOf.set(Number(args[1]), Number(args[0]));
    this.entries.set(entry, (this.entries.get(entry) ?? 0) + 1);
    this.#task(id).lastEntry = entry;
    const sum = args.reduce<number>((total, each) => (total * 3 + Number(each)) % 1e12, entry.length);
    this.#append(id, { is: "call", rank: this.#calls++, entry, args }, sum);
  }

  waitCalls(id: number, rank: number): void {
    if (rank > this.#calls) throw new Error("waits for a call that was not appended");
    this.#append(id, { is: "waitCalls", rank }, rank);
  }

  callRank(): number {
    return this.#calls;
  }

  waitTask(id: number, other: number, records: number): void {
    if (records > this.#task(other).appended) throw new Error("waits for a record that was not appended");
    this.#append(id, { is: "waitTask", other, records }, other + records);
  }

  position(id: number): number {
    return this.#task(id).appended;
  }

  start(id: number, child: number): void {
    this.#append(id, { is: "start", child }, child);
  }

  thread(child: number, mm: number): void {
    this.#appended.mmOf.set(child, mm);
    this.#executed.mmOf.set(child, mm);
  }

  end(id: number): void {
    const task = this.#task(id);
    if (task.isEnded || task.lastEntry !== "exit") throw new Error(`task ${id} ends without its exit`);
    task.isEnded = true;
  }

  #append(id: number, record: Rec, value: number): void {
    const task = this.#task(id);
    if (task.isEnded) throw new Error(`task ${id} goes on after its end`);
    if (this.room(id) < recordsOf[record.is]) throw new Error(`the ring of task ${id} overflows`);
    task.ring.push(record);
    task.appended += recordsOf[record.is];
    this.counts[record.is]++;
    this.digest = (this.digest * 31 + id * 7 + record.is.length + value) % 1e12;
  }

  #task(id: number): Task {
    const task = this.#tasks[id];
    if (task === undefined) throw new Error(`task ${id} is beyond the workload's bound`);
    return task;
  }
}

function isFinished(task: Task): boolean {
  return task.isEnded && task.ring.length === 0;
}

function getOr<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
