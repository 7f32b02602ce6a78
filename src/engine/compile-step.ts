/**
 * Steps as WebAssembly: the common case of a common step, in which nobody waits for the word that it writes. Every other case is left to
 * the interpreter's execute(), which does the step from its beginning. For a clock only: it has no store buffered when a step begins, and
 * every store is visible when the step is over.
 */
import type { MicroOp } from "../dsl/program.js";
import { CALLED, type FunctionCode, PARAMETER, SCRATCH } from "./compile-code.js";
import { readLine, writeLine } from "./compile-lines.js";
import type { Places } from "./compile-places.js";
import { W } from "./wasm-bytes.js";

const NONE = 255;
const { cpu, registers } = PARAMETER;
const { cost, at, old } = SCRATCH;

/** Depths of the blocks that a fast path leaves: for the interpreter, and when it is done. */
const SLOW = 0;
const DONE = 1;

/** Writes the step at `pc`; its price is in SCRATCH.cost behind it. A step that is blocked returns from the function. */
export function compileStep(code: FunctionCode, op: MicroOp, pc: number, places: Places): void {
  const operands = [op.a, op.b, op.c, ...(op.op === "AWAIT" ? [] : [op.d])];
  // Now, as what is loaded within a block is not known behind it.
  for (const operand of operands) if (operand !== NONE) code.read(operand).op(W.drop);
  code.op(W.block, W.noResult, W.block, W.noResult);
  if (fastPath(code, op, places)) code.op(W.br, DONE);
  code.op(W.end);
  code.get(cpu).get(registers).i32(pc).op(W.call, CALLED.execute).tee(cost);
  code.i32(0).op(W.i32LtS, W.if, W.noResult);
  code.get(cost).op(W.i64Extend).i64(32n).op(W.i64Shl, W.return, W.end);
  for (const written of writtenBy(op)) code.reload(written);
  code.op(W.end);
}

/** Registers that a step may write. */
function writtenBy({ op, dst, b, c }: MicroOp): number[] {
  const all = op === "RFIND" ? [dst, b, c] : [dst];
  return all.filter((register) => register !== NONE);
}

/** Returns whether there is one; it ends with the price in its local. */
function fastPath(code: FunctionCode, op: MicroOp, places: Places): boolean {
  const { prices } = places;
  switch (op.op) {
    case "LD":
      field(code, op, places);
      load(code, op, places);
      break;
    case "PTE_LD":
      entry(code, op, places);
      load(code, op, places);
      break;
    case "AWAIT":
      field(code, op, places);
      code.get(at).memory(W.i64Load).read(op.c);
      code.op([W.i64Ne, W.i64Eq, W.i64GeU, W.i64LtU][op.d]!, W.brIf, SLOW);
      load(code, op, places);
      break;
    case "ST":
      field(code, op, places);
      unawaited(code, places);
      writeLine(code, places, 0);
      code.get(at).read(op.c).memory(W.i64Store);
      // What a plain store costs does not depend on the line.
      code.i32(prices.memL1 + prices.store).set(cost);
      break;
    case "WORK":
      code.i32(places.works[Number(op.imm)]!).set(cost);
      break;
    case "FENCE":
      if (op.imm !== 0n && places.isWeak) return false;
      code.i32(op.imm === 0n ? prices.fence : 0).set(cost);
      break;
    default:
      return op.op.startsWith("MASK_") ? maskStep(code, op, places) : modify(code, op, places);
  }
  return true;
}

function load(code: FunctionCode, op: MicroOp, places: Places): void {
  readLine(code, places, 0);
  if (op.dst !== NONE) code.write(op.dst, () => code.get(at).memory(W.i64Load));
}

/** A locked read-modify-write of a field. */
function modify(code: FunctionCode, op: MicroOp, places: Places): boolean {
  const combine = { XCHG: undefined, FADD: W.i64Add, ADDV: W.i64Add, ORV: W.i64Or, ANDV: W.i64And }[
    op.op as string
  ];
  if (combine === undefined && op.op !== "XCHG") return false;
  field(code, op, places);
  unawaited(code, places);
  writeLine(code, places, places.prices.rmw);
  code.get(at).get(at).memory(W.i64Load).tee(old).read(op.c);
  // What is exchanged is not combined: the old value goes under the new one.
  if (combine === undefined) return exchange(code, op);
  code.op(combine).tee(old).memory(W.i64Store);
  if (op.dst !== NONE) code.write(op.dst, () => code.get(old));
  return true;
}

