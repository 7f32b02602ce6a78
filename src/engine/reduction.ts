/**
 * Everything that is known of a case before its search that tells which steps need no alternatives: what each op touches, what can still be
 * touched from there on, and how far others get while a lock is held. `assembly/reduce.ts` decides with it, state by state.
 */

import type { Case, Thread } from "../dsl/case.js";
import { OPS } from "../dsl/isa.js";
import type { MicroOp, Program, RecordKind } from "../dsl/program.js";
import { type Folding, foldCells } from "./classes.js";
import {
  accessFootprint,
  both,
  Cells,
  entryFootprint,
  evictFootprint,
  type Footprint,
  NOTHING,
  opFootprint,
  type Things,
  thingsOf,
} from "./footprint.js";
import { findGates, type Gate, heldAt, isLockOp, type Mode, type Run, stops } from "./locksets.js";
import { firstSteps, needsAll, type Reach, reaches, tails } from "./reach.js";
import { HANDLER, type InitialWord, type Started, startedRuns, startOf } from "./started.js";

/** Ways to look at the future of the others: with no gate held, and with each gate held for writing and for reading. */
export const GATES_MOST = 4;

/** Of one CPU; arrays are by op, and `reach` and `script` by view first. */
export interface CpuReduction {
  /** The op alone, and what is executed behind it together with it. */
  readonly own: readonly Footprint[];
  readonly tail: readonly Reach[];
  /** Whether the op is never to be the only choice. */
  readonly needsAll: readonly boolean[];
  /** Gates that are held before the op, as bits of views. */
  readonly held: readonly number[];
  readonly reach: readonly (readonly Reach[])[];
  /** What the thread's items from a number on can touch. */
  readonly script: readonly (readonly Reach[])[];
  readonly handler: Footprint;
  /** Fills and evictions; touches, which happen in user mode alone. */
  readonly anytime: Footprint;
  readonly userTime: Footprint;
  /** The bit of its pending interrupt. */
  readonly pending: bigint;
}

export interface Reduction {
  readonly cpus: readonly CpuReduction[];
  readonly views: number;
  readonly leaf: bigint;
  /** What a store to a page-table entry touches when it becomes visible. */
  readonly entry: Footprint;
  /** The class of a word. */
  wordClass(kind: RecordKind, record: number, word: number): bigint;
  /** Bits of words of records. */
  readonly words: bigint;
  /** Bits in use, 64 at most. */
  readonly classes: number;
}

/** Effects of broadcast invalidations come at times that no program decides: no order can be left out. */
export function hasBroadcasts({ ops }: Program): boolean {
  return ops.some(({ op }) => op === "TLBI");
}

/** Undefined when nothing can be left out. */
export function analyse(one: Case, initial: InitialWord): Reduction | undefined {
  if (hasBroadcasts(one.program)) return undefined;
  return new Plan(one, initial).reduction();
}

class Plan {
  readonly #case: Case;
  readonly #ops: readonly MicroOp[];
  readonly #things: Things;
  readonly #cells: Cells;
  readonly #runs: readonly Started[];
  readonly #own = new Map<Started, readonly Footprint[]>();

