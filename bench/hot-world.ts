/**
 * The engine with nothing but a user program: one CPU, one task, one stream of accesses, every page mapped beforehand. What runs is the
 * whole clock, quanta and all, as in a simulation; no access ever faults, so the kernel has nothing to do.
 */
import { assemble, program, record, u64 } from "../src/dsl/index.js";
import type { Program } from "../src/dsl/program.js";
import type { Build } from "../src/engine/load.js";
import { createWorld, structuresOf, type World, type WorldSize } from "../src/engine/world.js";
import type { MachineNumbers } from "../src/machine/preset.js";
import { type Contestant, type Counts, cpuTime, type Pass } from "./passes.js";
import type { Stream } from "./streams.js";

export interface HotOptions {
  readonly name: string;
  readonly build: Build;
  readonly oracle: boolean;
  /** 1 unless said; each has a task. */
  readonly cpus?: number;
  /** Cycles; the machine's unless said. */
  readonly quantum?: number;
}

/** Lines of a CPU's private cache; runSimulation() takes as many. */
export const CACHE_LINES = 1024;
const RADIX_BITS = 9;
const ROOT = 1;
const PCID = 1;
/** Present, writable, user; A and D are left to the simulated CPU. */
const LEAF_BITS = 0x7n;
/** Quanta between two looks of the host; runSimulation() takes as many. */
const QUANTA = 2000;

/** A kernel that lets a task run on each CPU, and gives up on a fault. */
function userKernel(cpus: number): Program {
  return assemble({
    records: [record("task", { mm: u64 })],
    entries: [
      program("context_switch", ["next"], (k) => k.loadCr3("load the root", ROOT, PCID, false)),
      program("page_fault", ["vpn", "access"], (k) => k.return(1)),
      program("call_function_interrupt", [], (k) => k.fence("nothing to do", "mb")),
      program("allocate", [], (k) => void k.allocFrame("a frame for a page")),
    ],
    cpus,
    radixBits: RADIX_BITS,
  });
}

/** A world before its first step in which all pages of a stream are mapped, for every CPU. */
export function mappedWorld(stream: Stream, machine: MachineNumbers, options: HotOptions): World {
  const size = sizeOf(stream, machine, options);
  const world = createWorld(options.build, userKernel(size.cpus), size, structuresOf(machine), {
    prices: machine.prices,
    works: [],
    perCore: machine.topology.threadsPerCore,
    perCcx: machine.topology.threadsPerCore * machine.topology.coresPerCcx,
    perSocket: machine.topology.threadsPerCore * machine.topology.coresPerSocket,
  });
  allocateFrames(world, stream.pages.length);
  mapPages(world, stream.pages);
  return world;
}

/** Where counts of hot-path.c come from, in its order; `cycles` is what user mode and walks took together. */
const COUNTERS = [
  ["accesses", "TLB_ACCESSES"],
  ["l1Hits", "TLB_L1_HITS"],
  ["stlbHits", "TLB_STLB_HITS"],
  ["walks", "TLB_WALKS"],
  ["walkReads", "TLB_WALK_READS"],
  ["walkCycles", "TLB_WALK_CYCLES"],
  ["assists", "TLB_ASSISTS"],
] as const;

/** A world that runs one stream over and over. Throws when an access faults, or the engine stops for any other reason. */
export class HotWorld implements Contestant {
  readonly name: string;
  readonly #world: World;
  readonly #records: number;
  #appended = 0;

  constructor(stream: Stream, machine: MachineNumbers, options: HotOptions) {
    this.name = options.name;
    this.#records = stream.records.length / 2;
    this.#world = mappedWorld(stream, machine, options);
    this.#world.u32.set(stream.records, this.#world.value("feedBase") / 4);
  }

