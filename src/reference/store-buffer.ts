/* The stores of one CPU that other CPUs cannot see yet. */
import type { Cell, Memory } from "./memory.js";
import type { MachineConfig } from "./state.js";

const STORE = 1;

interface BufferedStore {
  readonly cell: Cell;
  readonly value: bigint;
  readonly site: number;
  /** A write barrier stands before this store. */
  barrier: boolean;
}

export class StoreBuffer {
  /** Oldest first. */
  stores: BufferedStore[] = [];
  barrierNext = false;
  private readonly memory: Memory;
  private readonly config: MachineConfig;

  private readonly cpu: number;

  constructor(memory: Memory, cpu: number) {
    this.cpu = cpu;
    this.memory = memory;
    this.config = memory.config;
  }

  /** What this CPU reads: its own youngest store to the cell, else memory. */
  load(cell: Cell): bigint {
    const own = this.stores.findLast((store) => sameCell(store.cell, cell));
    return own === undefined ? this.memory.look(cell) : own.value;
  }

  /** A plain store. A full buffer first lets its oldest one go. */
  store(cell: Cell, value: bigint, site: number): void {
    if (this.config.model === "sc") {
      this.memory.overwrite(cell, value, { site, cpu: this.cpu });
      return;
    }
    // Reading rejects a cell that does not exist now, at the step that names it, and not when it drains.
    this.memory.read(cell);
    if (this.stores.length === this.config.storeBuffer) this.drain(0);
    this.stores.push({ cell, value, site, barrier: this.barrierNext && this.stores.length > 0 });
    this.barrierNext = false;
  }

  canDrain(index: number): boolean {
    if (index >= this.stores.length) return false;
    if (index === 0) return true;
    if (this.config.model !== "weak") return false;
    const older = this.stores.slice(0, index);
    const barriers = this.stores.slice(1, index + 1).some((store) => store.barrier);
    return !barriers && !older.some((store) => sameCell(store.cell, this.stores[index]!.cell));
  }

  /** Makes the index-th oldest store visible; `canDrain` says whether it may. */
  drain(index: number): void {
    const [store] = this.stores.splice(index, 1);
    const by = { site: store!.site, cpu: this.cpu };
    this.memory.noteUse(store!.cell, STORE, by);
    this.memory.overwrite(store!.cell, store!.value, by);
    // A barrier with nothing before it holds nothing back.
    if (this.stores.length > 0) this.stores[0]!.barrier = false;
    else this.barrierNext = false;
  }

  drainAll(): void {
    while (this.stores.length > 0) this.drain(0);
  }

  /** What an atomic that orders nothing still waits for: barriers that stand before it, and its own cell's stores. */
  drainFor(cell: Cell): void {
    const barrier = this.barrierNext
      ? this.stores.length
      : this.stores.findLastIndex((store) => store.barrier);
    for (let before = barrier; before > 0; before--) this.drain(0);
    for (;;) {
      const index = this.stores.findIndex((store) => sameCell(store.cell, cell));
      if (index < 0) return;
      this.drain(index);
    }
  }

  /** Later stores may not become visible before those in the buffer now. Only `weak` needs to be told. */
  writeBarrier(): void {
    if (this.config.model === "weak" && this.stores.length > 0) this.barrierNext = true;
  }
}

function sameCell(left: Cell, right: Cell): boolean {
  return left.kind === right.kind && left.record === right.record && left.word === right.word;
}
