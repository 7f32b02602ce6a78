/** What a run ends in: the oracle's violation as a sentence, or who waits for whom. */
import type { Case, Invariant } from "../dsl/case.js";
import type { Choice } from "../dsl/choices.js";
import type { MicroOp } from "../dsl/program.js";
import { type ReferencePlayer, startOf } from "../reference/explore.js";
import { type Cell, cellName, cellOf, cellValue, holderOf, valueIn } from "./cells.js";
import type { Found, Wait } from "./check-result.js";
import { ACCESSES } from "./narrate-steps.js";
import type { StepPlace } from "./result.js";
import { sourcePlace } from "./source-place.js";

/** The first violation of the run, or the standstill that it ends in; undefined for none. */
export function foundIn(play: Case, player: ReferencePlayer, waits: readonly Wait[]): Found | undefined {
  const [violation] = player.machine.violations();
  if (violation === undefined) return waits.length === 0 ? undefined : standstill(waits);
  const { cpu, vpn, kind } = violation;
  // The twin's list of names may be shorter than the contract's.
  const invariant: Invariant = violation.invariant;
  const va = `0x${(vpn * 4096).toString(16)}`;
  const [made, broken] = [placeOfSite(play, violation.made), placeOfSite(play, violation.broken)];
  const access = ACCESSES[kind]!;
  const text = sentence(invariant, `CPU ${cpu}: ${access} of page ${vpn}`, made, broken);
  return { invariant, cpu, va, access, made, broken, waits: [], text };
}

/** What an access did that it should not have been able to do, and between which two steps a flush was due. */
function sentence(
  invariant: Invariant,
  access: string,
  made: StepPlace | null,
  broken: StepPlace | null,
): string {
  const change = made === null ? "a change of the page table" : stepName(made);
  const late = broken === null ? "the step that relied on it" : stepName(broken);
  const through = `${access} goes through a translation that ${change} made stale`;
  switch (invariant) {
    case "stale-frame":
      return `${through}, and ${late} has given the frame away without a flush before it`;
    case "stale-right":
      return `${through}, and ${late} has promised that it is gone without a flush before it`;
    case "lost-write":
      return `${access} is missing from the frame that the page table maps now: a flush was due before ${late}`;
    case "lost-dirty":
      return `${access} changes a frame that ${late} has judged clean, and nothing records it`;
    case "stale-table":
      return `${access} walks a page table that ${late} has given away without a flush before it`;
    case "split-view":
      return `${access} sees another frame than the other CPUs do`;
    default:
      return `${access} breaks ${invariant}`;
  }
}

function stepName({ routine, label }: StepPlace): string {
  return `${routine} (${label})`;
}

function placeOfSite({ program }: Case, site: number): StepPlace | null {
  const found = program.sites[site];
  if (found === undefined) return null;
  const { routine, label } = found;
  return { routine, label, ...sourcePlace(found) };
}

function standstill(waits: readonly Wait[]): Found {
  const parts = waits.map(({ cpu, routine, label, word, holder }) => {
    const owner = holder === null ? "" : `, which CPU ${holder} has`;
    return `CPU ${cpu} waits in ${routine} (${label}) for ${word}${owner}`;
  });
  const nothing = { cpu: null, va: null, access: null, made: null, broken: null };
  return {
    invariant: "progress",
    ...nothing,
    waits: [...waits],
    text: `nothing can move: ${parts.join("; ")}`,
  };
}

/** A run after which somebody can always go on, but all of them never come to an end. */
export function goesRound(play: Case, choices: readonly Choice[]): Found {
  const player = startOf(play);
  for (const choice of choices) player.apply(choice);
  const running = player.machine.state().cpus.flatMap(({ taskContext, interruptContext }, cpu) => {
    const pc = (interruptContext ?? taskContext)?.pc;
    const place = pc === undefined ? null : placeOfSite(play, play.program.ops[pc]!.site);
    return place === null ? [] : [`CPU ${cpu} is in ${stepName(place)}`];
  });
  const nothing = { cpu: null, va: null, access: null, made: null, broken: null };
  return {
    invariant: "progress",
    ...nothing,
    waits: [],
    text: `from here on everybody can go round for ever, and no order of events comes to an end: ${running.join("; ")}`,
  };
}

interface Waiting {
  readonly wait: Wait;
  readonly cell: Cell | undefined;
}

/** Who waits for what when no CPU can go on; empty when one can, or when all are done. */
export function waitsIn(play: Case, player: ReferencePlayer): Waiting[] {
  const state = player.machine.state();
  const stuck = state.cpus.flatMap((cpu, at): Waiting[] => {
    const context = cpu.interruptContext ?? cpu.taskContext;
    const op = context && play.program.ops[context.pc];
    return context && op ? [waitOf(play, player, at, op, context.registers)] : [];
  });
  if (stuck.length === 0 || player.isFinished) return [];
  const canMove = player.choices().some((choice) => choice.do !== "liberty" && player.copy().apply(choice));
  return canMove ? [] : stuck;
}

function waitOf(
  play: Case,
  player: ReferencePlayer,
  cpu: number,
  op: MicroOp,
  registers: readonly bigint[],
): Waiting {
  const { program, machine } = play;
  const state = player.machine.state();
  const cell = cellOf(op, registers);
  const place = placeOfSite(play, op.site) ?? { routine: "kernel", label: op.op, file: null, line: null };
  if (cell === undefined) return { cell, wait: { cpu, ...place, word: op.op, holder: null } };
  const value = valueIn(state, cell);
  const word = `${cellName(program, machine.radixBits, state, cell)} (${cellValue(program, cell, value)})`;
  // A call descriptor lies with the CPU that was called: it owes the answer.
  const owed = op.op === "AWAIT" && cell.kind === "cpu" && cell.record !== cpu ? cell.record : null;
  return { cell, wait: { cpu, ...place, word, holder: holderOf(program, cell, value) ?? owed } };
}
