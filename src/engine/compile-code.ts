/**
 * The code of one compiled function, as it is written: its parameters, its locals, and which registers of the program are in locals.
 * Registers are written through to memory, so that a function may end anywhere.
 */
import { W, WasmBytes } from "./wasm-bytes.js";

/** Parameters: number of the CPU; addresses of its hw, clk and st blocks, and of the registers. */
export const PARAMETER = { cpu: 0, hw: 1, clk: 2, st: 3, registers: 4 } as const;
const PARAMETERS = 5;
/** Locals of which steps make use: five i32, and an i64. */
export const SCRATCH = { cost: 5, at: 6, line: 7, info: 8, slot: 9, old: 10 } as const;
const SCRATCHES = 6;
/** Imported functions: execute(cpu, registers, pc), missCost(cpu, info). */
export const CALLED = { execute: 0, missCost: 1 } as const;
/** {i32 x PARAMETERS} -> i64. */
export const FUNCTION_TYPE = [0x60, PARAMETERS, ...Array<number>(PARAMETERS).fill(W.i32), 1, W.i64];

export class FunctionCode {
  readonly #code = new WasmBytes();
  readonly #locals = new Map<number, number>();
  /** Registers that are in their locals, on the way that is being written. */
  known = new Set<number>();

  /** As the code section has it. */
  body(): Uint8Array {
    const body = new WasmBytes().u32(2);
    body
      .u32(SCRATCHES - 1)
      .byte(W.i32)
      .u32(1 + this.#locals.size)
      .byte(W.i64);
    return body.append(this.#code.done()).byte(W.end).done();
  }

  op(...opcodes: readonly number[]): this {
    this.#code.byte(...opcodes);
    return this;
  }

  i32(value: number): this {
    this.#code.byte(W.i32Const).i32(value);
    return this;
  }

  i64(value: bigint): this {
    this.#code.byte(W.i64Const).i64(value);
    return this;
  }

  get(local: number): this {
    this.#code.byte(W.localGet).u32(local);
    return this;
  }

  set(local: number): this {
    this.#code.byte(W.localSet).u32(local);
    return this;
  }

  tee(local: number): this {
    this.#code.byte(W.localTee).u32(local);
    return this;
  }

  /** A load or store at an address on the stack plus `offset`. No alignment is claimed, which costs nothing. */
  memory(opcode: number, offset = 0): this {
    this.#code.byte(opcode, 0).u32(offset);
    return this;
  }

  /** Pushes a register. */
  read(register: number): this {
    if (!this.known.has(register)) {
      this.get(PARAMETER.registers)
        .memory(W.i64Load, register * 8)
        .set(this.#localOf(register));
      this.known.add(register);
    }
    return this.get(this.#localOf(register));
  }

  /** Writes what `value` pushes to a register. What it reads has to be in locals by then, if the way may be left in between. */
  write(register: number, value: () => void): this {
    value();
    this.set(this.#localOf(register));
    this.known.add(register);
    return this.get(PARAMETER.registers)
      .get(this.#localOf(register))
      .memory(W.i64Store, register * 8);
  }

  /** A register has got a new value in memory. */
  reload(register: number): this {
    this.known.delete(register);
    return this.read(register).op(W.drop);
  }

  #localOf(register: number): number {
    let local = this.#locals.get(register);
    if (local === undefined) {
      local = PARAMETERS + SCRATCHES + this.#locals.size;
      this.#locals.set(register, local);
    }
    return local;
  }
}
