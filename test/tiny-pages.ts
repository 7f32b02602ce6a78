/* A page table for the clock's tests, put straight into memory, so that no step has touched its lines. */
import type { MicroOp } from "../src/dsl/program.js";
import { PTE } from "./paging-program.js";
import type { TinyClock } from "./tiny-clock.js";
import { op } from "./tiny-program.js";

/** Table 1 is the root; the first entry of each table leads to the next one. */
export const LEAF_TABLE = 4;
/** Pages whose entries share a line. */
export const PAGES_OF_A_LINE = 8;
const POINTER = PTE.present | PTE.write | PTE.user;

/** What a context switch does here: the root of the page table, without a flush. */
export const enterPages: readonly MicroOp[] = [
  op("LI", { dst: 1, imm: 1 }),
  op("LI", { dst: 2, imm: 1 }),
  op("CR3", { a: 1, b: 2, c: 1 }),
];

/** The entry that maps page n to frame n + 1. */
export function entryOf(page: number, bits: bigint): bigint {
  return (BigInt(page + 1) << 12n) | PTE.present | PTE.user | bits;
}

/** Maps pages 0, 1, ... with these bits each; undefined leaves a page out. */
export function mapPages({ world }: TinyClock, bits: readonly (bigint | undefined)[]): void {
  const tables = world.value("tablePages");
  const bytes = 8 << world.size.radixBits;
  for (let table = 1; table < LEAF_TABLE; table++)
    world.u64[(tables + table * bytes) / 8] = (BigInt(table + 1) << 12n) | POINTER;
  bits.forEach((one, page) => {
    if (one !== undefined) world.u64[leafAt(world, page)] = entryOf(page, one);
    world.u32[world.value("frameWords") / 4 + page + 1]! |= world.value("FW_LIVE");
  });
}

/** The entry of a page as it is now. */
export function leafOf({ world }: TinyClock, page: number): bigint {
  return world.u64[leafAt(world, page)]!;
}

function leafAt(world: TinyClock["world"], page: number): number {
  return world.value("tablePages") / 8 + (LEAF_TABLE << world.size.radixBits) + page;
}
