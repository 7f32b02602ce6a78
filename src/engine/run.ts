/** The clock: one workload under one policy on one machine, priced. */
import { programHash } from "../dsl/hash.js";
import type { Program } from "../dsl/program.js";
import { UsageError } from "../errors.js";
import { LINUX_TUNABLES, type Tunables } from "../kernel/options.js";
import { kernelProgram } from "../kernel/program.js";
import { NO_MM } from "../kernel/task.js";
import { type MachineNumbers, type MachinePreset, machineNumbers, workPrices } from "../machine/preset.js";
import { policyNamed, resolveSlots } from "../policy/policies.js";
import type { Policy } from "../policy/policy.js";
import type { Workload } from "../workload/feed.js";
import { collect, namedCounters } from "./collect.js";
import { configurationOf, type Mechanism } from "./configuration.js";
import { Crew, type CrewOptions } from "./crew.js";
import { drive, EVENT_ROOM, type Watch } from "./feeder.js";
import { LatencyCollector } from "./histograms.js";
import type { Build } from "./load.js";
import type { RunResult } from "./result.js";
import { RingSink } from "./sink.js";
import { explainTrap } from "./trap.js";
import { createWorld, structuresOf, type World, type WorldSize } from "./world.js";

export interface RunRequest extends Watch {
  readonly machine: MachinePreset;
  /** A name, or a policy of one's own. */
  readonly policy: string | Policy;
  /** Variants by slot that replace the policy's own. */
  readonly set?: Readonly<Record<string, string>>;
  /** Sizes that Linux fixes or lets the administrator set, where they are not Linux's. */
  readonly tunables?: Partial<Tunables>;
  readonly cpus: number;
  readonly seed: number;
  readonly workload: Workload;
  readonly workloadName: string;
  /** Threads that share the work, 1 unless said. They never change a result. */
  readonly threads?: number;
  /** How they share it, for tests. */
  readonly crew?: Omit<CrewOptions, "threads" | "build">;
  /** Which build of the engine; release unless said. */
  readonly build?: Build;
  /** Overrides of the world's size, for tests and experiments. */
  readonly size?: Partial<WorldSize>;
  /** Is told of every call that ends, and of every flush and shootdown, in the order of the engine. */
  readonly onLatency?: (name: string, cpu: number, cycles: number) => void;
  /** Looks at the world after its last event: for benchmarks, which want more than a result holds. */
  readonly onEnd?: (world: World, crew?: Crew) => void;
  /** Is told once the threads are started: for tests, which end some. */
  readonly onStart?: (world: World, crew?: Crew) => void;
}

/** Bits that each page-table level decodes on x86-64 with 4 KiB pages. */
const RADIX_BITS = 9;
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
  const isolated = withIsolation(request);
  return runProgram(kernelFor(isolated), isolated, started, mechanismOf(isolated));
}

/** What the kernel is assembled from, as plain data. */
function mechanismOf(request: RunRequest): Mechanism {
  const { policy, set = {}, cpus } = request;
  const { scheme } = typeof policy === "string" ? policyNamed(policy) : policy;
  const sizes = { ...LINUX_TUNABLES, ...scheme?.tunables, ...tunablesOf(request) };
  // What is no number goes with a slot, or with a scheme.
  const tunables = Object.fromEntries(
    Object.entries(sizes).filter((entry): entry is [string, number] => typeof entry[1] === "number"),
  );
  const own = scheme === undefined ? {} : { scheme: programHash(kernelFor(request)) };
  return { cpus, slots: { ...resolveSlots(policy, set) }, tunables, ...own };
}

function tunablesOf({ workload: { faultAround }, tunables }: RunRequest): Partial<Tunables> {
  return { ...(faultAround !== undefined && { fault_around_pages: faultAround }), ...tunables };
}

/** The slot `pti` may say otherwise than the machine: then entries and exits have other prices too. */
function withIsolation(request: RunRequest): RunRequest {
  const { pti } = resolveSlots(request.policy, request.set ?? {});
  return pti === "auto" ? request : { ...request, machine: { ...request.machine, pti: pti === "on" } };
}

/** Assembling takes as long as a small run, and the seeds of a comparison share their programs. */
const assembled = new Map<string, Program>();

