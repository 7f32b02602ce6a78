/* Loads, stores and atomics on record words and page-table entries. */
import type { Cell } from "./memory.js";
import type { Running, Step } from "./running.js";

export const LD: Step = (run) => load(run, run.field());
export const ST: Step = (run) => store(run, run.field());
export const XCHG: Step = (run) => exchange(run, run.field());
export const CAS: Step = (run) => compareExchange(run, run.field());
export const PTE_LD: Step = (run) => load(run, run.pte());
export const PTE_ST: Step = (run) => store(run, run.pte());
export const PTE_XCHG: Step = (run) => exchange(run, run.pte());
export const PTE_CAS: Step = (run) => compareExchange(run, run.pte());
export const PTE_AND: Step = (run) => returningOld(run, run.pte(), (old) => old & run.value(run.op.c));
export const PTE_OR: Step = (run) => returningOld(run, run.pte(), (old) => old | run.value(run.op.c));
export const ADDV: Step = (run) => returningNothing(run, (old) => old + run.value(run.op.c));
export const ORV: Step = (run) => returningNothing(run, (old) => old | run.value(run.op.c));
export const ANDV: Step = (run) => returningNothing(run, (old) => old & run.value(run.op.c));

export const FADD: Step = (run) => {
  const cell = run.field();
  returningOld(run, cell, (old) => old + run.value(run.op.c));
  run.set(run.op.dst, run.world.memory.read(cell));
  return true;
};

export const FENCE: Step = (run) => {
  const kind = Number(run.op.imm);
  if (kind === 0) run.cpu.stores.drainAll();
  if (kind === 2) run.cpu.stores.writeBarrier();
  return true;
};

function load(run: Running, cell: Cell): boolean {
  run.set(run.op.dst, run.cpu.stores.load(cell));
  return true;
}

function store(run: Running, cell: Cell): boolean {
  run.cpu.stores.store(cell, run.value(run.op.c), run.op.site);
  return true;
}

function exchange(run: Running, cell: Cell): boolean {
  return returningOld(run, cell, () => run.value(run.op.c));
}

/** A full fence; dst is the value before. */
function returningOld(run: Running, cell: Cell, change: (old: bigint) => bigint): boolean {
  run.cpu.stores.drainAll();
  const { memory } = run.world;
  const old = memory.read(cell);
  memory.write(cell, change(old), run.origin);
  run.set(run.op.dst, old);
  return true;
}

/** A full fence, whether it swaps or not; dst says which. */
function compareExchange(run: Running, cell: Cell): boolean {
  run.cpu.stores.drainAll();
  const { memory } = run.world;
  const swaps = memory.read(cell) === run.value(run.op.c);
  if (swaps) memory.write(cell, run.value(run.op.d), run.origin);
  run.set(run.op.dst, swaps);
  return true;
}

/** Orders nothing in `weak`; a locked instruction, so a full fence, in `tso`. */
function returningNothing(run: Running, change: (old: bigint) => bigint): boolean {
  const cell = run.field();
  if (run.world.config.model === "weak") run.cpu.stores.drainFor(cell);
  else run.cpu.stores.drainAll();
  const { memory } = run.world;
  memory.write(cell, change(memory.read(cell)), run.origin);
  return true;
}
