/**
 * What the ops of a case touch that anybody else can touch: words of records as *cells*, everything else as fixed *things*.
 *
 * A footprint is a pair of sets. Two transitions commute when neither changes what the other uses or changes. What may happen in any order
 * among itself, such as dropping translations, counts as use; what must not be mixed with it, such as filling them, as change.
 */

import { NONE } from "../dsl/isa.js";
import type { FieldPlace, MicroOp, Program, RecordKind } from "../dsl/program.js";
import { fieldOf, type Known } from "./known-values.js";

/** Sets of cells and things, as bits. */
export interface Footprint {
  readonly uses: bigint;
  readonly changes: bigint;
}

export const NOTHING: Footprint = { uses: 0n, changes: 0n };

export function both(left: Footprint, right: Footprint): Footprint {
  return { uses: left.uses | right.uses, changes: left.changes | right.changes };
}

/** Things that are no words of records. The first seven are one for the machine, the others one for each CPU or address space. */
export interface Things {
  /** Entries that lead to tables, and entries that lead to frames. */
  readonly upper: bigint;
  readonly leaf: bigint;
  /** What the oracle has noted on translations. */
  readonly marks: bigint;
  /** Which frames are free, how often each was freed, open copies. */
  readonly frames: bigint;
  readonly tables: bigint;
  readonly cache: bigint;
  /** Which calls are under way, as far as a promise at their end depends on it. */
  readonly calls: bigint;
  ranges(mm: Known): bigint;
  /** Translations: filling changes, dropping uses. */
  translations(cpu: number): bigint;
  /** The loaded root and its PCID. */
  root(cpu: number): bigint;
  queue(cpu: number): bigint;
  /** Whether it runs a call or an interrupt handler, which the oracle asks at accesses. */
  running(cpu: Known): bigint;
  /** The pending interrupt: raising uses, taking changes. */
  pending(cpu: number): bigint;
  /** How many bits all of them take. */
  readonly count: number;
}

/** Bits of the numbers that are possible; of all numbers below `limit` when any is. */
function sum(bitOf: (one: number) => bigint, which: Known, limit: number): bigint {
  const named =
    which?.filter((one) => one < BigInt(limit)).map(Number) ?? Array.from({ length: limit }, (_, one) => one);
  return named.reduce((bits, one) => bits | bitOf(one), 0n);
}

export function thingsOf(cpus: number, mms: number): Things {
  const bit = (index: number): bigint => 1n << BigInt(index);
  const perCpu = 7 + mms;
  return {
    upper: bit(0),
    leaf: bit(1),
    marks: bit(2),
    frames: bit(3),
    tables: bit(4),
    cache: bit(5),
    calls: bit(6),
    ranges: (mm) => sum((one) => bit(7 + one), mm, mms),
    translations: (cpu) => bit(perCpu + 5 * cpu),
    root: (cpu) => bit(perCpu + 5 * cpu + 1),
    queue: (cpu) => bit(perCpu + 5 * cpu + 2),
    pending: (cpu) => bit(perCpu + 5 * cpu + 3),
    running: (cpu) => sum((one) => bit(perCpu + 5 * one + 4), cpu, cpus),
    count: perCpu + 5 * cpus,
  };
}

/** A record's word, or all words of one field of it; of tables and frames, that word of all of them. */
export interface Cell {
  readonly kind: RecordKind;
  readonly record: number;
  readonly place: string;
}

/** Hands out a bit for each cell that is asked for. */
export class Cells {
  readonly #program: Program;
  readonly #records: Readonly<Record<RecordKind, number>>;
  readonly #first: number;
  readonly #numbers = new Map<string, number>();
  readonly cells: Cell[] = [];

  constructor(program: Program, records: Readonly<Record<RecordKind, number>>, first: number) {
    this.#program = program;
    this.#records = records;
    this.#first = first;
  }

  /** Bits of the cells that an op with a field operand can mean. */
  named(op: MicroOp, registers: readonly Known[]): bigint {
    const { kind, word } = fieldOf(op);
    const records = op.a === NONE ? [0n] : registers[op.a];
    const offsets = op.b === NONE ? [0n] : registers[op.b];
    let bits = 0n;
    for (const place of this.#places(kind, word, offsets)) {
      for (const record of this.#recordsOf(kind, records)) bits |= this.#bit({ kind, record, place });
    }
    return bits;
  }

  /** Whether the op names a word that is declared as a semaphore of readers and writers, and no other. */
  isSemaphore(op: MicroOp): boolean {
    const { kind, word } = fieldOf(op);
    return op.b === NONE && this.#field(kind, word)?.kind === "rwlock";
  }

  bitOf(kind: RecordKind, record: number, word: bigint): bigint {
    return this.#bit({ kind, record: isLumped(kind) ? 0 : record, place: this.#placeOf(kind, word) });
  }

  #recordsOf(kind: RecordKind, records: Known): number[] {
    if (isLumped(kind)) return [0];
    const count = this.#records[kind];
    if (records !== undefined) return records.filter((one) => one < BigInt(count)).map(Number);
    return Array.from({ length: count }, (_, record) => record);
  }

