/** Drives a world to its end: lets it run, feeds tasks that run dry, and says who waits when nothing can move. */
import { UsageError } from "../errors.js";
import type { Feed } from "../workload/feed.js";
import type { LatencyCollector } from "./histograms.js";
import { EngineAbort } from "./load.js";
import { RingSink } from "./sink.js";
import type { World } from "./world.js";

/** How a run is looked at while it goes on. */
export interface Watch {
  /** Quanta between two looks, 2000 unless said. It never changes a result. */
  readonly quanta?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { cycles: number; records: number }) => void;
}

/**
 * Runs a world until every task has ended.
 *
 * Throws: UsageError when the feed gives nothing to those who need it, EngineAbort when the simulated kernel is in a
 * deadlock, what the feed throws, the signal's reason, and WebAssembly's error for a trap of the engine.
 */
export async function drive(
  world: World,
  feed: Feed,
  latencies: LatencyCollector,
  watch: Watch = {},
): Promise<void> {
  const feeder = new Feeder(world, feed);
  const stop = (name: string): number => world.value(`RUN_${name}`);
  const [more, feeds, done, stuck] = [stop("MORE"), stop("FEED"), stop("DONE"), stop("STUCK")];
  for (;;) {
    watch.signal?.throwIfAborted();
    const reason = world.functions.run(watch.quanta ?? 2000);
    latencies.collect();
    if (reason === done) return;
    if (reason === stuck)
      throw new EngineAbort(`nothing can move any more at cycle ${world.functions.now()}: ${whoWaits(world)}`);
    if (reason === feeds) await feeder.refill();
    if (reason === more)
      watch.onProgress?.({ cycles: Number(world.functions.now()), records: feeder.consumed() });
  }
}

/** Rings with less room than this are full: a feed may need that much for one event. */
const FULL_ROOM = 64;

/** Asks the feed for what dry and starved tasks need, and tells the engine. */
class Feeder {
  readonly #world: World;
  readonly #feed: Feed;
  readonly #sink: RingSink;
  /** What the last refill left behind: records appended, records consumed, the time. */
  #last = "";

  constructor(world: World, feed: Feed) {
    this.#world = world;
    this.#feed = feed;
    this.#sink = new RingSink(world);
  }

  async refill(): Promise<void> {
    const { tasks } = this.#world.size;
    for (let task = 0; task < tasks; task++) {
      if (!this.#isHungry(task) || this.#sink.hasEnded(task)) continue;
      const work = this.#feed.refill(task, this.#sink);
      if (work !== undefined) await work;
    }
    this.#markFull();
    this.#checkProgress();
    this.#world.functions.fed();
  }

  /** Dry now, or asleep because it was dry before. */
  #isHungry(task: number): boolean {
    const isDry = (this.#world.u32[this.#flagsAt(task)]! & this.#world.value("TASK_DRY")) !== 0;
    return isDry || stateOf(this.#world, task) === "without records";
  }

  #markFull(): void {
    const flag = this.#world.value("TASK_RING_FULL");
    for (let task = 0; task < this.#world.size.tasks; task++) {
      const at = this.#flagsAt(task);
      const flags = this.#world.u32[at]!;
      const isFull = this.#sink.room(task) < FULL_ROOM;
      if (isFull !== ((flags & flag) !== 0)) this.#world.u32[at] = flags ^ flag;
    }
  }

  /** Two refills in a row at one time without any record, and nothing consumed in between, would go on for ever. */
  #checkProgress(): void {
    let appended = 0;
    for (let task = 0; task < this.#world.size.tasks; task++) appended += this.#sink.position(task);
    const now = `${appended} ${this.consumed()} ${this.#world.functions.now()}`;
    if (now === this.#last)
      throw new UsageError(`the workload stopped giving work, and ${whoWaits(this.#world)}`);
    this.#last = now;
  }

  /** Records consumed by all tasks. */
  consumed(): number {
    let total = 0;
    for (let task = 0; task < this.#world.size.tasks; task++) {
      const at = taskAt(this.#world, task);
      total += this.#world.u32[at]! + this.#world.u32[at + 1]! * 2 ** 32;
    }
    return total;
  }

  #flagsAt(task: number): number {
    return taskAt(this.#world, task) + this.#world.value("TT_FLAGS") / 4;
  }
}

/** Index of a task's times in world.u32; the records that it has consumed come first. */
function taskAt(world: World, task: number): number {
  return (world.value("taskTime") + task * world.value("TT_BYTES")) / 4;
}

const STATES = [
  "absent",
  "runnable",
  "waiting for calls",
  "waiting for a task",
  "without records",
  "ended",
] as const;

function stateOf(world: World, task: number): (typeof STATES)[number] {
  return STATES[world.u32[taskAt(world, task) + world.value("TT_STATE") / 4]!]!;
}

/** Who cannot go on, for the message of a run that ends there: CPUs with the step that they wait at, then tasks. */
function whoWaits(world: World): string {
  const { cpus, tasks } = world.size;
  const blocked = Array.from({ length: cpus }, (_, cpu) => waitOf(world, cpu)).filter((wait) => wait !== undefined);
  const atWork = new Set(blocked.map(({ task }) => task));
  const others = Array.from({ length: tasks }, (_, task) => ({ task, state: stateOf(world, task) })).filter(
    ({ task, state }) => state !== "absent" && state !== "ended" && !atWork.has(task),
  );
  const all = [...blocked.map(({ text }) => text), ...others.map(({ task, state }) => `task ${task} is ${state}`)];
  return all.slice(0, 4).join(", ") + (all.length > 4 ? ` and ${all.length - 4} more` : "");
}

/** The step that a CPU waits at in the kernel; undefined when it does not wait. */
function waitOf(world: World, cpu: number): { task: number; text: string } | undefined {
  const { u32 } = world;
  const clock = world.value("clkBase") + cpu * world.value("clkStride");
  if (u32[(clock + world.value("CK_WAIT_ADDRESS")) / 4] === 0) return undefined;
  const hardware = (name: string): number =>
    u32[(world.value("hwBase") + cpu * world.value("hwStride") + world.value(`HW_${name}`)) / 4]!;
  const { ops, sites } = world.program;
  const site = sites[ops[hardware(hardware("IN_IRQ") === 0 ? "PC0" : "PC1")]?.site ?? -1];
  const task = hardware("TASK") - 1;
  return { task, text: `CPU ${cpu} (task ${task}) waits at ${site?.path ?? "an unknown step"}` };
}
