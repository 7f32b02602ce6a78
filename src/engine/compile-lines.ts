/** What a step pays for its cache line, as assembly/lines.ts has it, in compiled code: of the address in SCRATCH.at. */
import { CALLED, type FunctionCode, PARAMETER, SCRATCH } from "./compile-code.js";
import type { Places } from "./compile-places.js";
import { W } from "./wasm-bytes.js";

const { cpu, clk } = PARAMETER;
const { cost, at, line, info, slot } = SCRATCH;

/** Puts the number of the line, its word and the address of its slot in the CPU's cache into locals. */
function lineOf(code: FunctionCode, places: Places): void {
  code.get(at).i32(6).op(W.i32ShrU).tee(line);
  code.i32(2).op(W.i32Shl).memory(W.i32Load, places.lines).set(info);
  code
    .get(line)
    .i32(places.firstLine)
    .op(W.i32Sub)
    .i32(places.lineCount - 1)
    .op(W.i32And);
  code.i32(3).op(W.i32Shl).get(clk).op(W.i32Add).set(slot);
}

/** Pushes what the slot holds if the CPU has the line as `info` has it. */
function entryOf(code: FunctionCode): void {
  code.get(line).op(W.i64Extend).i64(32n).op(W.i64Shl).get(info).op(W.i64Extend, W.i64Or);
}

/** Stores that in the slot. */
function remember(code: FunctionCode, places: Places): void {
  code.get(slot);
  entryOf(code);
  code.memory(W.i64Store, places.ckLines);
}

function miss(code: FunctionCode): void {
  code.get(cpu).get(info).op(W.call, CALLED.missCost);
}

/** The CPU reads the line: sets the price, with `more` on top. */
export function readLine(code: FunctionCode, places: Places, more: number): void {
  lineOf(code, places);
  code.i32(places.prices.memL1).set(cost);
  code.get(slot).memory(W.i64Load, places.ckLines);
  entryOf(code);
  code.op(W.i64Ne, W.if, W.noResult);
  remember(code, places);
  miss(code);
  code.set(cost).op(W.end);
  if (more !== 0) code.get(cost).i32(more).op(W.i32Add).set(cost);
}

/** The CPU gets the line for itself: sets the price, with `more` on top. */
export function writeLine(code: FunctionCode, places: Places, more: number): void {
  lineOf(code, places);
  code.get(slot).memory(W.i64Load, places.ckLines);
  entryOf(code);
  code.op(W.i64Eq).get(info).i32(places.writerMask).op(W.i32And).get(cpu).op(W.i32Eq, W.i32And);
  code.get(info).i32(0).op(W.i32Ne, W.i32And, W.if, W.i32).i32(places.prices.memL1).op(W.else);
  miss(code);
  code.op(W.end).i32(more).op(W.i32Add).set(cost);
  const bits = places.writerBits;
  code.get(info).i32(bits).op(W.i32ShrU).i32(1).op(W.i32Add).i32(bits).op(W.i32Shl);
  code.get(cpu).op(W.i32Or).set(info);
  code.get(line).i32(2).op(W.i32Shl).get(info).memory(W.i32Store, places.lines);
  remember(code, places);
}