  /** An index that is not known stays inside its field; without declared fields it reaches every word of the record. */
  #places(kind: RecordKind, word: bigint, offsets: Known): string[] {
    if (offsets !== undefined)
      return [...new Set(offsets.map((offset) => this.#placeOf(kind, word + offset)))];
    const field = this.#field(kind, word);
    if (field !== undefined) return [field.name];
    return Array.from({ length: this.#program.layout.words[kind] }, (_, one) =>
      this.#placeOf(kind, BigInt(one)),
    );
  }

  #placeOf(kind: RecordKind, word: bigint): string {
    return this.#field(kind, word)?.name ?? `${word}`;
  }

  #field(kind: RecordKind, word: bigint): FieldPlace | undefined {
    return this.#program.layout.fields.find(
      (field) => field.record === kind && word >= field.word && word < field.word + field.words,
    );
  }

  #bit(cell: Cell): bigint {
    const key = `${cell.kind}.${cell.record}.${cell.place}`;
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#first + this.cells.length;
      this.#numbers.set(key, number);
      this.cells.push(cell);
    }
    return 1n << BigInt(number);
  }
}

/** Numbers of tables and frames come out of page tables, so that nothing is known of them beforehand. */
function isLumped(kind: RecordKind): boolean {
  return kind === "table" || kind === "frame";
}

/** A user access: it may walk, fill, set A and D, and asks the oracle. */
export function accessFootprint(things: Things, cpu: number): Footprint {
  return {
    uses:
      things.upper |
      things.tables |
      things.frames |
      things.marks |
      things.root(cpu) |
      things.running(undefined),
    changes: things.leaf | things.translations(cpu),
  };
}

/** A page-table entry changes: the oracle looks at frames, tables and calls under way, and marks translations. */
export function entryFootprint({ tables, frames, calls, upper, leaf, marks }: Things): Footprint {
  return { uses: tables | frames | calls, changes: upper | leaf | marks };
}

export function evictFootprint(things: Things, cpu: number): Footprint {
  return { uses: things.translations(cpu) | things.root(cpu), changes: 0n };
}

function shared(isUse: boolean, bits: bigint): Footprint {
  return isUse ? { uses: bits, changes: 0n } : { uses: 0n, changes: bits };
}

/** What the op itself touches on `cpu`, without what its store buffer still holds. Throws RangeError for an op that is not known here. */
export function opFootprint(
  op: MicroOp,
  registers: readonly Known[],
  cpu: number,
  cpus: number,
  things: Things,
  cells: Cells,
): Footprint {
  const all = (thing: (cpu: number) => bigint, which: Known): bigint => sum(thing, which, cpus);
  const { upper, leaf, marks, frames, tables, cache } = things;
  switch (op.op) {
    case "LD":
    case "AWAIT":
    case "MASK_TEST":
    case "MASK_NEXT":
    case "MASK_COUNT":
      // Readers may come and go in any order, but not around somebody who looks at their number.
      return shared(!cells.isSemaphore(op), cells.named(op, registers));
    case "RLOCK":
    case "RUNLOCK":
    case "TRYRLOCK":
      return shared(cells.isSemaphore(op), cells.named(op, registers));
    case "ST":
    case "XCHG":
    case "CAS":
    case "FADD":
    case "ADDV":
    case "ORV":
    case "ANDV":
    case "LOCK":
    case "UNLOCK":
    case "TRYLOCK":
    case "WLOCK":
    case "WUNLOCK":
    case "DOWNGRADE":
    case "MASK_SET":
    case "MASK_CLR":
    case "MASK_ZERO":
      return { uses: 0n, changes: cells.named(op, registers) };
    case "PTE_LD":
      return { uses: upper | leaf | tables, changes: 0n };
    case "PTE_ST":
    case "PTE_XCHG":
    case "PTE_CAS":
    case "PTE_AND":
    case "PTE_OR":
      return entryFootprint(things);
    case "QPUSH":
      return { uses: 0n, changes: all(things.queue, registers[op.c]) };
    case "QPOP":
      return { uses: 0n, changes: things.queue(cpu) };
    case "RAISE":
      return { uses: cells.named(op, registers) | all(things.pending, undefined), changes: 0n };
    case "RAISE1":
      return { uses: all(things.pending, registers[op.c]), changes: 0n };
    case "INVLPG":
    case "FLUSH_PCID":
    case "FLUSH_ALL":
      return { uses: things.translations(cpu) | things.root(cpu), changes: 0n };
    case "CR3":
      return { uses: things.translations(cpu), changes: things.root(cpu) };
    case "INVAL_EVERYWHERE":
      return { uses: all(things.translations, undefined), changes: 0n };
    case "FALLOC":
      return { uses: 0n, changes: frames };
    case "FFREE":
      return { uses: leaf, changes: frames | marks };
    case "FZERO":
      return { uses: frames, changes: 0n };
    case "FCOPY":
      return { uses: upper | leaf, changes: frames | marks };
    case "TALLOC":
      return { uses: 0n, changes: tables | upper | leaf };
    case "TFREE":
      return { uses: upper | leaf, changes: tables };
    case "RFIND":
      return { uses: things.ranges(registers[op.a]), changes: 0n };
    case "RSET":
      return { uses: 0n, changes: things.ranges(registers[op.a]) };
    case "XLOAD":
      return { uses: cache, changes: 0n };
    case "XSTORE":
      return { uses: 0n, changes: cache };
    case "CLEAN":
      return { uses: upper | leaf, changes: frames | marks };
    case "DIRTY":
      return { uses: upper | leaf, changes: frames | marks };
    case "PROMISE":
      return { uses: 0n, changes: marks };
    case "FENCE":
    case "IRQ_OFF":
    case "IRQ_ON":
    case "WORK":
    case "SLEEP":
      return NOTHING;
    default:
      throw new RangeError(`nobody has said what the micro-op ${op.op} touches`);
  }
}
