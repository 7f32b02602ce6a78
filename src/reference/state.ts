/*
 * What a machine can be configured with, how a test drives it step by step, and the shape of its state as plain data.
 * The engine's debugging door and the naive twin both implement `SteppableMachine`, so that one harness compares them.
 */
import type { Invariant } from "../dsl/case.js";
import type { Program, RecordKind } from "../dsl/program.js";

export type TlbName = "l1d4k" | "l1d2m" | "l1d1g" | "l1i4k" | "l1i2m" | "stlb4k" | "stlb1g";
export type PwcName = "pde" | "pdpte" | "pml4e";
export const TLB_NAMES: readonly TlbName[] = [
  "l1d4k",
  "l1d2m",
  "l1d1g",
  "l1i4k",
  "l1i2m",
  "stlb4k",
  "stlb1g",
];
export const PWC_NAMES: readonly PwcName[] = ["pde", "pdpte", "pml4e"];

/** A set-associative array; `sets: 0` is an array that this machine does not have. */
export interface ArrayGeometry {
  readonly sets: number;
  readonly ways: number;
}

/** The array that serves page size 0 (4K), 1 (2M), 2 (1G); null is none. Two sizes may name the same array. */
export type ServedBy = readonly [TlbName | null, TlbName | null, TlbName | null];

export interface MachineConfig {
  readonly cpus: number;
  readonly mms: number;
  readonly tasks: number;
  /** Table records, number 0 included; tables 1..tables-1 can be handed out. */
  readonly tables: number;
  /** Frame records, pfn 0 included; frames 1..frames-1 can be handed out. */
  readonly frames: number;
  /** Bits of a page number that each of the 4 levels decodes. */
  readonly radixBits: number;
  readonly model: "sc" | "tso" | "weak";
  /** CPUs that stand for a device with a TLB of its own. */
  readonly devices?: readonly number[];
  /** Stores that a CPU can hold back. */
  readonly storeBuffer: number;
  readonly assist: "strict" | "legacy" | "knl";
  /** Effects of broadcasts and releases of spinlocks become visible when the scheduler says; else at once. */
  readonly freeHardware?: boolean;
  readonly geometry: Readonly<Record<TlbName, ArrayGeometry>>;
  readonly pwc: Readonly<Record<PwcName, ArrayGeometry>>;
  readonly serves: { readonly data: ServedBy; readonly fetch: ServedBy; readonly second: ServedBy };
}

/** 0 load, 1 store, 2 instruction fetch. */
export type AccessKind = 0 | 1 | 2;
/** `fault` has the bits of page_fault's argument: 1 write, 2 fetch, 4 the PTE was present. */
export type AccessOutcome = "ok" | { readonly fault: number };
/** `ended`: the context that was running has reached its END, or none was running. */
export type StepOutcome = "stepped" | "disabled" | "ended";

/** One choice of a scheduler each. Times do not exist here. */
export interface SteppableMachine {
  readonly program: Program;
  readonly config: MachineConfig;
  /** Puts the CPU's task context at an entry, registers zero but the arguments; it must be in user mode. */
  start(cpu: number, entry: string, args: readonly (number | bigint)[]): void;
  /** Runs one step op and the free ops behind it, in the interrupt context if there is one. */
  step(cpu: number): StepOutcome;
  /** One user access under the loaded root and PCID. */
  access(cpu: number, vpn: number, kind: AccessKind): AccessOutcome;
  /** Takes the pending call-function interrupt; false when there is none or it is held back. */
  deliver(cpu: number): boolean;
  /** Makes the index-th oldest buffered store visible; false when the memory model forbids it. */
  drain(cpu: number, index: number): boolean;
  /** A fill without an access; false when the CPU has a translation already or the walk finds none. */
  speculate(cpu: number, vpn: number): boolean;
  /** What `initiator` has broadcast takes effect at this CPU; false when nothing is left to. */
  complete(cpu: number, initiator: number): boolean;
  /** Drops the CPU's translations of a page; false when it had none. */
  evict(cpu: number, vpn: number): boolean;
  /** The task that the op TASK names from now on; IDLE_TASK for none. */
  setTask(cpu: number, task: number): void;
  /** The context that the CPU would step in; null in user mode. */
  running(cpu: number): "task" | "interrupt" | null;
  /** Status of the last END of the CPU's task context; 0 at the start. */
  status(cpu: number): bigint;
  peek(kind: RecordKind, record: number, word: number): bigint;
  poke(kind: RecordKind, record: number, word: number, value: bigint): void;
  state(): MachineState;
}

/** The current task of an idle CPU. */
export const IDLE_TASK = 2 ** 32 - 1;

/** Lists are in a canonical order, so that two equal machines give deeply equal objects. */
export interface MachineState {
  /** words[kind][record][word]. */
  readonly words: Readonly<Record<RecordKind, readonly (readonly bigint[])[]>>;
  /** Every table number but 0, in order. */
  readonly tables: readonly TableState[];
  /** The next one to be handed out comes first. */
  readonly freeTables: readonly number[];
  readonly freeFrames: readonly number[];
  /** First frames of free blocks as large as a 2M page, and as a 1G page. */
  readonly freeBlocks: readonly (readonly number[])[];
  /** Times that each frame was freed, by pfn. */
  readonly generations: readonly number[];
  /** By mm, then by start. */
  readonly ranges: readonly (readonly RangeState[])[];
  /** By key. */
  readonly cache: readonly { readonly key: bigint; readonly value: bigint }[];
  readonly cpus: readonly CpuState[];
  readonly oracle: OracleState;
}

