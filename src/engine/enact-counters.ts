import type { World } from "./world.js";

/** Pages of a flush that leaves nothing, as the kernel's tlb_flush prints it. */
export const FULL = -1;
const TLB_FLUSH_ALL = (1n << 64n) - 1n;
/** Label of the step that completes a request (get_flush_tlb_info). */
const lastLabel = "info->new_tlb_gen";

/** What each CPU asks to have flushed, and what it flushes itself, looked at after each step. */
export class FlushCounters {
  readonly #u64: BigUint64Array;
  readonly #stride: number;
  /** Words of CPU 0's counters: full flushes, and ranged ones. */
  readonly #words: readonly [full: number, ranged: number];
  /** Words of CPU 0's last request, and from one CPU to the next. */
  readonly #start: number;
  readonly #end: number;
  readonly #shift: number;
  readonly #requests: number;
  readonly #lastWrites: ReadonlySet<number>;
  /** For each CPU its counters. */
  readonly #seen: BigUint64Array;

  constructor(world: World) {
    const base = world.value("stBase") + world.value("ST_COUNTERS");
    const word = (name: string): number => base / 8 + world.program.counters.indexOf(name);
    this.#u64 = world.u64;
    this.#stride = world.value("stStride") / 8;
    this.#words = [word("flushes.full"), word("flushes.ranged")];
    const field = (name: string, cpu = 0): number => world.fieldAddress("cpu", name, cpu) / 8;
    this.#start = field("info_start");
    this.#end = field("info_end");
    this.#shift = field("info_stride_shift");
    // The word of a request that is written last.
    const { sites, ops } = world.program;
    this.#lastWrites = new Set(ops.flatMap(({ site }, pc) => (sites[site]?.label === lastLabel ? [pc] : [])));
    if (this.#lastWrites.size === 0) throw new RangeError(`the program has no step '${lastLabel}'`);
    this.#requests = field("info_start", 1) - field("info_start", 0);
    this.#seen = new BigUint64Array(2 * world.size.cpus);
  }

  /** Pages that the CPU has asked for with its last step, at `pc`, FULL for all; undefined if it was another step. */
  askedBy(cpu: number, pc: number): number | undefined {
    return this.#lastWrites.has(pc) ? this.#request(cpu, false) : undefined;
  }

  /** Pages of the flush that the CPU's last step has completed, FULL for all; undefined if it was none. */
  flushedBy(cpu: number): number | undefined {
    const full = this.#added(cpu, 0);
    const ranged = this.#added(cpu, 1);
    if (full + ranged === 0) return undefined;
    return full > 0 ? FULL : this.#request(cpu, true);
  }

  /**
   * As the kernel prints it: pages where it asks others, whole steps of the stride where it flushes, so that freeing a page table
   * without a page is a flush of one, and then of none.
   */
  #request(cpu: number, inSteps: boolean): number {
    const at = cpu * this.#requests;
    const end = this.#u64[this.#end + at]!;
    if (end === TLB_FLUSH_ALL) return FULL;
    return Number((end - this.#u64[this.#start + at]!) >> (inSteps ? this.#u64[this.#shift + at]! : 0n));
  }

  #added(cpu: number, which: 0 | 1): number {
    const now = this.#u64[this.#words[which] + cpu * this.#stride]!;
    const added = Number(now - this.#seen[2 * cpu + which]!);
    this.#seen[2 * cpu + which] = now;
    return added;
  }
}
