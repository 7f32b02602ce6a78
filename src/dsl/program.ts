/** An assembled program: plain data, the only thing that the engine and its twin know of a mechanism. */

import type { OpName } from "./isa.js";

export type { OpName } from "./isa.js";

/**
 * One micro-op. Registers are 0..47, 255 means none.
 *
 * Units: 0 <= imm < 2^64; `site` indexes Program.sites, -1 for a pure free op.
 */
export interface MicroOp {
  readonly op: OpName;
  readonly dst: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly imm: bigint;
  readonly site: number;
}

/** Where a step stands: `path` is the inline path with the label last, "munmap.zap_pte_range.ptep_get_and_clear". */
export interface Site {
  readonly routine: string;
  readonly path: string;
  readonly label: string;
  /** Relative to the package or to the working directory, never absolute. */
  readonly file: string;
  readonly line: number;
}

/** A top-level program. Its arguments are in r0.. in the order of `args`; it runs from `pc` to an END. */
export interface Entry {
  readonly name: string;
  readonly pc: number;
  readonly args: readonly string[];
  /** How the entry reads, for listing(); absent in programs that were not made by assemble(). */
  readonly text?: readonly string[];
}

/** The kinds of record, numbered 0..5 in this order. */
export const RECORD_KINDS = ["global", "mm", "cpu", "task", "table", "frame"] as const;
export type RecordKind = (typeof RECORD_KINDS)[number];

export interface FieldPlace {
  readonly record: RecordKind;
  readonly name: string;
  /** Index of the first u64 word inside the record. */
  readonly word: number;
  readonly words: number;
  readonly kind: "word" | "lock" | "rwlock" | "mask" | "array";
}

/** Where each declared field sits; `words` counts the u64 words of one record of each kind. */
export interface StateLayout {
  readonly cpus: number;
  readonly words: Readonly<Record<RecordKind, number>>;
  readonly fields: readonly FieldPlace[];
}

export interface Program {
  readonly ops: readonly MicroOp[];
  readonly sites: readonly Site[];
  readonly entries: readonly Entry[];
  /** imm of WINDOW -> name. */
  readonly windows: readonly string[];
  /** imm of COUNT -> name, such as "flushes.local". */
  readonly counters: readonly string[];
  /** imm of WORK -> name of a priced amount of private work. */
  readonly works: readonly string[];
  readonly layout: StateLayout;
  /** Highest register used + 1. */
  readonly registers: number;
  /** For each op, a mask of the registers that it or an op behind it may read; a program without it may read all of them. */
  readonly live?: readonly bigint[];
}
