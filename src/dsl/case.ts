/**
 * A case: what a scheduler that chooses every event is given beside the program. Plain data, like the program; the engine, its twin and
 * the command line know a scenario only as this.
 */

import type { Program, RecordKind } from "./program.js";

/** `page_fault` and `context_switch` are started by the machine itself; a program that needs them has entries of these names. */
export interface Case {
  readonly program: Program;
  readonly machine: CaseMachine;
  /** Done one after the other before the search, every CPU at rest behind each. */
  readonly setup: readonly SetupStep[];
  /** At most one for each CPU. */
  readonly threads: readonly Thread[];
  /** What may happen at any time, any number of times. */
  readonly liberties: readonly Liberty[];
  /** Windows of the program, by name, that a full search must have entered before it may say "safe". */
  readonly windows: readonly string[];
  /** CPUs that stand for a device with a TLB of its own: what they do wrong is `stale-device`. */
  readonly devices?: readonly number[];
}

/** Sizes of the small machine. Numbers 0 of tables and frames are never handed out, but count. */
export interface CaseMachine {
  readonly cpus: number;
  readonly mms: number;
  readonly tasks: number;
  readonly tables: number;
  readonly frames: number;
  /** Bits of a vpn that each of the four page-table levels decodes. */
  readonly radixBits: number;
  readonly model: MemoryModel;
  /** Stores that a CPU can hold back; a further one drains the oldest. */
  readonly storeBuffer: number;
  readonly assist: DirtyAssist;
  /**
   * The one TLB of each CPU, for loads, stores and fetches alike. It must never have to evict for want of room: a set holds the pages
   * whose numbers agree in the low bits, once for each PCID.
   */
  readonly tlb: { readonly sets: number; readonly ways: number };
  /** Entries of each of the three paging-structure caches; 0 for none. */
  readonly walkCache: number;
}

export type MemoryModel = "sc" | "tso" | "weak";
/** What a write through an entry with D clear does when the page-table entry is not writable any more. */
export type DirtyAssist = "strict" | "legacy" | "knl";

/** 0 load, 1 store, 2 instruction fetch. */
export type AccessKind = 0 | 1 | 2;

export type SetupStep =
  /** The task exists and lives in `mm`: one user of the address space more. */
  | { readonly do: "task"; readonly task: number; readonly mm: number }
  /** `context_switch` to the task on this CPU, to its end. */
  | { readonly do: "switch"; readonly cpu: number; readonly task: number }
  /** A program, to its end. Its status must be 0. */
  | { readonly do: "call"; readonly cpu: number; readonly entry: string; readonly args: readonly Argument[] }
  /** A user access, with `page_fault` for each fault. It must succeed. */
  | { readonly do: "touch"; readonly cpu: number; readonly vpn: number; readonly kind: AccessKind }
  /** Drops the CPU's translations of the page. */
  | { readonly do: "evict"; readonly cpu: number; readonly vpn: number }
  /** A word of a record, by the field's name. */
  | {
      readonly do: "set";
      readonly record: RecordKind;
      readonly index: number;
      readonly field: string;
      readonly value: Argument;
    };

/** A number, or the frame that the page table of an address space maps at a page once the setup has come here. */
export type Argument = number | bigint | { readonly frameAt: { readonly mm: number; readonly vpn: number } };

/** What one CPU's task does, in this order. */
export interface Thread {
  readonly cpu: number;
  readonly does: readonly Doing[];
}

export type Doing =
  | { readonly call: string; readonly args: readonly Argument[] }
  /** Faults are handled by `page_fault`; after a status other than 0 the access is given up. */
  | { readonly access: AccessKind; readonly vpn: number }
  /** `context_switch` to another task of this CPU; 2^32 - 1 is the idle task. */
  | { readonly switchTo: number };

/**
 * touch: the CPU is in user mode and accesses the page, if that needs no fault. fill: the hardware walks for the page by itself.
 * evict: it drops the page.
 */
export interface Liberty {
  readonly cpu: number;
  readonly may: "touch" | "fill" | "evict";
  readonly vpn: number;
  /** Of a touch; 0 unless said. */
  readonly kind?: AccessKind;
}

/** The contract's names, in the order of reports. */
export const INVARIANTS = [
  "stale-frame",
  "stale-right",
  "lost-write",
  "lost-dirty",
  "stale-table",
  "split-view",
  "progress",
  "stale-device",
] as const;
export type Invariant = (typeof INVARIANTS)[number];

export type Verdict = "unsafe" | "safe" | "unknown";
