/** Words of the simulated memory in the names of the kernel: "mm[0].tlb_gen", "PTE of page 3". */
import { OPS, type OpRoles } from "../dsl/isa.js";
import { type MicroOp, type Program, RECORD_KINDS, type RecordKind } from "../dsl/program.js";
import type { MachineState } from "../reference/state.js";

export interface Cell {
  readonly kind: RecordKind | "pte";
  readonly record: number;
  readonly word: number;
}

export const sameCell = (a: Cell, b: Cell): boolean =>
  a.kind === b.kind && a.record === b.record && a.word === b.word;

/** The word that a step is about to touch, from its operands; undefined for a step that touches none. */
export function cellOf(op: MicroOp, registers: readonly bigint[]): Cell | undefined {
  const value = (register: number): number => Number(registers[register] ?? 0n);
  if (op.op.startsWith("PTE_")) return { kind: "pte", record: value(op.a), word: value(op.b) };
  const roles: OpRoles = OPS[op.op];
  if (roles.imm !== "field") return undefined;
  const kind = RECORD_KINDS[Number(op.imm >> 32n)]!;
  return { kind, record: value(op.a), word: Number(op.imm & 0xffffffffn) + value(op.b) };
}

/** What the word holds in memory, whatever is still in store buffers. */
export function valueIn(state: MachineState, cell: Cell): bigint {
  if (cell.kind !== "pte") return state.words[cell.kind][cell.record]?.[cell.word] ?? 0n;
  const table = state.tables[cell.record - 1];
  return table?.entries.find(({ index }) => index === cell.word)?.value ?? 0n;
}

/** What the CPU reads there: its own youngest store first. */
export function valueSeen(state: MachineState, cpu: number, cell: Cell): bigint {
  return state.cpus[cpu]!.stores.findLast((store) => sameCell(store, cell))?.value ?? valueIn(state, cell);
}

const LEVEL_NAMES = ["PTE", "PMD entry", "PUD entry", "PGD entry"];

export function cellName(program: Program, radixBits: number, state: MachineState, cell: Cell): string {
  if (cell.kind === "pte") {
    const table = state.tables[cell.record - 1];
    if (table === undefined) return `entry ${cell.word} of table ${cell.record}`;
    const span = 2 ** (radixBits * table.level);
    const name = `${LEVEL_NAMES[table.level]} of page ${table.base + cell.word * span}`;
    return table.live ? name : `${name} in freed table ${cell.record}`;
  }
  const place = fieldAt(program, cell);
  const owner = cell.kind === "global" ? "" : `${cell.kind}[${cell.record}].`;
  if (place === undefined) return `${owner}word ${cell.word}`;
  const at = place.words > 1 && place.kind !== "mask" ? `[${cell.word - place.word}]` : "";
  return `${owner}${place.name}${at}`;
}

/** A word's value as its field wants to be read. */
export function cellValue(program: Program, cell: Cell, value: bigint): string {
  if (cell.kind === "pte") return entryText(value);
  const place = fieldAt(program, cell);
  if (place?.kind === "lock") return value === 0n ? "free" : `held by CPU ${value - 1n}`;
  if (place?.kind === "rwlock") return rwlockText(value);
  if (place?.kind === "mask") return maskText(value, (cell.word - place.word) * 64);
  return value === 2n ** 64n - 1n ? "all" : value > 0xffffn ? `0x${value.toString(16)}` : String(value);
}

/** The CPU that holds a lock word; null for readers, and for words that are no lock. */
export function holderOf(program: Program, cell: Cell, value: bigint): number | null {
  const kind = fieldAt(program, cell)?.kind;
  if (kind === "lock" && value !== 0n) return Number(value - 1n);
  if (kind === "rwlock" && value >> 63n !== 0n) return Number((value & 0xffffffffn) - 1n);
  return null;
}

/** "frame 3 W A D", "frame 3 not present PROTNONE", "none". */
export function entryText(value: bigint): string {
  if (value === 0n) return "none";
  const bits: readonly (readonly [number, string])[] = [
    [1, "W"],
    [5, "A"],
    [6, "D"],
    [10, "uffd-wp"],
    [11, "soft-dirty"],
    [9, "PROTNONE"],
  ];
  const present = (value & 1n) !== 0n;
  const set = bits.filter(([bit]) => (value >> BigInt(bit)) & 1n).map(([, name]) => name);
  const frame = (value >> 12n) & 0xffffffffffn;
  return [`frame ${frame}`, ...(present ? [] : ["not present"]), ...set].join(" ");
}

function fieldAt(program: Program, cell: Cell) {
  return program.layout.fields.find(
    ({ record, word, words }) => record === cell.kind && cell.word >= word && cell.word < word + words,
  );
}

function rwlockText(value: bigint): string {
  if (value === 0n) return "free";
  return value >> 63n !== 0n ? `written by CPU ${(value & 0xffffffffn) - 1n}` : `${value} readers`;
}

function maskText(value: bigint, from: number): string {
  const cpus = Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => (value >> BigInt(bit)) & 1n);
  return `{${cpus.map((bit) => bit + from).join(",")}}`;
}
