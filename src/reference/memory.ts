/* What all CPUs share: records of words, page tables, frames, address-space maps and the page cache. */
import type { Program, RecordKind } from "../dsl/program.js";
import type { Oracle } from "./oracle.js";
import { DIRTY, has, PRESENT } from "./pte.js";
import { RangeMap } from "./range-map.js";
import type { AccessKind, MachineConfig } from "./state.js";

const WORD = (1n << 64n) - 1n;

/** Names one 64-bit word: of a record, or (kind `pte`) the entry `word` of the table `record`. */
export interface Cell {
  readonly kind: RecordKind | "pte";
  readonly record: number;
  readonly word: number;
}

/** The step that asked for a write: its site and its CPU, -1 for none. */
export interface Origin {
  readonly site: number;
  readonly cpu: number;
}

export interface Table {
  live: boolean;
  root: number;
  level: number;
  base: number;
  readonly entries: Map<number, bigint>;
  /** Indexes of entries in which hardware set D and that no program has read since. */
  readonly unseen: Set<number>;
}

export class Memory {
  readonly config: MachineConfig;
  readonly words: Record<RecordKind, bigint[][]>;
  readonly tables: Table[] = [];
  /** Free numbers, the next one to hand out last. */
  readonly freeTables: number[] = [];
  /** Freed frames, the next one to hand out last; and those that were never used, from the next one on. */
  private readonly freedFrames: number[] = [];
  private unusedFrom = 1;
  /** Freed blocks, by order: the first frame of each, the next one to hand out last. */
  readonly freeBlocks = new Map<number, number[]>();
  private readonly allocated = new Set<number>();
  readonly ranges: RangeMap[];
  readonly cache = new Map<bigint, bigint>();
  private readonly oracle: Oracle;

  constructor(program: Program, config: MachineConfig, oracle: Oracle) {
    this.config = config;
    this.oracle = oracle;
    const records = (kind: RecordKind, count: number) =>
      Array.from({ length: count }, () => new Array<bigint>(program.layout.words[kind]).fill(0n));
    this.words = {
      global: records("global", 1),
      mm: records("mm", config.mms),
      cpu: records("cpu", config.cpus),
      task: records("task", config.tasks),
      table: records("table", config.tables),
      frame: records("frame", config.frames),
    };
    for (let table = 0; table < config.tables; table++) {
      this.tables.push({ live: false, root: 0, level: 0, base: 0, entries: new Map(), unseen: new Set() });
    }
    for (let table = config.tables - 1; table >= 1; table--) this.freeTables.push(table);
    this.ranges = Array.from({ length: config.mms }, () => new RangeMap());
  }

  /** What is visible to everyone. Throws RangeError for a cell that does not exist. */
  read(cell: Cell): bigint {
    if (cell.kind === "pte") return this.table(cell.record, cell.word).entries.get(cell.word) ?? 0n;
    return this.recordOf(cell)[cell.word]!;
  }

  /** A store or atomic of a program becomes visible to everyone. */
  write(cell: Cell, value: bigint, by: Origin): void {
    value &= WORD;
    if (cell.kind !== "pte") {
      this.recordOf(cell)[cell.word] = value;
      return;
    }
    const table = this.table(cell.record, cell.word);
    const old = table.entries.get(cell.word) ?? 0n;
    table.unseen.delete(cell.word);
    if (value === 0n) table.entries.delete(cell.word);
    else table.entries.set(cell.word, value);
    this.oracle.pteWritten(table, cell.word, old, value, by);
  }

  /** A plain store: unlike an exchange, it does not look at what it wipes out. */
  overwrite(cell: Cell, value: bigint, by: Origin): void {
    if (cell.kind === "pte") {
      const table = this.table(cell.record, cell.word);
      const isLost = table.live && table.unseen.has(cell.word) && !has(value, DIRTY);
      if (isLost) this.oracle.dirtyOverwritten(table, cell.word, by);
    }
    this.write(cell, value, by);
  }

  /** A program is about to use a cell: of a page table that is free, it must not. */
  noteUse(cell: Cell, kind: AccessKind, by: Origin): void {
    if (cell.kind === "pte" && !this.isLiveTable(cell.record))
      this.oracle.deadTableUsed(cell.record, kind, by);
  }

  /** A program reads what is visible to everyone. */
  look(cell: Cell): bigint {
    if (cell.kind === "pte") this.table(cell.record, cell.word).unseen.delete(cell.word);
    return this.read(cell);
  }