  constructor(one: Case, initial: InitialWord) {
    const { cpus, mms, tasks, tables, frames } = one.machine;
    this.#case = one;
    this.#ops = one.program.ops;
    const records = { global: 1, mm: mms, cpu: cpus, task: tasks, table: tables, frame: frames };
    this.#things = thingsOf(cpus, mms);
    this.#cells = new Cells(one.program, records, this.#things.count);
    this.#runs = startedRuns({
      one,
      initial,
      records,
      things: this.#things,
      cells: this.#cells,
    });
    for (const run of this.#runs) this.#own.set(run, this.#footprints(run));
    for (const run of this.#runs) this.#own.set(run, this.#bounded(run, this.#own.get(run)!));
  }

  reduction(): Reduction {
    const { cpus } = this.#case.machine;
    const gates = findGates(this.#ops, this.#runs, (run, pc) => this.#lockCells(run, pc), GATES_MOST);
    const folding = foldCells(this.#things.count, this.#cells.cells.length, this.#parts());
    return {
      cpus: Array.from({ length: cpus }, (_, cpu) => this.#ofCpu(cpu, gates, folding)),
      views: 1 + 2 * gates.length,
      leaf: this.#things.leaf,
      entry: entryFootprint(this.#things),
      wordClass: (kind, record, word) => folding.fold(this.#cells.bitOf(kind, record, BigInt(word))),
      words: (1n << BigInt(folding.count)) - (1n << BigInt(this.#things.count)),
      classes: folding.count,
    };
  }

  #footprints({ cpu, known }: Started): readonly Footprint[] {
    const { cpus } = this.#case.machine;
    return this.#ops.map((op, pc) => {
      const registers = known[pc];
      if (registers === undefined || OPS[op.op].class === "free") return NOTHING;
      if (SILENT.has(op.op)) return NOTHING;
      return opFootprint(op, registers, cpu, cpus, this.#things, this.#cells);
    });
  }

  /**
   * Where a call begins to count for the oracle: its first step, for what it promises at its end and for accesses meanwhile; and where it
   * ends.
   */
  #bounded(run: Started, own: readonly Footprint[]): readonly Footprint[] {
    const isCall = run.entry !== HANDLER;
    const promises = this.#ops.some((op, pc) => op.op === "PROMISE" && run.known[pc] !== undefined);
    const running = this.#things.running([BigInt(run.cpu)]);
    const begins = { uses: 0n, changes: running | (promises ? this.#things.calls : 0n) };
    const first = isCall ? firstSteps(this.#ops, run) : new Set<number>();
    return own.map((footprint, pc) => {
      if (first.has(pc)) return both(footprint, begins);
      const ends = this.#ops[pc]!.op === "END" && run.known[pc] !== undefined;
      return ends ? both(footprint, { uses: 0n, changes: running }) : footprint;
    });
  }

  /** Words that an op changes, as far as locks are concerned; for an op of a lock its word. */
  #lockCells(run: Run, pc: number): bigint {
    const { uses, changes } = this.#own.get(run as Started)![pc]!;
    const words = -1n << BigInt(this.#things.count);
    return words & (isLockOp(this.#ops[pc]!) ? uses | changes : LOOKS.has(this.#ops[pc]!.op) ? 0n : changes);
  }

  /** What each task and each interrupt handler can execute, for finding what nobody shares. */
  #parts(): Footprint[] {
    return Array.from({ length: this.#case.machine.cpus }, (_, cpu) => {
      const runs = this.#runs.filter((run) => run.cpu === cpu);
      const whole = (wanted: boolean): Footprint =>
        runs
          .filter((run) => (run.entry === HANDLER) === wanted)
          .flatMap((run) => this.#own.get(run)!)
          .reduce(both, NOTHING);
      return [whole(false), whole(true)];
    }).flat();
  }

  #ofCpu(cpu: number, gates: readonly Gate[], folding: Folding): CpuReduction {
    const runs = this.#runs.filter((run) => run.cpu === cpu);
    const views: (readonly [Gate, Mode] | undefined)[] = [
      undefined,
      ...gates.flatMap((gate) => [[gate, "write"] as const, [gate, "read"] as const]),
    ];
    const fold = ({ uses, changes }: Footprint): Footprint => ({
      uses: folding.fold(uses),
      changes: folding.fold(changes),
    });
    const folded = new Map(runs.map((run) => [run, this.#own.get(run)!.map(fold)]));
    const own = this.#merged(runs, (run) => folded.get(run)!, both, NOTHING);
    const begins = this.#begins(runs, (run) => folded.get(run)!);
    const tail = this.#merged(runs, (run) => tails(this.#ops, run, folded.get(run)!), joined, NOWHERE).map(
      ({ touched, ends }): Reach => ({ touched: ends ? both(touched, begins) : touched, ends }),
    );
    const held = this.#merged(
      runs,
      (run) => heldAt(this.#ops, run, (r, pc) => this.#lockCells(r, pc), gates),
      or,
      0,
    );
    const reach = views.map((view) =>
      this.#merged(
        runs,
        (run) => reaches(this.#ops, run, folded.get(run)!, this.#stopsFor(run, view)),
        joined,
        NOWHERE,
      ),
    );
    const thread = this.#case.threads.find((one) => one.cpu === cpu) ?? { cpu, does: [] };
    const handler = runs.find((run) => run.entry === HANDLER);
    return {
      own,
      tail,
      needsAll: this.#merged(
        runs,
        (run) => needsAll(this.#ops, run),
        (left, right) => left || right,
        false,
      ),
      held: held.map(viewsOf),
      reach,
      script: reach.map((one) => this.#script(thread, runs, one)),
      handler: both(handler === undefined ? NOTHING : reach[0]![handler.pc]!.touched, {
        uses: 0n,
        changes: this.#things.pending(cpu) | this.#things.running([BigInt(cpu)]),
      }),
      anytime: this.#liberties(cpu, false),
      userTime: this.#liberties(cpu, true),
      pending: this.#things.pending(cpu),
    };
  }

  #stopsFor(run: Started, view: readonly [Gate, Mode] | undefined): (op: MicroOp, pc: number) => boolean {
    if (view === undefined) return () => false;
    const [gate, mode] = view;
    return (op, pc) => stops(mode, op) && this.#lockCells(run, pc) === gate.cell;
  }

  /** What the free ops at the start of a CPU's entries touch: they run together with what comes before. */
  #begins(runs: readonly Started[], own: (run: Started) => readonly Footprint[]): Footprint {
    return runs
      .filter((run) => run.entry !== HANDLER)
      .map((run) => tails(this.#ops, run, own(run))[run.pc]!)
      .map(({ touched }) => touched)
      .reduce(both, NOTHING);
  }

  /** From each item of a thread to its last. An item that cannot end, because it stops at a gate, is the last. */
  #script(thread: Thread, runs: readonly Started[], reach: readonly Reach[]): readonly Reach[] {
    const script: Reach[] = [{ touched: NOTHING, ends: true }];
    for (const item of thread.does.toReversed()) {
      const { entry } = startOf(item);
      const run = runs.find((one) => one.entry === entry);
      const body = run === undefined ? { touched: NOTHING, ends: true } : reach[run.pc]!;
      const isAccess = "access" in item;
      const touched = isAccess ? both(body.touched, accessFootprint(this.#things, thread.cpu)) : body.touched;
      const rest = script[0]!;
      // An access may need no fault, and then nothing stops it.
      script.unshift(
        body.ends || isAccess
          ? { touched: both(touched, rest.touched), ends: rest.ends }
          : { touched, ends: false },
      );
    }
    return script;
  }

  #liberties(cpu: number, touches: boolean): Footprint {
    return this.#case.liberties
      .filter((liberty) => liberty.cpu === cpu && (liberty.may === "touch") === touches)
      .map((liberty) => (liberty.may === "evict" ? evictFootprint : accessFootprint)(this.#things, cpu))
      .reduce(both, NOTHING);
  }

  /** By op, over entries that have no op in common. */
  #merged<T>(
    runs: readonly Started[],
    of: (run: Started) => readonly T[],
    merge: (left: T, right: T) => T,
    none: T,
  ): T[] {
    const all = runs.map(of);
    return this.#ops.map((_, pc) => all.map((values) => values[pc]!).reduce(merge, none));
  }
}

/** Ghosts that only statistics see, and the end, which belongs to whatever begins behind it. */
const SILENT = new Set(["WINDOW", "COUNT", "MARK", "SLEEP", "END"]);
/** Steps that look at a word and leave it as it is. */
const LOOKS = new Set(["LD", "AWAIT", "MASK_TEST", "MASK_NEXT", "MASK_COUNT"]);
const NOWHERE: Reach = { touched: NOTHING, ends: false };

function joined(left: Reach, right: Reach): Reach {
  return { touched: both(left.touched, right.touched), ends: left.ends || right.ends };
}

function or(left: number, right: number): number {
  return left | right;
}

/** View 0 is that without a gate; a gate that is held for writing keeps off readers too. */
function viewsOf(held: number): number {
  return (held << 1) | 1;
}
