/** Drives a world to its end: lets it run, feeds tasks that run dry, and says who waits when nothing can move. */
import { UsageError } from "../errors.js";
import type { Feed } from "../workload/feed.js";
import { Compilation } from "./compile.js";
import type { Crew } from "./crew.js";
import type { LatencyCollector } from "./histograms.js";
import { EngineAbort } from "./load.js";
import { RingSink } from "./sink.js";
import type { World } from "./world.js";

/** How a run is looked at while it goes on. */
export interface Watch {
  /** Quanta between two looks, 2000 unless said. It never changes a result. */
  readonly quanta?: number;
  /** Steps of the kernel after which its programs are compiled (compile.ts). It never changes a result. */
  readonly compileAfter?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { cycles: number; records: number }) => void;
}

/**
 * Runs a world until every task has ended.
 *
 * Throws: UsageError when the feed gives nothing to those who need it, EngineAbort when the simulated kernel is in a
 * deadlock, what the feed throws, what a thread of the crew fails with, the signal's reason, and WebAssembly's error for
 * a trap of the engine.
 */
export async function drive(
  world: World,
  feed: Feed,
  latencies: LatencyCollector,
  watch: Watch = {},
  crew?: Crew,
): Promise<void> {
  const feeder = new Feeder(world, feed);
  const compilation = new Compilation(world, watch.compileAfter);
  const stop = (name: string): number => world.value(`RUN_${name}`);
  const [more, feeds, done, stuck] = [stop("MORE"), stop("FEED"), stop("DONE"), stop("STUCK")];
  const late = stop("LATE");
  for (;;) {
    watch.signal?.throwIfAborted();
    const reason = world.functions.run(watch.quanta ?? 2000);
    if (reason === late) {
      await crew?.wait();
      continue;
    }
    latencies.collect();
    compilation.look();
    if (reason === done) return;
    if (reason === stuck)
      throw new EngineAbort(
        `nothing can move any more at cycle ${world.functions.now()}: ${whoWaits(world)}`,
      );
    await crew?.look();
    if (reason === feeds) await feeder.refill();
    if (reason === more)
      watch.onProgress?.({ cycles: Number(world.functions.now()), records: feeder.consumed() });
  }
}

/** Records that a feed may need room for to give one event. In a smaller ring a task may have to sleep until there is some, which costs time. */
export const EVENT_ROOM = 64;
/** Rings with less room than that are full; of a ring that is not much larger, those that have less than a share. */
const FULL_SHARE = 1 / 4;

/** Asks the feed for what dry and starved tasks need, and tells the engine. */
class Feeder {
  readonly #world: World;
  readonly #feed: Feed;
  readonly #sink: RingSink;
  readonly #tasks: TaskTimes;
  readonly #dry: number;
  readonly #full: number;
  readonly #fullRoom: number;
  /** What the last refill left behind: records appended, records consumed, the time. */
  #last = "";

  constructor(world: World, feed: Feed) {
    this.#world = world;
    this.#feed = feed;
    this.#sink = new RingSink(world);
    this.#tasks = new TaskTimes(world);
    this.#dry = world.value("TASK_DRY");
    this.#full = world.value("TASK_RING_FULL");
    this.#fullRoom = Math.min(EVENT_ROOM, world.size.ring * FULL_SHARE);
  }