  /** What a walker does: sets A or D. */
  setPteBits(number: number, index: number, bits: bigint): void {
    const table = this.table(number, index);
    const old = table.entries.get(index) ?? 0n;
    table.entries.set(index, old | bits);
    if (!has(bits & ~old, DIRTY) || !has(old, PRESENT)) return;
    table.unseen.add(index);
    this.oracle.pteDirtied(table, index, old | bits);
  }

  private recordOf(cell: Cell): bigint[] {
    const record = this.words[cell.kind as RecordKind][cell.record];
    if (record === undefined || record[cell.word] === undefined) {
      throw new RangeError(`no word ${cell.word} in ${cell.kind} record ${cell.record}`);
    }
    return record;
  }

  /** Throws RangeError for table 0, a number beyond the configuration, or an index beyond the radix. */
  table(table: number, index = 0): Table {
    if (!this.isTable(table) || index >= 2 ** this.config.radixBits) {
      throw new RangeError(`no entry ${index} in table ${table}`);
    }
    return this.tables[table]!;
  }

  isTable(table: number): boolean {
    return table >= 1 && table < this.config.tables;
  }

  isLiveTable(table: number): boolean {
    return this.isTable(table) && this.tables[table]!.live;
  }

  isFrame(pfn: number): boolean {
    return pfn >= 1 && pfn < this.config.frames;
  }

  isAllocated(pfn: number): boolean {
    return this.allocated.has(pfn);
  }

  /** A zeroed page table, or 0 when there is none left. `root` undefined makes it its own root. */
  allocateTable(root: number | undefined, level: number, base: number): number {
    const number = this.freeTables.pop();
    if (number === undefined) return 0;
    const table = this.tables[number]!;
    table.live = true;
    table.root = root ?? number;
    table.level = level;
    table.base = base;
    table.entries.clear();
    table.unseen.clear();
    return number;
  }

  /** The contents stay, as they do in a real machine: a stale walk cache still reaches them. */
  freeTable(number: number, site: number): void {
    const table = this.table(number);
    if (!table.live) throw new Error(`table ${number} is freed twice`);
    this.oracle.tableFreed(number, table.root, site);
    table.unseen.clear();
    table.live = false;
    table.root = 0;
    table.level = 0;
    table.base = 0;
    this.freeTables.push(number);
  }

  /** Single free frames, the next one to hand out first. */
  get freeFrames(): number[] {
    const unused = Array.from(
      { length: this.config.frames - this.unusedFrom },
      (_, at) => this.unusedFrom + at,
    );
    return [...this.freedFrames.toReversed(), ...unused];
  }

  /** 2^order frames in a row, the first number a multiple of that, or 0. A single one may come out of a block that is free. */
  allocateFrames(order: number): number {
    const first = order === 0 ? this.takeFrame() : this.takeBlock(order);
    if (first !== 0) for (const pfn of row(first, 2 ** order)) this.allocated.add(pfn);
    return first;
  }

  private takeFrame(): number {
    const freed = this.freedFrames.pop();
    if (freed !== undefined) return freed;
    if (this.unusedFrom < this.config.frames) return this.unusedFrom++;
    const { radixBits } = this.config;
    for (const order of [radixBits, 2 * radixBits]) {
      const block = this.freeBlocks.get(order)?.pop();
      if (block === undefined) continue;
      this.freedFrames.push(...row(block, 2 ** order).toReversed());
      return this.freedFrames.pop()!;
    }
    return 0;
  }

  private takeBlock(order: number): number {
    const freed = this.freeBlocks.get(order)?.pop();
    if (freed !== undefined) return freed;
    const count = 2 ** order;
    const first = Math.ceil(this.unusedFrom / count) * count;
    if (first + count > this.config.frames) return 0;
    this.freedFrames.push(...row(this.unusedFrom, first - this.unusedFrom).toReversed());
    this.unusedFrom = first + count;
    return first;
  }

  freeFramesAt(first: number, order: number, site: number): void {
    for (const pfn of row(first, 2 ** order)) {
      if (!this.isAllocated(pfn)) throw new Error(`frame ${pfn} is freed but not allocated`);
      this.allocated.delete(pfn);
      this.oracle.frameFreed(pfn, site);
    }
    if (order === 0) this.freedFrames.push(first);
    else this.freeBlocks.set(order, [...(this.freeBlocks.get(order) ?? []), first]);
  }
}

function row(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => first + at);
}
