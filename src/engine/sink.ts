/** The engine's side of a feed: rings of 8-byte records in the world's memory. */
import type { AccessKind, FeedSink } from "../workload/feed.js";
import type { World } from "./world.js";

/** Records that a ring keeps free, so that an `end` always fits. */
const RESERVED = 2;

/** User addresses are below this. */
const ADDRESS_END = 2 ** 47;

/**
 * A sink over a world's rings.
 *
 * Throws: RangeError when a feed names a task, an address space, an entry or an address that cannot be, or gives more
 * than there is room for.
 */
export class RingSink implements FeedSink {
  readonly #world: World;
  readonly #ringWords: number;
  readonly #low: Uint32Array;
  readonly #feedBase: number;
  readonly #taskTime: number;
  readonly #taskBytes: number;
  readonly #entries: ReadonlyMap<string, number>;
  /** Records appended, by task; the engine reads its copy in TT_APPENDED. */
  readonly #appended: Float64Array;
  /** What each task may append before it has to be looked at how much it has consumed. */
  readonly #limit: Float64Array;
  readonly #ended: Uint8Array;
  #calls = 0;
  #used = 0;

  constructor(world: World) {
    this.#world = world;
    this.#ringWords = world.size.ring;
    this.#low = world.u32;
    this.#feedBase = world.value("feedBase");
    this.#taskTime = world.value("taskTime");
    this.#taskBytes = world.value("TT_BYTES");
    this.#entries = new Map(world.program.entries.map((entry, index) => [entry.name, index]));
    this.#appended = new Float64Array(world.size.tasks);
    this.#limit = new Float64Array(world.size.tasks);
    this.#ended = new Uint8Array(world.size.tasks);
  }

  /** Whether the feed has said that no more will come for this task. */
  hasEnded(task: number): boolean {
    return this.#ended[task] !== 0;
  }

  /** One more than the last task that has got records. */
  get used(): number {
    return this.#used;
  }

  room(task: number): number {
    return this.#ringWords - RESERVED - (this.#appended[task]! - this.#consumed(task));
  }

  position(task: number): number {
    return this.#appended[task]!;
  }

  callRank(): number {
    return this.#calls;
  }

  access(task: number, address: number, kind: AccessKind): void {
    if (!(address >= 0 && address < ADDRESS_END)) throw new RangeError(`there is no user address ${address}`);
    this.#push(task, ((address & 0xfffffff0) | kind) >>> 0, (address / 2 ** 32) >>> 0);
  }

  accesses(task: number, words: Uint32Array, count: number): void {
    const position = this.#positionOf(task);
    if (position + count > this.#limit[task]!) this.#raiseLimit(task, position + count - 1);
    const ring = (this.#feedBase + task * this.#ringWords * 8) / 4;
    const at = position & (this.#ringWords - 1);
    // Up to the end of the ring, and what is left from its beginning.
    const before = Math.min(count, this.#ringWords - at);
    this.#low.set(words.subarray(0, 2 * before), ring + 2 * at);
    if (before < count) this.#low.set(words.subarray(2 * before, 2 * count), ring);
    this.#setPosition(task, position + count);
  }

  compute(task: number, cycles: number): void {
    this.#control(task, 4, cycles);
  }

  call(task: number, entry: string, args: readonly (number | bigint)[]): void {
    const index = this.#entries.get(entry);
    if (index === undefined) throw new RangeError(`the kernel has no entry '${entry}'`);
    if (args.length > 6)
      throw new RangeError(`a call takes at most 6 arguments, ${entry} got ${args.length}`);
    const rank = this.#calls++;
    const word = (BigInt(rank) << 20n) | (BigInt(index) << 4n) | 5n;
    this.#pushBig(task, word);
    for (let i = 0; i < 7; i++) this.#pushBig(task, BigInt(args[i] ?? 0));
  }

  waitCalls(task: number, rank: number): void {
    this.#control(task, 6, rank);
  }

  waitTask(task: number, other: number, records: number): void {
    this.#mustExist(other);
    this.#control(task, 7, other);
    this.#push(task, records >>> 0, (records / 2 ** 32) >>> 0);
  }

  start(task: number, child: number): void {
    this.#mustExist(child);
    this.#control(task, 8, child);
  }

  thread(child: number, mm: number): void {
    this.#mustExist(child);
    if (!(mm >= 0 && mm < this.#world.size.mms)) throw new RangeError(`there is no address space ${mm}`);
    const { u64 } = this.#world;
    u64[this.#world.fieldAddress("task", "mm", child) / 8] = BigInt(mm);
    const users = this.#world.fieldAddress("mm", "mm_users", mm) / 8;
    u64[users] = u64[users]! + 1n;
  }

  end(task: number): void {
    this.#ended[task] = 1;
    this.#control(task, 9, 0);
  }

  /** value << 4 | kind, for values below 2^53. */
  #control(task: number, kind: number, value: number): void {
    const low = value % 2 ** 28;
    this.#push(task, ((low << 4) | kind) >>> 0, Math.floor(value / 2 ** 28) >>> 0);
  }

  #pushBig(task: number, value: bigint): void {
    const word = BigInt.asUintN(64, value);
    this.#push(task, Number(word & 0xffffffffn), Number(word >> 32n));
  }

  #push(task: number, low: number, high: number): void {
    const position = this.#positionOf(task);
    if (position >= this.#limit[task]!) this.#raiseLimit(task, position);
    const at = (this.#feedBase + task * this.#ringWords * 8) / 4 + (position & (this.#ringWords - 1)) * 2;
    this.#low[at] = low;
    this.#low[at + 1] = high;
    this.#setPosition(task, position + 1);
  }

  #positionOf(task: number): number {
    const position = this.#appended[task];
    if (position === undefined) throw new RangeError(`there is no task ${task}`);
    return position;
  }

  #setPosition(task: number, position: number): void {
    this.#appended[task] = position;
    const appended = (this.#taskTime + task * this.#taskBytes + 8) / 4;
    this.#low[appended] = position >>> 0;
    this.#low[appended + 1] = (position / 2 ** 32) >>> 0;
  }

  #raiseLimit(task: number, position: number): void {
    // The first record of a task comes here.
    this.#used = Math.max(this.#used, task + 1);
    this.#limit[task] = this.#consumed(task) + this.#ringWords;
    if (position >= this.#limit[task]!) throw new RangeError(`the ring of task ${task} is full`);
  }

  #mustExist(task: number): void {
    if (this.#appended[task] === undefined) throw new RangeError(`there is no task ${task}`);
  }

  #consumed(task: number): number {
    const at = (this.#taskTime + task * this.#taskBytes) / 4;
    return this.#low[at]! + this.#low[at + 1]! * 2 ** 32;
  }
}
