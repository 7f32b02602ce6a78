/*
 * What is counted. Nothing here is read by a step, so nothing here can change a verdict or a time.
 */
import { clk, st } from "./addresses";
import { samples } from "./layout";
import { CK_CLOCK, SAMPLES_MAX, ST_COUNTERS, ST_CYCLES, ST_TLB, ST_WINDOWS } from "./offsets";
import { panic, TRAP_TIME_BACKWARDS } from "./trap";

// Kinds of cycles; every cycle of every CPU is exactly one of them.
export const CYCLES_USER: u32 = 0;
export const CYCLES_WALK: u32 = 1;
export const CYCLES_KERNEL: u32 = 2;
export const CYCLES_LOCK_WAIT: u32 = 3;
export const CYCLES_IPI_WAIT: u32 = 4;
export const CYCLES_IRQ: u32 = 5;
export const CYCLES_IDLE: u32 = 6;
export const CYCLES_KINDS: u32 = 7;

// The first two are counted by every step, and share a line.
export const KERNEL_STEPS: u32 = 0;
/** Micro-ops that are no steps, ghosts and ends included. */
export const FREE_OPS: u32 = 1;
export const TLB_ACCESSES: u32 = 2;
export const TLB_L1_HITS: u32 = 3;
export const TLB_STLB_HITS: u32 = 4;
export const TLB_WALKS: u32 = 5;
export const TLB_WALK_CYCLES: u32 = 6;
export const TLB_WALK_READS: u32 = 7;
export const TLB_ASSISTS: u32 = 8;
export const IPI_RAISED: u32 = 9;
export const IPI_DELIVERED: u32 = 10;
export const IPI_REQUESTS: u32 = 11;
export const IPI_HANDLED: u32 = 12;
export const TLB_FAULTS: u32 = 13;
export const FAULTS_RETRIED: u32 = 14;
export const CONTEXT_SWITCHES: u32 = 15;
export const SKIPPED_ACCESSES: u32 = 16;
/** Frames cleared or copied that are, or one of them is, memory of another node. */
export const FAR_FRAMES: u32 = 17;

/** A sample's entry when it is a shootdown: first interrupt sent to last acknowledgement seen. */
export const SAMPLE_SHOOTDOWN: u32 = 255;
/** The same when it is one CPU's flush of its own translations. */
export const SAMPLE_FLUSH: u32 = 254;

// @ts-ignore: decorator
@inline
export function tally(cpu: u32, counter: u32, amount: u64): void {
  const at = st(cpu) + ST_TLB + (<usize>counter << 3);
  store<u64>(at, load<u64>(at) + amount);
}

/** A counter that a mechanism named. */
export function count(cpu: u32, counter: u32, amount: u64): void {
  const at = st(cpu) + ST_COUNTERS + (<usize>counter << 3);
  store<u64>(at, load<u64>(at) + amount);
}

/** {u32 windows entered since a search forgot them, u32 the last one}. */
const ENTERED: usize = 18688;

export function forgetWindows(): void {
  store<u32>(ENTERED, 0);
}

export function windowsEntered(): u32 {
  return load<u32>(ENTERED);
}

export function lastWindow(): u32 {
  return load<u32>(ENTERED, 4);
}

export function enterWindow(cpu: u32, window: u32): void {
  store<u32>(ENTERED, load<u32>(ENTERED) + 1);
  store<u32>(ENTERED, window, 4);
  const at = st(cpu) + ST_WINDOWS + (<usize>(window & 63) << 3);
  store<u64>(at, load<u64>(at) + 1);
}

/** Time passes on a CPU, and is called something. The only place where a clock moves. */
export function spend(cpu: u32, cycles: u64, kind: u32): void {
  if (<i64>cycles < 0) panic(TRAP_TIME_BACKWARDS, cpu);
  const k = clk(cpu);
  store<u64>(k, load<u64>(k, CK_CLOCK) + cycles, CK_CLOCK);
  const at = st(cpu) + ST_CYCLES + (<usize>kind << 3);
  store<u64>(at, load<u64>(at) + cycles);
}

/** One latency, in cycles, for the host to collect. */
export function sample(entry: u32, cpu: u32, cycles: u64): void {
  const n = load<u32>(samples);
  if (n >= SAMPLES_MAX) {
    store<u32>(samples, load<u32>(samples, 4) + 1, 4);
    return;
  }
  const at = samples + 64 + (<usize>n << 4);
  store<u32>(at, entry);
  store<u32>(at, cpu, 4);
  store<u64>(at, cycles, 8);
  store<u32>(samples, n + 1);
}
