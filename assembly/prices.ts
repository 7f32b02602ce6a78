/*
 * What things cost, in cycles, by index into the price table of the configuration. The numbers are the preset's (src/machine).
 * The host joins names to these by the exported constants PRICE_*.
 */
import { CFG_PRICES, CONFIG } from "./config";

export const PRICE_ACCESS: u32 = 0;
export const PRICE_STLB_HIT: u32 = 1;
export const PRICE_MEM_L1: u32 = 2;
export const PRICE_MEM_L2: u32 = 3;
export const PRICE_MEM_L3: u32 = 4;
export const PRICE_MEM_DRAM: u32 = 5;
export const PRICE_LINE_SMT: u32 = 6;
export const PRICE_LINE_CCX: u32 = 7;
export const PRICE_LINE_SOCKET: u32 = 8;
export const PRICE_LINE_REMOTE: u32 = 9;
export const PRICE_STORE: u32 = 10;
export const PRICE_RMW: u32 = 11;
export const PRICE_FENCE: u32 = 12;
export const PRICE_INVLPG: u32 = 13;
export const PRICE_FLUSH_PCID: u32 = 14;
export const PRICE_FLUSH_ALL: u32 = 15;
export const PRICE_CR3_FLUSH: u32 = 16;
export const PRICE_CR3_NO_FLUSH: u32 = 17;
export const PRICE_IRQ_TOGGLE: u32 = 18;
export const PRICE_IPI_SEND: u32 = 19;
export const PRICE_IPI_PER_TARGET: u32 = 20;
export const PRICE_IPI_DELIVER_SMT: u32 = 21;
export const PRICE_IPI_DELIVER_CCX: u32 = 22;
export const PRICE_IPI_DELIVER_SOCKET: u32 = 23;
export const PRICE_IPI_DELIVER_REMOTE: u32 = 24;
export const PRICE_IRQ_ENTRY: u32 = 25;
export const PRICE_IRQ_EXIT: u32 = 26;
export const PRICE_SYSCALL_ENTRY: u32 = 27;
export const PRICE_SYSCALL_EXIT: u32 = 28;
export const PRICE_FAULT_ENTRY: u32 = 29;
export const PRICE_FAULT_EXIT: u32 = 30;
export const PRICE_ASSIST: u32 = 31;
export const PRICE_FRAME_ALLOC: u32 = 32;
export const PRICE_FRAME_FREE: u32 = 33;
export const PRICE_FRAME_ZERO: u32 = 34;
export const PRICE_FRAME_COPY: u32 = 35;
export const PRICE_TABLE_ALLOC: u32 = 36;
export const PRICE_TABLE_FREE: u32 = 37;
export const PRICE_RANGE_FIND: u32 = 38;
export const PRICE_RANGE_SET: u32 = 39;
export const PRICE_CACHE_LOAD: u32 = 40;
export const PRICE_CACHE_STORE: u32 = 41;
export const PRICE_QUEUE_PUSH: u32 = 42;
export const PRICE_QUEUE_POP: u32 = 43;
export const PRICE_MASK_STEP: u32 = 44;
export const PRICE_CONTEXT_SWITCH: u32 = 45;
export const PRICE_IDLE_WAKE: u32 = 46;
export const PRICE_TLBI: u32 = 47;
export const PRICE_DSB: u32 = 48;
export const PRICE_FRAME_REMOTE: u32 = 49;
export const PRICES: u32 = 50;

// @ts-ignore: decorator
@inline
export function price(index: u32): u32 {
  return load<u32>(CONFIG + (<usize>(CFG_PRICES + index) << 2));
}