  pass(): Pass {
    const { functions, u64, value } = this.#world;
    const more = value("RUN_MORE");
    const before = this.#read();
    const start = cpuTime();
    this.#appended += this.#records;
    u64[(value("taskTime") + value("TT_APPENDED")) / 8] = BigInt(this.#appended);
    if (before.accesses === 0) functions.startTask(0, 0);
    else functions.fed();
    let reason = functions.run(QUANTA);
    while (reason === more) reason = functions.run(QUANTA);
    const nanoseconds = cpuTime() - start;
    const after = this.#read();
    const counts = Object.fromEntries(
      Object.entries(after).map(([name, count]) => [name, count - before[name]!]),
    );
    if (reason !== value("RUN_FEED") || counts.accesses !== this.#records)
      throw new Error(`the engine stopped (${reason}) after ${counts.accesses} of ${this.#records} accesses`);
    if (functions.violationsSoFar() > 0)
      throw new Error("a stream that changes no page table broke an invariant");
    if (this.#faults() > 0)
      throw new Error(`${this.#faults()} accesses faulted, although every page is mapped`);
    return { nanoseconds, counts };
  }

  #read(): Counts {
    const { u64, value } = this.#world;
    const at = (offset: number): number => Number(u64[(value("stBase") + offset) / 8]!);
    const cycles = (kind: string): number => at(value("ST_CYCLES") + value(`CYCLES_${kind}`) * 8);
    return {
      ...Object.fromEntries(
        COUNTERS.map(([name, counter]) => [name, at(value("ST_TLB") + value(counter) * 8)]),
      ),
      cycles: cycles("USER") + cycles("WALK"),
    };
  }

  /** Accesses that faulted, ever. */
  #faults(): number {
    const { u64, value } = this.#world;
    return Number(u64[(value("stBase") + value("ST_TLB") + value("TLB_FAULTS") * 8) / 8]!);
  }
}

function sizeOf(stream: Stream, machine: MachineNumbers, options: HotOptions): WorldSize {
  return {
    cpus: options.cpus ?? 1,
    mms: 1,
    tasks: options.cpus ?? 1,
    // The root, and at most three tables below it for a page.
    tables: 2 + Math.min(3 * stream.pages.length, 40_000),
    frames: stream.pages.length + 1,
    radixBits: RADIX_BITS,
    model: "tso",
    assist: "strict",
    storeBuffer: 8,
    ranges: 16,
    cache: 16,
    ring: stream.records.length / 2,
    lines: CACHE_LINES,
    oracle: options.oracle,
    canonical: false,
    quantum: options.quantum ?? machine.quantumCycles,
    // Each CPU has only one task, which never has to give way.
    slice: 2 ** 31,
    boundOrder: 0,
  };
}

/** Frames 1, 2, 3 ... are alive afterwards. */
function allocateFrames({ functions, entryPc }: World, count: number): void {
  for (let i = 0; i < count; i++) {
    functions.begin(0, entryPc("allocate"));
    while (functions.isLive(0)) functions.step(0);
  }
}

/** Builds the page table; tables are numbered as they are needed, from the root on, as hot-path.c numbers them. */
function mapPages({ u32, u64, value, size }: World, pages: readonly number[]): void {
  const entries = 2 ** RADIX_BITS;
  const entryAt = (table: number, vpn: number, level: number): number =>
    value("tablePages") / 8 + table * entries + (Math.floor(vpn / entries ** level) % entries);
  // The oracle takes a walk through a table that nobody has allocated for one through a freed table.
  const allocate = (table: number, level: number): void => {
    const meta = value("tableMeta") + table * value("TM_BYTES");
    u32[(meta + value("TM_LIVE")) / 4] = 1;
    u32[(meta + value("TM_ROOT")) / 4] = ROOT;
    u32[(meta + value("TM_LEVEL")) / 4] = level;
  };
  let last = ROOT;
  allocate(ROOT, 3);
  for (const [index, vpn] of pages.entries()) {
    let table = ROOT;
    for (let level = 3; level > 0; level--) {
      const at = entryAt(table, vpn, level);
      if (u64[at] === 0n) {
        u64[at] = (BigInt(++last) << 12n) | LEAF_BITS;
        allocate(last, level - 1);
      }
      table = Number(u64[at]! >> 12n);
    }
    u64[entryAt(table, vpn, 0)] = (BigInt(index + 1) << 12n) | LEAF_BITS;
  }
  if (last >= size.tables)
    throw new RangeError(`${pages.length} pages need ${last} tables, there are ${size.tables}`);
}
