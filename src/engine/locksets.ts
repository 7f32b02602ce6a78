/**
 * Which locks a program is sure to hold at each of its ops. Only locks whose word is known beforehand count, such as an address space's;
 * here they are called *gates*: while one CPU holds a gate, others get no further than to its door.
 */

import { nextOf } from "../dsl/flow.js";
import type { MicroOp } from "../dsl/program.js";
import type { KnownAt } from "./known-values.js";

/** Holding for writing (a spinlock counts as that) and for reading. */
export type Mode = "write" | "read";

/** A lock of which every op on it is known to mean exactly this one. */
export interface Gate {
  /** Its bit among the cells. */
  readonly cell: bigint;
}

/** One entry as one CPU runs it. */
export interface Run {
  readonly cpu: number;
  readonly pc: number;
  readonly known: KnownAt;
}

/** Bits of a set of held gates: two for each, writing first. */
export function heldBit(gate: number, mode: Mode): number {
  return 1 << (2 * gate + (mode === "write" ? 0 : 1));
}

const TAKES: Readonly<Record<string, Mode>> = { LOCK: "write", WLOCK: "write", RLOCK: "read" };
const RELEASES = new Set(["UNLOCK", "WUNLOCK", "RUNLOCK", "DOWNGRADE"]);
const TRIES = new Set(["TRYLOCK", "TRYRLOCK"]);

export function takes(op: MicroOp): Mode | undefined {
  return TAKES[op.op];
}

export function isLockOp(op: MicroOp): boolean {
  return op.op in TAKES || RELEASES.has(op.op) || TRIES.has(op.op);
}

/** Whether a CPU that holds `mode` keeps an op that takes the same lock from going on. */
export function stops(mode: Mode, op: MicroOp): boolean {
  const wanted = takes(op);
  return wanted === "write" || (wanted === "read" && mode === "write");
}

/**
 * The gates among the lock words: taken somewhere, changed by lock ops alone, and released only where they are surely held. `most` of
 * them at the most, those that are taken most often.
 */
export function findGates(
  ops: readonly MicroOp[],
  runs: readonly Run[],
  cellsOf: (run: Run, pc: number) => bigint,
  most: number,
): Gate[] {
  const taken = new Map<bigint, number>();
  let spoilt = 0n;
  forEachOp(ops, runs, (run, op, pc) => {
    const cells = cellsOf(run, pc);
    const isOne = cells !== 0n && (cells & (cells - 1n)) === 0n;
    if (takes(op) !== undefined && isOne) taken.set(cells, (taken.get(cells) ?? 0) + 1);
    else if (!RELEASES.has(op.op) && !TRIES.has(op.op)) spoilt |= takes(op) === undefined ? cells : 0n;
  });
  let gates = [...taken.keys()].filter((cell) => (cell & spoilt) === 0n).map((cell): Gate => ({ cell }));
  for (;;) {
    const sound = gates.filter((gate) => isReleasedByHolders(ops, runs, cellsOf, gate));
    if (sound.length === gates.length) break;
    gates = sound;
  }
  return gates.sort((left, right) => taken.get(right.cell)! - taken.get(left.cell)!).slice(0, most);
}

function isReleasedByHolders(
  ops: readonly MicroOp[],
  runs: readonly Run[],
  cellsOf: (run: Run, pc: number) => bigint,
  gate: Gate,
): boolean {
  return runs.every((run) => {
    const held = heldAt(ops, run, cellsOf, [gate]);
    return ops.every(
      (op, pc) =>
        run.known[pc] === undefined ||
        !RELEASES.has(op.op) ||
        (cellsOf(run, pc) & gate.cell) === 0n ||
        held[pc] !== 0,
    );
  });
}

/** For each op that the run reaches, the gates that are held before it on every way there. */
export function heldAt(
  ops: readonly MicroOp[],
  run: Run,
  cellsOf: (run: Run, pc: number) => bigint,
  gates: readonly Gate[],
): readonly number[] {
  const held: (number | undefined)[] = new Array(ops.length).fill(undefined);
  const pending: number[] = [];
  const arrive = (pc: number, set: number): void => {
    if (run.known[pc] === undefined) return;
    const before = held[pc];
    const now = before === undefined ? set : before & set;
    if (now === before) return;
    held[pc] = now;
    pending.push(pc);
  };
  arrive(run.pc, 0);
  for (let pc = pending.pop(); pc !== undefined; pc = pending.pop()) {
    const behind = afterOp(ops[pc]!, cellsOf(run, pc), held[pc]!, gates);
    for (const next of nextOf(ops[pc]!, pc)) arrive(next, behind);
  }
  return held.map((set) => set ?? 0);
}

function afterOp(op: MicroOp, cells: bigint, held: number, gates: readonly Gate[]): number {
  const mode = takes(op);
  let now = held;
  for (const [index, { cell }] of gates.entries()) {
    if ((cells & cell) === 0n) continue;
    const both = heldBit(index, "write") | heldBit(index, "read");
    if (mode !== undefined && cells === cell) now |= heldBit(index, mode);
    else if (op.op === "DOWNGRADE" && cells === cell && (now & heldBit(index, "write")) !== 0)
      now = (now & ~both) | heldBit(index, "read");
    else if (RELEASES.has(op.op)) now &= ~both;
  }
  return now;
}

function forEachOp(
  ops: readonly MicroOp[],
  runs: readonly Run[],
  visit: (run: Run, op: MicroOp, pc: number) => void,
): void {
  for (const run of runs) {
    for (const [pc, op] of ops.entries()) if (run.known[pc] !== undefined) visit(run, op, pc);
  }
}
