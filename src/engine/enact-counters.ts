import type { World } from "./world.js";

/** Pages of a flush that leaves nothing, as the kernel's tlb_flush prints it. */
export const FULL = -1;

/** What each CPU has counted of its own flushes, looked at after each step. */
export class FlushCounters {
  readonly #u64: BigUint64Array;
  readonly #stride: number;
  /** Words of CPU 0's counters: full flushes, ranged ones, and the pages of those. */
  readonly #words: readonly [full: number, ranged: number, pages: number];
  readonly #seen: BigUint64Array;

  constructor(world: World) {
    const base = world.value("stBase") + world.value("ST_COUNTERS");
    const word = (name: string): number => base / 8 + world.program.counters.indexOf(name);
    this.#u64 = world.u64;
    this.#stride = world.value("stStride") / 8;
    this.#words = [word("flushes.full"), word("flushes.ranged"), word("flushes.pages")];
    this.#seen = new BigUint64Array(3 * world.size.cpus);
  }

  /** Pages of the flush that the CPU's last step has completed, FULL for all; undefined if it was none. */
  flushedBy(cpu: number): number | undefined {
    const full = this.#added(cpu, 0);
    const ranged = this.#added(cpu, 1);
    if (full + ranged === 0) return undefined;
    const pages = this.#added(cpu, 2);
    return full > 0 ? FULL : pages;
  }

  #added(cpu: number, which: 0 | 1 | 2): number {
    const now = this.#u64[this.#words[which] + cpu * this.#stride]!;
    const added = Number(now - this.#seen[3 * cpu + which]!);
    this.#seen[3 * cpu + which] = now;
    return added;
  }
}
