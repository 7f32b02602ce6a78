/** The clock: one workload under one policy on one machine, priced. */
import type { Program } from "../dsl/program.js";
import { UsageError } from "../errors.js";
import { kernelProgram } from "../kernel/program.js";
import { type MachinePreset, machineNumbers, workPrices } from "../machine/preset.js";
import { resolveSlots } from "../policy/policies.js";
import type { Feed, Workload } from "../workload/feed.js";
import { collect } from "./collect.js";
import { LatencyCollector } from "./histograms.js";
import { type Build, EngineAbort } from "./load.js";
import type { RunResult } from "./result.js";
import { RingSink } from "./sink.js";
import { explainTrap } from "./trap.js";
import { createWorld, structuresOf, type World, type WorldSize } from "./world.js";

export interface RunRequest {
  readonly machine: MachinePreset;
  readonly policy: string;
  /** Variants by slot that replace the policy's own. */
  readonly set?: Readonly<Record<string, string>>;
  readonly cpus: number;
  readonly seed: number;
  readonly workload: Workload;
  readonly workloadName: string;
  /** Which build of the engine; release unless said. */
  readonly build?: Build;
  /** Overrides of the world's size, for tests and experiments. */
  readonly size?: Partial<WorldSize>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { cycles: number; records: number }) => void;
}

/** Bits that each page-table level decodes on x86-64 with 4 KiB pages. */
const RADIX_BITS = 9;
/** Quanta between two looks at signals and progress. */
const QUANTA = 2000;
/** Cycles that a task runs before another task of its CPU: 3 ms at 2.5 GHz, a scheduler slice of EEVDF (sched_base_slice). */
const SLICE_CYCLES = 7_500_000;
/** Latest start of a task that exists from the beginning, in cycles: seeds shift threads against each other. */
const START_JITTER_CYCLES = 4096;

/**
 * Runs one simulation to its end.
 *
 * Throws: UsageError for an unknown variant or a workload that does not fit, InputError from a recording, EngineAbort for
 * our own bugs. A violated invariant is a result, not an error.
 */
export async function runSimulation(request: RunRequest): Promise<RunResult> {
  const started = performance.now();
  const machine = machineNumbers(request.machine);
  const slots = resolveSlots(request.policy, request.set ?? {});
  const program = kernelProgram(slots, { cpus: request.cpus, radixBits: RADIX_BITS });
  const size = worldSize(request, machine.quantumCycles);
  const world = createWorld(request.build ?? "release", program, size, structuresOf(machine), {
    prices: machine.prices,
    works: workPrices(machine, program.works),
    perCore: machine.topology.threadsPerCore,
    perCcx: machine.topology.threadsPerCore * machine.topology.coresPerCcx,
    perSocket: machine.topology.threadsPerCore * machine.topology.coresPerSocket,
  });
  const latencies = new LatencyCollector(world);
  const feed = request.workload.open(request.seed);
  let cycles: number;
  try {
    startTasks(world, request);
    await drive(world, feed, latencies, request);
    cycles = Number(world.functions.settleClocks());
  } catch (error) {
    throw explainTrap(error, world);
  } finally {
    await feed.close?.();
  }
  const measured = collect(world, latencies, cycles, machine.ghz);
  const wallSeconds = (performance.now() - started) / 1000;
  return {
    schema: "shootdown/run@1",
    machine: request.machine.name,
    policy: request.policy,
    workload: request.workloadName,
    cpus: request.cpus,
    seed: request.seed,
    ...measured,
    ...(feed.summary === undefined ? {} : { trace: { ...feed.summary, calls: { ...feed.summary.calls } } }),
    host: {
      wallSeconds,
      accessesPerSecond: measured.simulated.accesses / wallSeconds,
      threads: 1,
      peakRssBytes: process.resourceUsage().maxRSS * 1024,
    },
  };
}

function worldSize(request: RunRequest, quantum: number): WorldSize {
  const { workload, cpus } = request;
  const frames = Math.max(4096, Math.ceil((workload.pages ?? 900_000) * 1.125));
  const size: WorldSize = {
    cpus,
    mms: workload.mms,
    tasks: workload.tasks,
    frames,
    tables: Math.max(4096, Math.ceil(frames / 32)),
    radixBits: RADIX_BITS,
    model: "tso",
    assist: "strict",
    storeBuffer: 8,
    ranges: 65_530,
    cache: 2 ** Math.ceil(Math.log2(frames)),
    ring: 16_384,
    lines: 1024,
    oracle: true,
    quantum,
    slice: SLICE_CYCLES,
    boundOrder: 0,
  };
  return { ...size, ...request.size };
}

