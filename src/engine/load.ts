/** Compiling and instantiating the engine: with world.ts the only place that says WebAssembly. */
import { readFileSync } from "node:fs";

/** Debug keeps assertions and names; release is what measures. Both compute the same. */
export type Build = "debug" | "release";

/** The exported functions. Numbers are u32 unless said; cycles and BigInts stay inside. */
export interface EngineFunctions {
  plan(): number;
  init(): void;
  startTask(task: number, ready: number): void;
  setRegister(cpu: number, register: number, low: number, high: number): void;
  begin(cpu: number, pc: number): void;
  isLive(cpu: number): number;
  step(cpu: number): number;
  access(cpu: number, vpn: bigint, kind: number): number;
  speculate(cpu: number, vpn: bigint): number;
  canComplete(cpu: number, initiator: number): number;
  complete(cpu: number, initiator: number): void;
  evict(cpu: number, vpn: bigint): number;
  canDeliver(cpu: number): number;
  deliver(cpu: number): void;
  storesBuffered(cpu: number): number;
  canDrain(cpu: number, index: number): number;
  drain(cpu: number, index: number): void;
  /** Violations since the start or the last forgetViolations(); the first invariant that they break, as an index into INVARIANTS of dsl/case.ts. */
  violationsSoFar(): number;
  firstViolation(): number;
  forgetViolations(): void;
  /** What may happen next, one event at a time (src/engine/case-world.ts): the groups that may have been written, or REFUSED. */
  choose(choice: number): number;
  beginPlay(control: number): void;
  openSearch(): number;
  explore(states: number): number;
  parentOf(state: number): number;
  choiceBefore(state: number): number;
  openRandomRuns(seed: number, changes: number): number;
  runRandomly(): number;
  randomRun(): number;
  randomRunLength(): number;
  run(quanta: number): number;
  /** Helps the thread that is in run(); 0 when it is told to stop. */
  help(thread: number): number;
  meet(times: number): void;
  fed(): void;
  now(): bigint;
  settleClocks(): bigint;
  /** Functions of compiled programs are called from now on (compile.ts); and what they call. */
  useCode(): void;
  execute(cpu: number, registers: number, pc: number): number;
  missCost(cpu: number, info: number): number;
  /** One choice that stands for all others in the loaded state (assembly/reduce.ts), or NO_AMPLE. */
  ample(first: number): number;
}

/** Told by the debug build what happens, as it happens; assembly/observe.ts numbers the events. */
export type Observer = (event: number, cpu: number, a: bigint, b: bigint) => void;

export interface Instance {
  readonly watched: { by?: Observer };
  readonly functions: EngineFunctions;
  readonly memory: WebAssembly.Memory;
  /** Functions by number; compiled programs are behind the engine's own. */
  readonly table: WebAssembly.Table;
  /** An exported constant or, after plan(), an exported base address. Throws if the engine has no such name. */
  readonly value: (name: string) => number;
  /** Exported constants whose name starts with `prefix`, the prefix cut off. */
  readonly constants: (prefix: string) => ReadonlyMap<string, number>;
}

const modules = new Map<Build, WebAssembly.Module>();

/** Compiles a build once per thread. */
export function compile(build: Build): WebAssembly.Module {
  let module = modules.get(build);
  if (module === undefined) {
    module = new WebAssembly.Module(readFileSync(new URL(`../../build/${build}.wasm`, import.meta.url)));
    modules.set(build, module);
  }
  return module;
}

const WASM_PAGE = 65536;

/** Shared memory, zeroed, with room for what lies at fixed addresses. */
export function createMemory(): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: 16, maximum: WASM_PAGE, shared: true });
}

/** Makes it at least `bytes` long; views of it stay as short as they were. Pages that nobody touches cost nothing. */
export function growMemory(memory: WebAssembly.Memory, bytes: number): void {
  const pages = Math.ceil(bytes / WASM_PAGE);
  if (pages > WASM_PAGE) throw new RangeError(`a world of ${bytes} bytes is larger than 4 GiB`);
  const has = memory.buffer.byteLength / WASM_PAGE;
  if (pages > has) memory.grow(pages - has);
}

/** A trap of the engine: its own bug, or a limit of the world that was reached. */
export class EngineAbort extends Error {
  override readonly name = "EngineAbort";
}

/** An instance of a build, or of one that another thread compiled. */
export function instantiate(engine: Build | WebAssembly.Module, memory: WebAssembly.Memory): Instance {
  const module = engine instanceof WebAssembly.Module ? engine : compile(engine);
  const abort = (message: number, file: number, line: number, column: number): never => {
    const text = readString(memory, message) || "assertion failed";
    throw new EngineAbort(`${text} (${readString(memory, file)}:${line}:${column})`);
  };
  const watched: Instance["watched"] = {};
  const observe: Observer = (...event) => watched.by?.(...event);
  const { exports } = new WebAssembly.Instance(module, { env: { memory, abort, observe } });
  const value = (name: string): number => {
    const item = exports[name];
    if (!(item instanceof WebAssembly.Global)) throw new EngineAbort(`the engine exports no ${name}`);
    return unsigned(item.value);
  };
  const constants = (prefix: string): ReadonlyMap<string, number> =>
    new Map(
      Object.entries(exports)
        .filter(([name, item]) => name.startsWith(prefix) && item instanceof WebAssembly.Global)
        .map(([name, item]) => [name.slice(prefix.length), unsigned((item as WebAssembly.Global).value)]),
    );
  const table = exports.table as WebAssembly.Table;
  return { functions: exports as unknown as EngineFunctions, memory, table, value, constants, watched };
}

/** An AssemblyScript string: UTF-16, its length in bytes before it. */
function readString(memory: WebAssembly.Memory, pointer: number): string {
  if (pointer === 0) return "";
  const length = new Uint32Array(memory.buffer, pointer - 4, 1)[0]!;
  return String.fromCharCode(...new Uint16Array(memory.buffer.slice(pointer, pointer + length)));
}

/** Addresses reach beyond 2^31, and a Wasm i32 has no sign of its own. */
function unsigned(value: unknown): number {
  return typeof value === "bigint" ? Number(value) : (value as number) >>> 0;
}