  async refill(): Promise<void> {
    for (let task = 0; task < this.#tasks.count; task++) {
      if (!this.#isHungry(task) || this.#sink.hasEnded(task)) continue;
      const work = this.#feed.refill(task, this.#sink);
      if (work !== undefined) await work;
    }
    const used = Math.max(this.#tasks.count, this.#sink.used);
    this.#markFull(used);
    this.#checkProgress(used);
    this.#world.functions.fed();
  }

  /** Records consumed by all tasks. */
  consumed(): number {
    let total = 0;
    for (let task = 0; task < this.#tasks.count; task++) total += this.#tasks.consumed(task);
    return total;
  }

  /** Dry now, or asleep because it was dry before. */
  #isHungry(task: number): boolean {
    return (this.#tasks.flags(task) & this.#dry) !== 0 || this.#tasks.state(task) === starved;
  }

  #markFull(tasks: number): void {
    for (let task = 0; task < tasks; task++) {
      const flags = this.#tasks.flags(task);
      const isFull = this.#sink.room(task) < this.#fullRoom;
      this.#tasks.setFlags(task, isFull ? flags | this.#full : flags & ~this.#full);
    }
  }

  /** Two refills in a row at one time without any record, and nothing consumed in between, would go on for ever. */
  #checkProgress(tasks: number): void {
    let appended = 0;
    for (let task = 0; task < tasks; task++) appended += this.#sink.position(task);
    const now = `${appended} ${this.consumed()} ${this.#world.functions.now()}`;
    if (now === this.#last)
      throw new UsageError(`the workload stopped giving work, and ${whoWaits(this.#world)}`);
    this.#last = now;
  }
}

/** As the engine numbers them. */
const STATES = [
  "absent",
  "runnable",
  "waiting for calls",
  "waiting for a task",
  "without records",
  "ended",
] as const;
const starved = STATES.indexOf("without records");

/** The engine's account of each task. */
class TaskTimes {
  readonly #u32: Uint32Array;
  readonly #first: number;
  readonly #stride: number;
  readonly #state: number;
  readonly #flags: number;
  readonly #top: number;

  constructor(world: World) {
    this.#top = (world.value("callsDone") + world.value("TASK_TOP")) / 4;
    this.#u32 = world.u32;
    this.#first = world.value("taskTime") / 4;
    this.#stride = world.value("TT_BYTES") / 4;
    this.#state = world.value("TT_STATE") / 4;
    this.#flags = world.value("TT_FLAGS") / 4;
  }

  consumed(task: number): number {
    const at = this.#first + task * this.#stride;
    return this.#u32[at]! + this.#u32[at + 1]! * 2 ** 32;
  }

  /** One more than the last task that has begun. */
  get count(): number {
    return this.#u32[this.#top]!;
  }

  /** An index into STATES. */
  state(task: number): number {
    return this.#u32[this.#first + task * this.#stride + this.#state]!;
  }

  flags(task: number): number {
    return this.#u32[this.#first + task * this.#stride + this.#flags]!;
  }

  setFlags(task: number, flags: number): void {
    this.#u32[this.#first + task * this.#stride + this.#flags] = flags;
  }
}

/** Who cannot go on, for the message of a run that ends there: CPUs with the step that they wait at, then tasks. */
function whoWaits(world: World): string {
  const tasks = new TaskTimes(world);
  const blocked = Array.from({ length: world.size.cpus }, (_, cpu) => waitOf(world, cpu)).filter(
    (wait) => wait !== undefined,
  );
  const atWork = new Set(blocked.map(({ task }) => task));
  const asleep = Array.from({ length: tasks.count }, (_, task) => ({
    task,
    state: STATES[tasks.state(task)]!,
  }))
    .filter(({ task, state }) => state !== "absent" && state !== "ended" && !atWork.has(task))
    .map(({ task, state }) => `task ${task} is ${state}`);
  const all = [...blocked.map(({ text }) => text), ...asleep];
  return all.slice(0, 4).join(", ") + (all.length > 4 ? ` and ${all.length - 4} more` : "");
}

/** The step that a CPU waits at in the kernel; undefined when it does not wait. */
function waitOf(world: World, cpu: number): { task: number; text: string } | undefined {
  const { u32, program } = world;
  const address = u32[world.value("waitAddresses") / 4 + cpu]!;
  // An odd one is a CPU that is about to try again.
  if (address === 0 || address % 2 !== 0) return undefined;
  const hardware = (name: string): number =>
    u32[(world.value("hwBase") + cpu * world.value("hwStride") + world.value(`HW_${name}`)) / 4]!;
  const pc = hardware(hardware("IN_IRQ") === 0 ? "PC0" : "PC1");
  const site = program.sites[program.ops[pc]?.site ?? -1];
  const task = hardware("TASK") - 1;
  return { task, text: `CPU ${cpu} (task ${task}) waits at ${site?.path ?? "an unknown step"}` };
}
