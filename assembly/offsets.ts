/*
 * Where things lie within the blocks of a CPU and of a task (layout.ts), and how many there are of what has a fixed number.
 */
import { COUNTERS_MAX } from "./config";

// Offsets within hw[cpu].
export const HW_PC0: usize = 0;
export const HW_LIVE0: usize = 4;
export const HW_STATUS0: usize = 8;
export const HW_PC1: usize = 16;
export const HW_LIVE1: usize = 20;
export const HW_STATUS1: usize = 24;
export const HW_IRQ_OFF: usize = 32;
export const HW_IN_IRQ: usize = 36;
export const HW_PENDING: usize = 40;
export const HW_ROOT: usize = 44;
export const HW_PCID: usize = 48;
/** Current task + 1; 0 is the idle task. */
export const HW_TASK: usize = 52;
export const HW_SB_COUNT: usize = 56;
/** TLB entries of this CPU that carry a mark of the oracle. */
export const HW_MARKS: usize = 60;
export const HW_QUEUE_HEAD: usize = 64;
export const HW_QUEUE_COUNT: usize = 68;
/** 1 once the call in the task context has taken a step. */
export const HW_STARTED: usize = 72;
/** u16: spinlocks that this CPU holds. */
export const HW_SPINS: usize = 76;
/** u16: how far the thread has come in a case that is played, number of its item << 1, and PLAY_FAULT (script.ts). */
export const HW_PLAY: usize = 78;
export const HW_REGS: usize = 80;

// Offsets within what a slot holds: {key u64, payload u64}.
export const ENTRY_BYTES: usize = 16;
export const ENTRY_PAYLOAD: usize = 8;

// Offsets within clk[cpu].
export const CK_CLOCK: usize = 0;
export const CK_ARRIVAL: usize = 8;
export const CK_WAIT_SINCE: usize = 16;
export const CK_TRAP_TIME: usize = 24;
export const CK_SHOOTDOWN_SINCE: usize = 32;
export const CK_SLICE_END: usize = 40;
export const CK_MODE: usize = 48;
export const CK_TRAP: usize = 52;
export const CK_TRAP_A: usize = 56;
export const CK_TRAP_B: usize = 64;
export const CK_ENTRY: usize = 68;
export const CK_IN_SHOOTDOWN: usize = 72;
export const CK_TICK: usize = 84;
export const CK_LOG_COUNT: usize = 88;
export const CK_WAIT_LOCK: usize = 92;
export const CK_NEXT_TASK: usize = 96;
export const CK_LAST_FAULT: usize = 104;
export const CK_FAULT_REPEATS: usize = 112;
/** In a world that is not canonical: number of the call in the task context, counted over all CPUs. */
export const CK_CALL: usize = 120;
/** A feed record for an access that no feed holds. */
export const CK_RECORD: usize = 128;
export const CK_FLUSH_SINCE: usize = 144;
/** What run() of quick.ts works on: one line. */
export const CK_RUN: usize = 192;
/** Two tables of 256 u32, {u16 slot, u16 its way}: a recent slot for a page's low bits, for data and for instructions. */
export const CK_HINTS: usize = 256;
export const HINT_BYTES: usize = 1024;
/** 128 u32: a recent slot of the paging-structure entry for a page table's low bits. */
export const CK_REGIONS: usize = CK_HINTS + 2 * HINT_BYTES;
export const REGION_MASK: u64 = 127;
/** Sixteen {root u32, PCID u32}: what was loaded last with a PCID of these low bits. */
export const CK_ROOTS: usize = CK_REGIONS + 512;
/** One u32 a slot. */
export const CK_STAMPS: usize = CK_ROOTS + 128;
/** A/D updates that one CPU may log in one bound phase; a full log ends its turn. */
export const LOG_MAX: u32 = 1024;

// Offsets within task time: {consumed u64, limit u64 (records appended), state u32, flags u32, wait a u64, wait b u64}.
export const TT_BYTES: usize = 64;
export const TT_CONSUMED: usize = 0;
export const TT_APPENDED: usize = 8;
export const TT_STATE: usize = 16;
export const TT_FLAGS: usize = 20;
export const TT_WAIT_A: usize = 24;
export const TT_WAIT_B: usize = 32;
/** Earliest cycle at which the task may run again. */
export const TT_READY: usize = 40;
/** Records consumed at the start of the quantum: what others may look at in a bound phase. */
export const TT_SEEN: usize = 48;

// Offsets within st[cpu].
export const ST_CYCLES: usize = 0; // u64 x 8, by CYCLES_*
export const ST_TLB: usize = 64; // u64 x 24, by TLB_* and what follows it in stats.ts
export const ST_COUNTERS: usize = 256; // u64 x COUNTERS_MAX, by Program.counters
export const ST_VIOLATIONS: usize = ST_COUNTERS + 8 * <usize>COUNTERS_MAX; // VIOLATION_BYTES x 8 invariants
export const VIOLATION_BYTES: usize = 64;
export const ST_WINDOWS: usize = ST_VIOLATIONS + 8 * VIOLATION_BYTES; // u64 x 64: times a window was entered
/** Site + 1 of the last step that took a spinlock or switched interrupts off. */
export const ST_ATOMIC: usize = ST_WINDOWS + 64 * 8;
export const ST_FIXED: usize = ST_ATOMIC + 8;

/** Calls that may be outstanding in feeds at once: bits of the window of `callsDone`. */
export const CALLS_WINDOW: u32 = 1 << 21;
export const WAIT_BUCKETS: u32 = 1024;
export const SAMPLES_MAX: u32 = 65536;
export const RECORD_KINDS: u32 = 6;
