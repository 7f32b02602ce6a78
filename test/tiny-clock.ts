/* The clock on programs written op by op: a world with given prices, tasks made of records, and what every CPU spent. */
import fc from "fast-check";
import type { Program, RecordKind } from "../src/dsl/program.js";
import { RECORD_KINDS } from "../src/dsl/program.js";
import type { Build } from "../src/engine/load.js";
import { RingSink } from "../src/engine/sink.js";
import { explainTrap } from "../src/engine/trap.js";
import { createWorld, type Structures, type World, type WorldSize } from "../src/engine/world.js";
import { type PriceName, priceNames } from "../src/machine/preset.js";

export type Prices = Readonly<Record<PriceName, number>>;

/** Prices that bound how far CPUs may run without each other. */
const latencies: ReadonlySet<string> = new Set<PriceName>([
  "syscallEntry",
  "faultEntry",
  "irqEntry",
  "contextSwitch",
  "ipiSend",
  "ipiPerTarget",
  "ipiDeliverSmt",
  "ipiDeliverCcx",
  "ipiDeliverSocket",
  "ipiDeliverRemote",
]);

/** Every price at random, in cycles. None is so small that the clock would have to creep. */
export const anyPrices: fc.Arbitrary<Prices> = fc.record(
  Object.fromEntries(
    priceNames.map((name) => [
      name,
      latencies.has(name) ? fc.integer({ min: 100, max: 900 }) : fc.integer({ min: 1, max: 300 }),
    ]),
  ) as Record<PriceName, fc.Arbitrary<number>>,
);

/** Two threads to a core, two cores to a complex, two complexes to a socket. */
export const TOPOLOGY = { perCore: 2, perCcx: 4, perSocket: 8 } as const;
const DISTANCES = ["Smt", "Ccx", "Socket", "Remote"] as const;
export type Distance = (typeof DISTANCES)[number];

export function distance(a: number, b: number): Distance {
  const sizes = [TOPOLOGY.perCore, TOPOLOGY.perCcx, TOPOLOGY.perSocket];
  const shared = sizes.findIndex((size) => Math.floor(a / size) === Math.floor(b / size));
  return shared < 0 ? "Remote" : DISTANCES[shared]!;
}

/** What a line costs that another CPU wrote last. */
export function transfer(prices: Prices, reader: number, writer: number): number {
  return prices[`line${distance(reader, writer)}`];
}

/** The time from the start of a RAISE1 to the arrival of its interrupt. */
export function flight(prices: Prices, from: number, to: number): number {
  return prices.ipiSend + prices.ipiPerTarget + prices[`ipiDeliver${distance(from, to)}`];
}

/** The longest quantum with which no CPU misses what another one does: the fastest interrupt, and the fastest way in. */
export function lookahead(prices: Prices): number {
  const { syscallEntry, faultEntry, irqEntry, contextSwitch } = prices;
  const deliver = Math.min(...DISTANCES.map((name) => prices[`ipiDeliver${name}`]));
  const interrupt = prices.ipiSend + prices.ipiPerTarget + deliver;
  return Math.min(interrupt, syscallEntry, faultEntry, irqEntry, contextSwitch);
}

/** First-level arrays of `l1` ways, a second level of `l2` ways, all with one set; walk caches that hold every table. */
export function oneSet(l1: number, l2: number): Structures {
  const array = (ways: number) => ({ sets: 1, ways });
  const arrays = [l1, l1, l1, l1, l1, l2, l2, 8, 8, 8].map(array);
  return { arrays, serves: [0, 1, 2, 3, 4, 4, 5, 5, 6] };
}

const CYCLE_KINDS = ["USER", "WALK", "KERNEL", "LOCK_WAIT", "IPI_WAIT", "IRQ", "IDLE"] as const;
export type CycleKind = (typeof CYCLE_KINDS)[number];

export interface TinyClockOptions {
  readonly prices: Prices;
  readonly cpus?: number;
  readonly quantum?: number;
  /** Prices of Program.works. */
  readonly works?: readonly number[];
  readonly structures?: Structures;
  readonly size?: Partial<WorldSize>;
  readonly build?: Build;
}