function exchange(code: FunctionCode, op: MicroOp): boolean {
  code.op(W.drop, W.drop).read(op.c).memory(W.i64Store);
  if (op.dst !== NONE) code.write(op.dst, () => code.get(old));
  return true;
}

function maskStep(code: FunctionCode, op: MicroOp, places: Places): boolean {
  if (op.op === "MASK_NEXT") return maskNext(code, op, places);
  if (op.op === "MASK_ZERO" || op.op === "MASK_COUNT") return false;
  field(code, op, places);
  code.get(at).read(op.c).op(W.i32Wrap).i32(6).op(W.i32ShrU).i32(3).op(W.i32Shl, W.i32Add).set(at);
  if (op.op === "MASK_TEST") readLine(code, places, 0);
  else {
    unawaited(code, places);
    writeLine(code, places, places.prices.rmw);
  }
  code.get(at).memory(W.i64Load).set(old);
  // A shift takes its distance modulo 64.
  const flag = () => code.i64(1n).read(op.c).op(W.i64Shl);
  if (op.op === "MASK_SET") {
    code.get(at).get(old);
    flag();
    code.op(W.i64Or).memory(W.i64Store);
  } else if (op.op === "MASK_CLR") {
    code.get(at).get(old);
    flag();
    code.i64(-1n).op(W.i64Xor, W.i64And).memory(W.i64Store);
  }
  if (op.dst !== NONE) code.write(op.dst, () => code.get(old).read(op.c).op(W.i64ShrU).i64(1n).op(W.i64And));
  return true;
}

/** Where a mask is one word. */
function maskNext(code: FunctionCode, op: MicroOp, places: Places): boolean {
  if (places.cpus > 64) return false;
  field(code, op, places);
  code.read(op.c).i64(64n).op(W.i64GeU, W.brIf, SLOW);
  readLine(code, places, places.prices.maskStep);
  if (op.dst === NONE) return true;
  code.get(at).memory(W.i64Load).i64(-1n).read(op.c).op(W.i64Shl, W.i64And).set(old);
  code.write(op.dst, () => {
    code.i64(BigInt(places.cpus)).get(old).op(W.i64Ctz).get(old).op(W.i64Eqz, W.select);
  });
  return true;
}

/** Puts the address of a field into its local. */
function field(code: FunctionCode, op: MicroOp, places: Places): void {
  const { base, stride } = places.records[Number(op.imm >> 32n)]!;
  code.i32(base + Number(op.imm & 0xffffffffn) * 8);
  if (op.a !== NONE) code.read(op.a).op(W.i32Wrap).i32(stride).op(W.i32Mul, W.i32Add);
  if (op.b !== NONE) code.read(op.b).op(W.i32Wrap).i32(3).op(W.i32Shl, W.i32Add);
  code.set(at);
}

/** The same for a page-table entry; of a live table, and with no D that hardware set unseen. */
function entry(code: FunctionCode, op: MicroOp, places: Places): void {
  code.read(op.a).op(W.i32Wrap).i32(places.tableMetaBytes).op(W.i32Mul);
  code.memory(W.i32Load, places.tableMeta + places.tableLive).op(W.i32Eqz, W.brIf, SLOW);
  code.read(op.a).op(W.i32Wrap).i32(places.pageShift).op(W.i32Shl);
  code.read(op.b).op(W.i32Wrap).i32(3).op(W.i32Shl, W.i32Add).i32(places.tablePages).op(W.i32Add).tee(at);
  code.i32(places.tablePages).op(W.i32Sub).i32(6).op(W.i32ShrU).memory(W.i32Load8, places.tableDirt);
  code.get(at).i32(3).op(W.i32ShrU).i32(7).op(W.i32And, W.i32ShrU).i32(1).op(W.i32And, W.brIf, SLOW);
}

/** Goes on only if nobody waits for a word with the hash of this one. */
function unawaited(code: FunctionCode, places: Places): void {
  code
    .get(at)
    .i32(3)
    .op(W.i32ShrU)
    .i32(places.waitBucketCount - 1)
    .op(W.i32And)
    .i32(2)
    .op(W.i32Shl);
  code.memory(W.i32Load, places.waitBuckets).op(W.brIf, SLOW);
}