function startTasks(world: World, request: RunRequest): void {
  const sink = new RingSink(world);
  request.workload.starters.forEach(({ task, mm }, index) => {
    sink.thread(task, mm);
    world.functions.startTask(task, jitter(request.seed, index));
  });
}

/** A start time for the index-th task: splitmix64's finaliser over seed and index (Steele et al., OOPSLA 2014). */
function jitter(seed: number, index: number): number {
  let z = BigInt.asUintN(64, BigInt(seed) * 0x9e3779b97f4a7c15n + BigInt(index) + 1n);
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return Number((z ^ (z >> 31n)) % BigInt(START_JITTER_CYCLES));
}

async function drive(world: World, feed: Feed, latencies: LatencyCollector, request: RunRequest): Promise<void> {
  const sink = new RingSink(world);
  const feeder = new Feeder(world, feed, sink);
  const stop = (name: string): number => world.value(`RUN_${name}`);
  const [more, feeds, done, stuck] = [stop("MORE"), stop("FEED"), stop("DONE"), stop("STUCK")];
  for (;;) {
    request.signal?.throwIfAborted();
    const reason = world.functions.run(QUANTA);
    latencies.collect();
    if (reason === done) return;
    if (reason === stuck) throw new EngineAbort(`nothing can move any more at cycle ${world.functions.now()}: ${whoWaits(world)}`);
    if (reason === feeds) await feeder.refill();
    if (reason === more) request.onProgress?.({ cycles: Number(world.functions.now()), records: feeder.consumed() });
  }
}

/** Asks the feed for what dry and starved tasks need, and tells the engine. */
class Feeder {
  readonly #world: World;
  readonly #feed: Feed;
  readonly #sink: RingSink;
  #lastAppended = -1;
  #lastConsumed = -1;

  constructor(world: World, feed: Feed, sink: RingSink) {
    this.#world = world;
    this.#feed = feed;
    this.#sink = sink;
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
    const at = this.#taskAt(task);
    const isDry = (this.#world.u32[at + 5]! & this.#world.value("TASK_DRY")) !== 0;
    return isDry || this.#world.u32[at + 4] === STARVED;
  }

  #markFull(): void {
    const flag = this.#world.value("TASK_RING_FULL");
    for (let task = 0; task < this.#world.size.tasks; task++) {
      const at = this.#taskAt(task) + 5;
      const flags = this.#world.u32[at]!;
      const isFull = this.#sink.room(task) < FULL_ROOM;
      if (isFull !== ((flags & flag) !== 0)) this.#world.u32[at] = flags ^ flag;
    }
  }

  /** Two refills in a row without any record, and nothing consumed in between, would go on for ever. */
  #checkProgress(): void {
    let appended = 0;
    for (let task = 0; task < this.#world.size.tasks; task++) appended += this.#sink.position(task);
    const consumed = this.consumed();
    if (appended === this.#lastAppended && consumed === this.#lastConsumed)
      throw new UsageError(`the workload stopped giving work, and ${whoWaits(this.#world)}`);
    this.#lastAppended = appended;
    this.#lastConsumed = consumed;
  }

  /** Records consumed by all tasks. */
  consumed(): number {
    let total = 0;
    for (let task = 0; task < this.#world.size.tasks; task++) {
      const at = this.#taskAt(task);
      total += this.#world.u32[at]! + this.#world.u32[at + 1]! * 2 ** 32;
    }
    return total;
  }

  #taskAt(task: number): number {
    return (this.#world.value("taskTime") + task * this.#world.value("TT_BYTES")) / 4;
  }
}

/** Rings with less room than this are full: a feed may need that much for one event. */
const FULL_ROOM = 64;
const STARVED = 4;
const STATES = ["absent", "runnable", "waiting for calls", "waiting for a task", "without records", "ended"];

/** Who is alive and not ended, for the message of a run that cannot go on. */
function whoWaits(world: World): string {
  const base = world.value("taskTime") / 4;
  const stride = world.value("TT_BYTES") / 4;
  const alive: string[] = [];
  for (let task = 0; task < world.size.tasks; task++) {
    const state = world.u32[base + task * stride + 4]!;
    if (state !== 0 && state !== 5) alive.push(`task ${task} is ${STATES[state]}`);
  }
  return alive.slice(0, 4).join(", ") + (alive.length > 4 ? ` and ${alive.length - 4} more` : "");
}
