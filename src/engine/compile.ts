/**
 * Compiles the programs of a world that has run for so long that this pays: 20 to 40 ms, against a sixth of what steps take. Only what has
 * been run is compiled, a few hundred of tens of thousands of ops.
 */
import { sum } from "./collect.js";
import { CALLED, FUNCTION_TYPE } from "./compile-code.js";
import { placesOf } from "./compile-places.js";
import { compileRun, PROGRAM_MOST } from "./compile-run.js";
import { SECTION, W, WasmBytes } from "./wasm-bytes.js";
import type { World } from "./world.js";

/** A module that puts `bodies` into a table from `first` on. */
function moduleOf(bodies: readonly Uint8Array[], first: number): Uint8Array<ArrayBuffer> {
  const module = new WasmBytes().byte(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
  const section = (id: number, write: (inner: WasmBytes) => void): WasmBytes => module.byte(id).sized(write);
  section(SECTION.type, (inner) =>
    inner.byte(3, ...FUNCTION_TYPE, 0x60, 3, W.i32, W.i32, W.i32, 1, W.i32, 0x60, 2, W.i32, W.i32, 1, W.i32),
  );
  section(SECTION.import, (inner) => {
    inner.u32(4).name("env").name("memory").byte(2, 3).u32(16).u32(65536);
    inner.name("env").name("table").byte(1, W.funcref, 0).u32(0);
    // In the order of CALLED.
    inner.name("env").name("execute").byte(0, 1);
    inner.name("env").name("missCost").byte(0, 2);
  });
  section(SECTION.function, (inner) => {
    inner.u32(bodies.length);
    for (const _ of bodies) inner.byte(0);
  });
  section(SECTION.element, (inner) => {
    inner.byte(1, 0, W.i32Const).i32(first).byte(W.end).u32(bodies.length);
    const imported = Object.keys(CALLED).length;
    for (const [index] of bodies.entries()) inner.u32(index + imported);
  });
  section(SECTION.code, (inner) => {
    inner.u32(bodies.length);
    for (const body of bodies) inner.u32(body.length).append(body);
  });
  return module.done();
}

/** Steps of the kernel that a run takes before it is compiled, 0.1 s of them. */
const STEPS_BEFORE = 2_000_000;
/** Of those, one in so many is taken once more to see which ops are run. */
const SHARE_WATCHED = 8;

/** When a running world is compiled, and how often again for what was run later: after twice the steps each time. */
export class Compilation {
  readonly #world: World;
  readonly #first: number;
  /** Offset of the number of steps within what is counted of a CPU. */
  readonly #counter: number;
  #next: number;
  #watches = false;

  constructor(world: World, after = STEPS_BEFORE) {
    this.#world = world;
    this.#counter = world.value("ST_TLB") + world.value("KERNEL_STEPS") * 8;
    this.#first = world.program.ops.length <= PROGRAM_MOST ? after : Number.POSITIVE_INFINITY;
    this.#next = this.#first;
  }

  /** To be called now and then, between two slices of the run. */
  look(): void {
    const steps = sum(this.#world, this.#counter);
    if (steps < this.#next) return;
    if (this.#watches) {
      compileWorld(this.#world);
      this.#next = 2 * steps;
    } else {
      this.#world.functions.useCode();
      this.#watches = true;
      this.#next = steps + this.#first / SHARE_WATCHED;
    }
  }
}

/** Compiles every op at which a run began since the last time, and has the engine call that from now on. Returns how many. */
export function compileWorld(world: World): number {
  const { table, memory, u16, program, value } = world;
  const [wanted, none] = [value("CODE_WANTED"), value("CODE_NONE")];
  const free = value("OP_FREE_FIRST");
  const numbers = world.constants("OP_");
  const codes = value("codes") / 2;
  const places = placesOf(world);
  const first = table.length;
  const bodies: Uint8Array[] = [];
  const pcs: number[] = [];
  const steps = new Set([...numbers].filter(([, number]) => number < free).map(([name]) => name));
  for (let pc = 0; pc < program.ops.length; pc++) {
    if (u16[codes + pc] !== wanted || first + bodies.length >= none) continue;
    const body = compileRun(program, pc, places, (op) => steps.has(op));
    if (body === undefined) {
      u16[codes + pc] = none;
      continue;
    }
    bodies.push(body);
    pcs.push(pc);
  }
  if (bodies.length === 0) return 0;
  table.grow(bodies.length);
  const { execute, missCost } = world.functions;
  const module = new WebAssembly.Module(moduleOf(bodies, first));
  new WebAssembly.Instance(module, { env: { memory, table, execute, missCost } });
  for (const [index, pc] of pcs.entries()) u16[codes + pc] = first + index;
  return bodies.length;
}
