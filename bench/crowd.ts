/** Many CPUs, each with a stream of accesses of its own, on one thread or on several that share the world. */
import { Crew } from "../src/engine/crew.js";
import type { World } from "../src/engine/world.js";
import type { MachineNumbers } from "../src/machine/preset.js";
import { mappedWorld } from "./hot-world.js";
import { type Contestant, type Counts, cpuTime, type Pass } from "./passes.js";
import { type Sample, sampleHost, wasQuiet } from "./quiet.js";
import { makeStream, type Stream, streamKinds } from "./streams.js";

export interface CrowdOptions {
  readonly cpus: number;
  /** Cycles. */
  readonly quantum: number;
  readonly threads: number;
  /** Accesses of one pass, of all CPUs together. */
  readonly accesses: number;
}

export interface CrowdPass extends Pass {
  /** On the clock of the wall; `nanoseconds` is on the CPU, of all threads together. */
  readonly wall: number;
  /** Nobody else used the cores meanwhile. */
  readonly isQuiet: boolean;
}

/** Records of a ring: a power of two. They are used over and over. */
const RING = 4096;
const QUANTA = 2000;
/** Bytes of a line of the host's caches. */
const LINE = 64;

/** A world whose CPUs all run the same stream, each from another place on. */
export class CrowdWorld implements Contestant<CrowdPass> {
  readonly name: string;
  readonly world: World;
  readonly #options: CrowdOptions;
  #crew: Crew | undefined;
  #appended = 0;

  constructor(machine: MachineNumbers, options: CrowdOptions) {
    this.name = `${options.cpus} CPUs, ${options.threads} threads`;
    this.#options = options;
    const { cpus, quantum } = options;
    const stream = makeStream(streamKinds.find(({ name }) => name === "l2hit")!, RING);
    this.world = mappedWorld(stream, machine, {
      ...{ name: this.name, build: "release", oracle: true, cpus, quantum },
    });
    fillRings(this.world, stream);
  }

  /** Starts the threads, and waits until they are ready. Returns how many milliseconds that took. */
  async start(): Promise<number> {
    const { threads } = this.#options;
    const start = performance.now();
    if (threads < 2) return 0;
    this.#crew = new Crew(this.world, { threads, build: "release" });
    this.#crew.start();
    while (this.#crew.ready() < this.#crew.threads - 1)
      await new Promise((resolve) => setTimeout(resolve, 1));
    return performance.now() - start;
  }

  async pass(): Promise<CrowdPass> {
    const { functions, u64, value } = this.world;
    const { cpus, accesses } = this.#options;
    const isFirst = this.#appended === 0;
    this.#appended += Math.ceil(accesses / cpus);
    for (let task = 0; task < cpus; task++) {
      u64[(value("taskTime") + task * value("TT_BYTES") + value("TT_APPENDED")) / 8] = BigInt(this.#appended);
      if (isFirst) functions.startTask(task, 0);
    }
    const before = countsOf(this.world);
    const sample: Sample | undefined = sampleHost();
    const [start, wall] = [cpuTime(), performance.now()];
    if (!isFirst) functions.fed();
    await this.#runUntilDry();
    const [nanoseconds, wallMs] = [cpuTime() - start, performance.now() - wall];
    const isQuiet = wasQuiet(sample, sampleHost());
    const after = countsOf(this.world);
    const counts = Object.fromEntries(Object.entries(after).map(([name, n]) => [name, n - before[name]!]));
    return { nanoseconds, wall: wallMs * 1e6, isQuiet, counts };
  }

  /** Until the first CPU has no records left. */
  async #runUntilDry(): Promise<void> {
    const { functions, value } = this.world;
    const [more, late, feed] = ["MORE", "LATE", "FEED"].map((name) => value(`RUN_${name}`));
    for (;;) {
      const reason = functions.run(QUANTA);
      if (reason === feed) return;
      if (reason === late) await this.#crew!.wait();
      else if (reason !== more) throw new Error(`the engine stopped (${reason})`);
    }
  }

  /** Nanoseconds of one meeting of two threads that have nothing to do; `spins` 0 has the other one sleep each time. */
  meeting(times: number, spins?: number): number {
    const { functions, u32, value } = this.world;
    const at = value("CREW_SPINS") / 4;
    const usual = u32[at]!;
    if (spins !== undefined) Atomics.store(u32, at, spins);
    functions.meet(times);
    const start = performance.now();
    functions.meet(times);
    const nanoseconds = ((performance.now() - start) * 1e6) / times;
    Atomics.store(u32, at, usual);
    return nanoseconds;
  }

  /** Bytes of the last CPU's lines that hold anything, without its task's ring: the rest is for CPUs with stale translations. */
  touchedPerCpu(): number {
    const { u64, value, size } = this.world;
    let lines = 0;
    for (const block of ["hw", "clk", "st"]) {
      const [base, stride] = [value(`${block}Base`) / 8, value(`${block}Stride`) / 8];
      for (let at = base + (size.cpus - 1) * stride; at < base + size.cpus * stride; at += LINE / 8)
        if (u64.subarray(at, at + LINE / 8).some((word) => word !== 0n)) lines++;
    }
    return lines * LINE;
  }

  /** Bytes that are planned for each CPU in the world, without its task's ring. */
  bytesPerCpu(): number {
    const { value } = this.world;
    return value("hwStride") + value("clkStride") + value("stStride");
  }

  async close(): Promise<void> {
    await this.#crew?.close();
  }
}

function fillRings({ u32, value, size }: World, { records }: Stream): void {
  for (let task = 0; task < size.tasks; task++) {
    const from = ((task * 769) % RING) * 2;
    const at = (value("feedBase") + task * RING * 8) / 4;
    u32.set(records.subarray(from), at);
    u32.set(records.subarray(0, from), at + records.length - from);
  }
}

/** Sums over all CPUs; they must not depend on who computed them. */
function countsOf({ u64, value, size }: World): Counts {
  const sum = (offset: number): number => {
    let total = 0;
    for (let cpu = 0; cpu < size.cpus; cpu++)
      total += Number(u64[(value("stBase") + cpu * value("stStride") + offset) / 8]!);
    return total;
  };
  const tally = (name: string): number => sum(value("ST_TLB") + value(name) * 8);
  return {
    accesses: tally("TLB_ACCESSES"),
    l1Hits: tally("TLB_L1_HITS"),
    stlbHits: tally("TLB_STLB_HITS"),
    walks: tally("TLB_WALKS"),
    cycles:
      sum(value("ST_CYCLES") + value("CYCLES_USER") * 8) + sum(value("ST_CYCLES") + value("CYCLES_WALK") * 8),
  };
}
