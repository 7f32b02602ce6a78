/*
 * What one shared access costs: who last wrote the cache line decides where it comes from.
 *
 * A line of STATE carries {version: 22 bits, last writer: 10 bits}. A CPU remembers, in a direct-mapped table that stands for its
 * private caches, the lines that it has seen and in which version: the same version again is a hit, an older one is a transfer from
 * the last writer, an unknown line comes from the shared cache. Only the weave phase writes versions; the bound phase reads them, so
 * its costs do not depend on the order of CPUs.
 */
import { CFG_LINES, CFG_PER_CCX, CFG_PER_CORE, CFG_PER_SOCKET, config } from "./config";
import { AT_LINES, AT_LINES_FIRST } from "./fixed";
import { clk } from "./addresses";
import { ckLines } from "./layout";
import { price, PRICE_LINE_SMT, PRICE_MEM_L1, PRICE_MEM_L2, PRICE_MEM_L3, PRICE_STORE } from "./prices";

export const WRITER_BITS: u32 = 10;
export const WRITER_MASK: u32 = 1023;

/** 0 the same core's sibling, 1 same core complex, 2 same socket, 3 another socket. */
// @ts-ignore: decorator
@inline
export function distance(a: u32, b: u32): u32 {
  if (a / config(CFG_PER_CORE) == b / config(CFG_PER_CORE)) return 0;
  if (a / config(CFG_PER_CCX) == b / config(CFG_PER_CCX)) return 1;
  if (a / config(CFG_PER_SOCKET) == b / config(CFG_PER_SOCKET)) return 2;
  return 3;
}

// @ts-ignore: decorator
@inline
export function infoAddress(address: usize): usize {
  return <usize>load<u32>(AT_LINES) + ((address >> 6) << 2);
}

// @ts-ignore: decorator
@inline
function entryAddress(k: usize, address: usize): usize {
  return k + ckLines + ((((address >> 6) - <usize>load<u32>(AT_LINES_FIRST)) & <usize>(config(CFG_LINES) - 1)) << 3);
}

// @ts-ignore: decorator
@inline
function entryOf(address: usize, info: u32): u64 {
  return (<u64>(address >> 6) << 32) | <u64>info;
}

/** Cycles to get a line, whose word is `info`, that the CPU has not or has no longer. */
// @ts-ignore: decorator
@inline
export function missCost(cpu: u32, info: u32): u32 {
  const writer = info & WRITER_MASK;
  if (info == 0 || writer == cpu) return price(PRICE_MEM_L3);
  return price(PRICE_LINE_SMT + distance(cpu, writer));
}

/** Cycles for `cpu` to read the line of `address`. */
export function readCost(cpu: u32, address: usize): u32 {
  const info = load<u32>(infoAddress(address));
  const slot = entryAddress(clk(cpu), address);
  const entry = entryOf(address, info);
  if (load<u64>(slot) == entry) return price(PRICE_MEM_L1);
  store<u64>(slot, entry);
  return missCost(cpu, info);
}

/** Cycles for the page walker of `cpu` to read the line of `address`; walkers hit in the second-level cache at best. */
// @ts-ignore: decorator
@inline
export function walkCost(cpu: u32, k: usize, address: usize): u32 {
  const info = load<u32>(infoAddress(address));
  const slot = entryAddress(k, address);
  const entry = entryOf(address, info);
  const known = load<u64>(slot) == entry;
  store<u64>(slot, entry);
  // Whether a line is known is not predictable; that nobody else wrote it is.
  if (info == 0 || (info & WRITER_MASK) == cpu) return select<u32>(price(PRICE_MEM_L2), price(PRICE_MEM_L3), known);
  return known ? price(PRICE_MEM_L2) : missCost(cpu, info);
}

/** Cycles for `cpu` to get the line of `address` for itself; its next reader elsewhere pays a transfer. */
export function writeCost(cpu: u32, address: usize): u32 {
  const at = infoAddress(address);
  const info = load<u32>(at);
  const slot = entryAddress(clk(cpu), address);
  const owned = load<u64>(slot) == entryOf(address, info) && (info & WRITER_MASK) == cpu && info != 0;
  const cost = owned ? price(PRICE_MEM_L1) : missCost(cpu, info);
  const next = (((info >> WRITER_BITS) + 1) << WRITER_BITS) | cpu;
  store<u32>(at, next);
  store<u64>(slot, entryOf(address, next));
  return cost;
}

/**
 * Cycles of a plain store. It waits in the store buffer for its line, and the CPU does not wait for it: what comes next overlaps the
 * transfer. Its next reader elsewhere pays one all the same.
 */
export function storeCost(cpu: u32, address: usize): u32 {
  writeCost(cpu, address);
  return price(PRICE_MEM_L1) + price(PRICE_STORE);
}
