/* Operands of a micro-op: registers, and the words that field operands name. */
import { NONE } from "./isa";
import { RECORDS, stateBase, tablePages } from "./layout";

// @ts-ignore: decorator
@inline
export function reg(r: usize, index: u32): u64 {
  return load<u64>(r + (<usize>index << 3));
}

// @ts-ignore: decorator
@inline
export function setReg(r: usize, index: u32, value: u64): void {
  if (index != NONE) store<u64>(r + (<usize>index << 3), value);
}

/** Address of the word that a field operand names. */
// @ts-ignore: decorator
@inline
export function fieldAddress(r: usize, w: u64, imm: u64): usize {
  const record = RECORDS + (<usize>(imm >> 32) << 3);
  const index = <usize>reg(r, <u32>(w >> 16) & 255);
  const word = <usize><u32>imm + <usize>reg(r, <u32>(w >> 24) & 255);
  const at = <usize>load<u32>(record) + index * <usize>load<u32>(record, 4) + (word << 3);
  assert(at >= stateBase && at < tablePages); // a record that exists
  return at;
}