function kernelFor(request: RunRequest): Program {
  const { policy, set = {}, cpus } = request;
  const { pcid, pti } = request.machine;
  const { scheme } = typeof policy === "string" ? policyNamed(policy) : policy;
  const slots = resolveSlots(policy, set);
  const tunables = tunablesOf(request);
  const target = { cpus, radixBits: RADIX_BITS, pcid, pti, tunables };
  if (scheme !== undefined) return kernelProgram(slots, { ...target, scheme });
  const key = JSON.stringify([slots, cpus, pcid, pti, tunables]);
  const program = assembled.get(key) ?? kernelProgram(slots, target);
  assembled.set(key, program);
  return program;
}

/** The same with a kernel that is assembled already; `request.policy` only says what it is called. */
export async function runProgram(
  program: Program,
  request: RunRequest,
  started = performance.now(),
  mechanism: Mechanism = { cpus: request.cpus, slots: {}, tunables: {}, scheme: programHash(program) },
): Promise<RunResult> {
  const machine = machineNumbers(request.machine);
  const { threadsPerCore, coresPerSocket } = machine.topology;
  const nodes = Math.ceil(request.cpus / (threadsPerCore * coresPerSocket));
  const size = { ...worldSize(request, quantumOf(machine)), nodes };
  const build = request.build ?? "release";
  const world = createWorld(build, program, size, structuresOf(machine), {
    prices: machine.prices,
    works: workPrices(machine, program.works),
    perCore: machine.topology.threadsPerCore,
    perCcx: machine.topology.threadsPerCore * machine.topology.coresPerCcx,
    perSocket: machine.topology.threadsPerCore * machine.topology.coresPerSocket,
  });
  const latencies = new LatencyCollector(world, request.onLatency);
  const feed = request.workload.open(request.seed);
  const threads = Math.min(request.threads ?? 1, size.cpus);
  const crew = threads > 1 ? new Crew(world, { ...request.crew, threads, build }) : undefined;
  let cycles: number;
  try {
    request.onStart?.(world, crew);
    startTasks(world, request);
    await drive(world, feed, latencies, request, crew);
    cycles = Number(world.functions.settleClocks());
    request.onEnd?.(world, crew);
  } catch (error) {
    throw explainTrap(error, world);
  } finally {
    await crew?.close();
    await feed.close?.();
  }
  const refused = namedCounters(world).get("faults.oom") ?? 0;
  if (refused > 0)
    throw new UsageError(
      `the workload needs more than the ${size.frames} pages of simulated memory that it has`,
    );
  const measured = collect(world, latencies, cycles, machine.ghz);
  const wallSeconds = (performance.now() - started) / 1000;
  return {
    schema: "shootdown/run@1",
    machine: request.machine.name,
    policy: typeof request.policy === "string" ? request.policy : request.policy.name,
    ...(Object.keys(request.set ?? {}).length > 0 && { set: { ...request.set } }),
    workload: request.workloadName,
    cpus: request.cpus,
    seed: request.seed,
    configuration: configurationOf(request.machine, machine, mechanism),
    ...measured,
    ...(feed.summary === undefined ? {} : { trace: { ...feed.summary, calls: { ...feed.summary.calls } } }),
    host: {
      wallSeconds,
      accessesPerSecond: measured.simulated.accesses / wallSeconds,
      threads: crew?.used ?? 1,
      peakRssBytes: process.resourceUsage().maxRSS * 1024,
    },
  };
}

/**
 * Cycles of a quantum. None is longer than an interrupt takes, and none longer than the way into the kernel: a CPU that
 * comes back to user mode in one quantum may enter the kernel again in the next one at a time that is still in the first,
 * and its steps must not come before those that others have made by then.
 */
export function quantumOf({ quantumCycles, prices }: MachineNumbers): number {
  const { syscallEntry, faultEntry, irqEntry, contextSwitch } = prices;
  return Math.min(quantumCycles, syscallEntry, faultEntry, irqEntry, contextSwitch);
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
    // Pages of files, and slots of swap: as much swap as memory.
    cache: 2 ** Math.ceil(Math.log2(2 * frames)),
    ring: 16_384,
    lines: 1024,
    oracle: true,
    canonical: false,
    quantum,
    slice: SLICE_CYCLES,
    boundOrder: 0,
  };
  const wanted = { ...size, ...request.size };
  if (wanted.ring < EVENT_ROOM)
    throw new RangeError(
      `a ring of ${wanted.ring} records is too small: results would depend on it; ${EVENT_ROOM} or more are accepted`,
    );
  return wanted;
}

function startTasks(world: World, request: RunRequest): void {
  const sink = new RingSink(world);
  request.workload.starters.forEach(({ task, mm }, index) => {
    if (mm === undefined) world.u64[world.fieldAddress("task", "mm", task) / 8] = BigInt(NO_MM);
    else sink.thread(task, mm);
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