export interface TableState {
  readonly table: number;
  readonly live: boolean;
  /** Root, level and first page as given when it was handed out; 0 when it is free. */
  readonly root: number;
  readonly level: number;
  readonly base: number;
  /** Entries that are not zero, by index. A free table keeps its contents until it is handed out again. */
  readonly entries: readonly { readonly index: number; readonly value: bigint }[];
  /** Entries in which hardware set D and that no program has read since, by index. */
  readonly unseen: readonly number[];
}

/** Pages start..end-1. */
export interface RangeState {
  readonly start: bigint;
  readonly end: bigint;
  readonly value: bigint;
}

export interface CpuState {
  readonly task: number;
  /** The call in the task context has taken a step. */
  readonly started: boolean;
  /** Spinlocks that it holds. */
  readonly spinlocks: number;
  readonly irqsOn: boolean;
  /** A call-function interrupt waits to be taken. */
  readonly pending: boolean;
  readonly root: number;
  readonly pcid: number;
  /** Initiators on this CPU's call queue, oldest first. */
  readonly queue: readonly number[];
  /** Oldest first. */
  readonly stores: readonly BufferedStoreState[];
  /** A write barrier stands behind the youngest buffered store. */
  readonly barrierNext: boolean;
  /** What this CPU has broadcast, and where it has not taken effect. */
  readonly broadcast: BroadcastState | null;
  readonly taskContext: ContextState | null;
  readonly interruptContext: ContextState | null;
  /** Status of the last END of a task context; 0 at the start. */
  readonly status: bigint;
  /** By array, then size, page, PCID. An array that nothing is served by is empty. */
  readonly tlb: Readonly<Record<TlbName, readonly TlbEntryState[]>>;
  readonly pwc: Readonly<Record<PwcName, readonly PwcEntryState[]>>;
}

/** Pages start..end-1 under a root. */
export interface BroadcastState {
  readonly root: number;
  readonly pcid: number | undefined;
  readonly start: bigint;
  readonly end: bigint;
  readonly waiting: readonly number[];
}

export interface ContextState {
  /** Always a step op. */
  readonly pc: number;
  readonly registers: readonly bigint[];
}

/** A PTE has kind `pte`, its table as `record`, its index as `word`. */
export interface BufferedStoreState {
  readonly kind: RecordKind | "pte";
  readonly record: number;
  readonly word: number;
  readonly value: bigint;
  /** A write barrier stands before this store; never set on the oldest one. */
  readonly barrier: boolean;
}

export interface TlbEntryState {
  /** First 4K page. */
  readonly vpn: number;
  readonly size: number;
  /** 0 for a global entry. */
  readonly pcid: number;
  readonly global: boolean;
  readonly pfn: number;
  readonly write: boolean;
  readonly dirty: boolean;
  readonly exec: boolean;
  /** Place in its set by last use, 0 the most recent. */
  readonly age: number;
  /** What only the oracle knows: the root and the frame's generation at the fill. */
  readonly root: number;
  readonly generation: number;
  /** The frame was free at the fill or has been freed since: an access through this entry is stale-frame. */
  readonly free: boolean;
  /** Rights beyond the page table's, and those that a call promised away: 1 read, 2 write, 4 execute, 8 store without setting D. */
  readonly stale: number;
  readonly gone: number;
  /** For each of the four rights, if it is stale: CPUs, as bits, whose calls under way do not speak for it. */
  readonly excused: readonly number[];
  /** It may store to a frame that was judged clean. */
  readonly judged: boolean;
}

export interface PwcEntryState {
  /** The page number without the bits that the tables below decode. */
  readonly key: number;
  readonly pcid: number;
  readonly table: number;
  /** The table was freed since, or was free when this was read. */
  readonly freed: boolean;
  readonly age: number;
}

/** In the order of reports. The twin takes no values from elsewhere, so it has a list of its own. */
export const INVARIANT_NAMES = [
  "stale-frame",
  "stale-right",
  "lost-write",
  "lost-dirty",
  "stale-table",
  "split-view",
  "progress",
  "stale-device",
] as const satisfies readonly Invariant[];
export type InvariantName = Invariant;

export interface OracleState {
  /** Per invariant and CPU that broke it, in this order. */
  readonly violations: readonly ViolationState[];
  /** Frames that software takes for clean, ascending. */
  readonly judged: readonly number[];
  /** Copies whose target is neither mapped in its place nor freed yet, by target. */
  readonly copies: readonly CopyState[];
}

export interface ViolationState {
  readonly invariant: InvariantName;
  readonly cpu: number;
  readonly count: number;
  /** The first one's access, and sites (indexes into Program.sites, -1 for none). */
  readonly vpn: number;
  readonly kind: AccessKind;
  readonly made: number;
  readonly broken: number;
}

export interface CopyState {
  readonly target: number;
  readonly source: number;
  readonly root: number;
  readonly vpn: number;
  /** The CPU that first stored to the source since the copy; -1 for none. */
  readonly storedBy: number;
}