/** Task t runs on CPU t % cpus. Its records go to `sink`; the ring of a task holds 4096. */
export class TinyClock {
  readonly world: World;
  readonly sink: RingSink;

  constructor(program: Program, options: TinyClockOptions) {
    const { prices, cpus = 16, works = [], structures = oneSet(4, 16) } = options;
    const size: WorldSize = {
      cpus,
      mms: 1,
      tasks: cpus,
      tables: 16,
      frames: 64,
      radixBits: 9,
      model: "tso",
      assist: "strict",
      storeBuffer: 4,
      ranges: 16,
      cache: 16,
      ring: 4096,
      lines: 4096,
      oracle: true,
      canonical: false,
      quantum: options.quantum ?? lookahead(prices),
      slice: 1_000_000_000,
      boundOrder: 0,
      ...options.size,
    };
    const charges = { prices, works: program.works.map((_, index) => works[index] ?? 0), ...TOPOLOGY };
    this.world = createWorld(options.build ?? "release", program, size, structures, charges);
    this.sink = new RingSink(this.world);
  }

  /** `task` exists from cycle `ready` on, with the records that `write` appends and no others. */
  task(task: number, ready: number, write: (sink: RingSink) => void): this {
    this.world.functions.startTask(task, ready);
    write(this.sink);
    this.sink.end(task);
    return this;
  }

  /** Runs until all tasks have ended. Throws when they do not, and what a trap of the engine means. */
  run(): this {
    const { functions } = this.world;
    const stop = (name: string): number => this.world.value(`RUN_${name}`);
    try {
      for (;;) {
        const reason = functions.run(10_000);
        if (reason === stop("DONE")) return this;
        if (reason === stop("FEED")) throw new Error("a task ran dry");
        if (reason === stop("STUCK")) throw new Error("nothing can move any more");
      }
    } catch (error) {
      throw explainTrap(error, this.world);
    }
  }

  /** Where a CPU's clock stands. */
  clock(cpu: number): number {
    return Number(this.world.u64[this.#time(cpu, "CK_CLOCK") / 8]);
  }

  /** What a CPU's cycles were called; they add up to its clock. */
  cycles(cpu: number): Record<CycleKind, number> {
    const first = (this.#stats(cpu) + this.world.value("ST_CYCLES")) / 8;
    const read = (kind: CycleKind): number =>
      Number(this.world.u64[first + this.world.value(`CYCLES_${kind}`)]);
    return Object.fromEntries(CYCLE_KINDS.map((kind) => [kind, read(kind)])) as Record<CycleKind, number>;
  }

  /** A counter of the engine, for one CPU. */
  tally(cpu: number, name: string): number {
    const at = this.#stats(cpu) + this.world.value("ST_TLB") + this.world.value(name) * 8;
    return Number(this.world.u64[at / 8]);
  }

  /** Latencies of an entry, or of "shootdown", in the order in which they ended. */
  latencies(entry: string): number[] {
    const { u32, program } = this.world;
    const base = this.world.value("samples") / 4;
    const index =
      entry === "shootdown"
        ? this.world.value("SAMPLE_SHOOTDOWN")
        : program.entries.findIndex(({ name }) => name === entry);
    const all = Array.from({ length: u32[base]! }, (_, i) => base + 16 + i * 4);
    return all.filter((at) => u32[at] === index).map((at) => u32[at + 2]! + u32[at + 3]! * 2 ** 32);
  }

  word(kind: RecordKind, record: number, word: number): bigint {
    return this.world.u64[this.#word(kind, record, word)]!;
  }

  setWord(kind: RecordKind, record: number, word: number, value: bigint): void {
    this.world.u64[this.#word(kind, record, word)] = value;
  }

  #word(kind: RecordKind, record: number, word: number): number {
    const at = this.world.value("RECORDS") / 4 + RECORD_KINDS.indexOf(kind) * 2;
    return (this.world.u32[at]! + this.world.u32[at + 1]! * record) / 8 + word;
  }

  #time(cpu: number, field: string): number {
    return this.world.value("clkBase") + cpu * this.world.value("clkStride") + this.world.value(field);
  }

  #stats(cpu: number): number {
    return this.world.value("stBase") + cpu * this.world.value("stStride");
  }
}
