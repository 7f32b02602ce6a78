/** Columns of rows in a memory of WebAssembly: with src/engine the only place that says so. */
import { readFileSync } from "node:fs";
import type { EventColumns } from "./event.js";

interface Functions {
  begin(columns: number, fars: number, accesses: number, rows: number, entries: number): number;
  decode(count: number): void;
  forgetAll(): void;
  knownRows(from: number, to: number, thread: number, position: number): number;
}

let compiled: WebAssembly.Module | undefined;
const wasmPage = 65_536;
const pagesMax = 4096;

/** assembly/trace and its memory, for one reader or one replay. */
export class Columns {
  readonly functions: Functions;
  /** All of the memory, and the columns in it; new ones when it has grown. */
  u8!: Uint8Array;
  u32!: Uint32Array;
  rows!: EventColumns;
  readonly #memory = new WebAssembly.Memory({ initial: 1, maximum: pagesMax });
  readonly #exports: WebAssembly.Exports;

  /** `bytes` bytes of memory behind an exported address. */
  constructor(address: string, bytes = 0) {
    compiled ??= new WebAssembly.Module(readFileSync(new URL("../../build/trace.wasm", import.meta.url)));
    this.#exports = new WebAssembly.Instance(compiled, { env: { memory: this.#memory } }).exports;
    this.functions = this.#exports as unknown as Functions;
    this.reserve(this.value(address) + bytes);
  }

  /** An exported constant. */
  value(name: string): number {
    return (this.#exports[name] as WebAssembly.Global).value as number;
  }

  /** Make the memory at least `bytes` long. */
  reserve(bytes: number): void {
    const pages = Math.ceil((bytes - this.#memory.buffer.byteLength) / wasmPage);
    if (pages <= 0) return;
    this.#memory.grow(pages);
    const { buffer } = this.#memory;
    const rows = this.value("ROWS");
    this.u8 = new Uint8Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.rows = {
      kind: new Uint8Array(buffer, this.value("KINDS"), rows),
      thread: new Int32Array(buffer, this.value("THREADS"), rows),
      address: new Float64Array(buffer, this.value("ADDRESSES"), rows),
      size: new Uint32Array(buffer, this.value("SIZES"), rows),
    };
  }

  /** Words from an exported address on; of no use once the memory has grown. */
  words(name: string, length: number): Uint32Array {
    const first = this.value(name) / 4;
    return this.u32.subarray(first, first + length);
  }
}
