/** What a program can still touch from each of its ops on, up to its end. */

import { nextOf } from "../dsl/flow.js";
import { OPS } from "../dsl/isa.js";
import type { MicroOp } from "../dsl/program.js";
import { both, type Footprint, NOTHING } from "./footprint.js";
import type { Run } from "./locksets.js";

/** From an op on: what can be touched, and whether the end can be reached. */
export interface Reach {
  readonly touched: Footprint;
  readonly ends: boolean;
}

const NOWHERE: Reach = { touched: NOTHING, ends: false };

/** How a walk over the ops of a run goes: an op may be a place that is not passed, or what it touches may not count. */
interface Walk {
  /** What the op adds; undefined where the walk ends. */
  visit(op: MicroOp, pc: number): Footprint | undefined;
}

/** All that is executed behind a step together with it: free ops and ghosts, up to the next step. */
export function tails(ops: readonly MicroOp[], run: Run, own: readonly Footprint[]): readonly Reach[] {
  const behind = solve(ops, run, {
    visit: (op, pc) => (OPS[op.op].class === "step" ? undefined : own[pc]),
  });
  return ops.map((op, pc) => (OPS[op.op].class === "step" ? (behind[pc + 1] ?? NOWHERE) : behind[pc]!));
}

/**
 * Steps behind which a run may be at an earlier op than before, or at the same one: without them nothing goes round in circles. And steps
 * before a place that may sleep, which looks at locks that the CPU has released and others do not see released yet.
 */
export function needsAll(ops: readonly MicroOp[], run: Run): readonly boolean[] {
  // The lowest op that free ops lead to from each op.
  const lowest: number[] = ops.map((op, pc) => (op.op === "SLEEP" ? -1 : pc));
  for (let changed = true; changed; ) {
    changed = false;
    for (let pc = ops.length - 1; pc >= 0; pc--) {
      if (run.known[pc] === undefined || OPS[ops[pc]!.op].class === "step") continue;
      const low = Math.min(lowest[pc]!, ...nextOf(ops[pc]!, pc).map((next) => lowest[next]!));
      if (low === lowest[pc]) continue;
      lowest[pc] = low;
      changed = true;
    }
  }
  return ops.map(
    (op, pc) => OPS[op.op].class === "step" && run.known[pc] !== undefined && (lowest[pc + 1] ?? pc) <= pc,
  );
}

/** The steps that a run can begin with. */
export function firstSteps(ops: readonly MicroOp[], run: Run): ReadonlySet<number> {
  const first = new Set<number>();
  const seen = new Set<number>();
  const pending = [run.pc];
  for (let pc = pending.pop(); pc !== undefined; pc = pending.pop()) {
    if (seen.has(pc) || run.known[pc] === undefined) continue;
    seen.add(pc);
    if (OPS[ops[pc]!.op].class === "step") first.add(pc);
    else pending.push(...nextOf(ops[pc]!, pc));
  }
  return first;
}

/** All that can be executed from each op on, as far as the first op that `stops`. */
export function reaches(
  ops: readonly MicroOp[],
  run: Run,
  own: readonly Footprint[],
  stops: (op: MicroOp, pc: number) => boolean,
): readonly Reach[] {
  return solve(ops, run, { visit: (op, pc) => (stops(op, pc) ? undefined : own[pc]) });
}

function solve(ops: readonly MicroOp[], run: Run, walk: Walk): readonly Reach[] {
  const found: Reach[] = new Array(ops.length).fill(NOWHERE);
  const order = [...ops.keys()].filter((pc) => run.known[pc] !== undefined).reverse();
  // Backwards, so that one pass is enough where nothing jumps back.
  for (let changed = true; changed; ) {
    changed = false;
    for (const pc of order) {
      const own = walk.visit(ops[pc]!, pc);
      if (own === undefined) continue;
      const now = joined(ops[pc]!, pc, own, found);
      if (same(now, found[pc]!)) continue;
      found[pc] = now;
      changed = true;
    }
  }
  return found;
}

function joined(op: MicroOp, pc: number, own: Footprint, found: readonly Reach[]): Reach {
  let touched = own;
  let ends = op.op === "END";
  for (const next of nextOf(op, pc)) {
    touched = both(touched, found[next]!.touched);
    ends ||= found[next]!.ends;
  }
  return { touched, ends };
}

function same(left: Reach, right: Reach): boolean {
  return (
    left.ends === right.ends &&
    left.touched.uses === right.touched.uses &&
    left.touched.changes === right.touched.changes
  );
}
