import type { World } from "./world.js";

/** Pages of a flush that leaves nothing, as the kernel's tlb_flush prints it. */
export const FULL = -1;

/** What each CPU has counted of its own flushes, looked at after each step. */
export class FlushCounters {
  readonly #u64: BigUint64Array;
  readonly #stride: number;
  /** Words of CPU 0's counters: full flushes, and ranged ones. */
  readonly #words: readonly [full: number, ranged: number];
  /** Words of CPU 0's last request, and from one CPU to the next: start, end and stride. */
  readonly #request: readonly number[];
  readonly #requests: number;
  readonly #seen: BigUint64Array;

  constructor(world: World) {
    const base = world.value("stBase") + world.value("ST_COUNTERS");
    const word = (name: string): number => base / 8 + world.program.counters.indexOf(name);
    this.#u64 = world.u64;
    this.#stride = world.value("stStride") / 8;
    this.#words = [word("flushes.full"), word("flushes.ranged")];
    const field = (name: string, cpu: number): number => world.fieldAddress("cpu", name, cpu) / 8;
    this.#request = ["info_start", "info_end", "info_stride_shift"].map((name) => field(name, 0));
    this.#requests = field("info_start", 1) - field("info_start", 0);
    this.#seen = new BigUint64Array(2 * world.size.cpus);
  }

  /**
   * Pages of the flush that the CPU's last step has completed, FULL for all; undefined if it was none. As the kernel prints them:
   * whole steps of the stride, so that freeing one page table without a page is a flush of none.
   */
  flushedBy(cpu: number): number | undefined {
    const full = this.#added(cpu, 0);
    const ranged = this.#added(cpu, 1);
    if (full + ranged === 0) return undefined;
    if (full > 0) return FULL;
    const [start, end, stride] = this.#request.map((word) => this.#u64[word + cpu * this.#requests]!);
    return Number((end! - start!) >> stride!);
  }

  #added(cpu: number, which: 0 | 1): number {
    const now = this.#u64[this.#words[which] + cpu * this.#stride]!;
    const added = Number(now - this.#seen[2 * cpu + which]!);
    this.#seen[2 * cpu + which] = now;
    return added;
  }
}
