/**
 * A run that the adversary chose, told event by event: which step of the kernel, what it read and changed, what became of TLBs, frames
 * and interrupts. The run is played on the twin, so a counterexample that is printed has been found twice.
 */
import type { Case } from "../dsl/case.js";
import { type Choice, choiceText } from "../dsl/choices.js";
import { UsageError } from "../errors.js";
import { type ReferencePlayer, startOf } from "../reference/explore.js";
import type { MachineState } from "../reference/state.js";
import { type Cell, sameCell } from "./cells.js";
import type { Found, TraceStep, VariantResult, Wait } from "./check-result.js";
import { type Change, changesBetween, translationUsed } from "./narrate-changes.js";
import { beginningsBetween, doingText, placeOfEvent, stepDetail } from "./narrate-steps.js";
import { foundIn, waitsIn } from "./narrate-verdict.js";

export interface Narration {
  /** What each CPU sets out to do. */
  readonly threads: VariantResult["threads"];
  readonly steps: readonly TraceStep[];
  /** What the run ends in; undefined when it breaks nothing. */
  readonly found: Found | undefined;
  /** Nothing can move at the end although a thread is not done. */
  readonly waits: readonly Wait[];
  readonly windows: readonly string[];
}

/** A step and the word that it touches, for finding out what matters. */
export interface Event {
  readonly step: TraceStep;
  readonly pc: number | undefined;
  readonly cell: Cell | undefined;
  readonly writes: boolean;
  /** What it changes besides. */
  readonly changes: readonly Change[];
}

/** Throws: UsageError naming the first choice that the state does not allow. */
export function narrate(play: Case, choices: readonly Choice[]): Narration {
  const player = startOf(play);
  const events: Event[] = [];
  let before = player.machine.state();
  const threads = player.threads.map(({ cpu, does }) => ({ cpu, does: does.map(doingText) }));
  for (const [at, choice] of choices.entries()) {
    const event = oneEvent(play, player, before, choice, at);
    before = player.machine.state();
    events.push(event);
  }
  const steps = withWhatMatters(events);
  const waits = waitsIn(play, player);
  const found = foundIn(play, player, waits);
  return {
    threads,
    steps: found === undefined ? steps : marked(play, steps, events, found, player),
    found,
    waits,
    windows: Object.entries(player.machine.windows()).flatMap(([name, times]) => (times > 0 ? [name] : [])),
  };
}

function oneEvent(
  play: Case,
  player: ReferencePlayer,
  before: MachineState,
  choice: Choice,
  at: number,
): Event {
  const { program } = play;
  const cpu = choice.do === "liberty" ? (play.liberties[choice.index]?.cpu ?? 0) : choice.cpu;
  const context = before.cpus[cpu]?.interruptContext ?? before.cpus[cpu]?.taskContext;
  const { vpn, ...where } = placeOfEvent(play, player, choice, context?.pc);
  const windows = player.machine.windows();
  const threads = player.threads.map(({ at: item, isFaulting }) => ({ item, isFaulting }));
  if (cpu >= before.cpus.length || !player.apply(choice))
    throw new UsageError(`choice ${at + 1}, '${choiceText(choice)}', is not possible there`);
  const after = player.machine.state();
  const op = choice.do === "step" && context ? program.ops[context.pc] : undefined;
  const told = op && context ? stepDetail(play, before, after, cpu, op, context.registers) : undefined;
  const changes = changesBetween(play, before, after, told?.cell);
  const entered = player.machine.windows();
  return {
    step: {
      cpu,
      ...where,
      detail: told?.text ?? accessDetail(before, cpu, vpn) ?? "",
      choice: choiceText(choice),
      begins: beginningsBetween(threads, player),
      windows: Object.keys(entered).filter((name) => entered[name]! > windows[name]!),
      marks: [],
      matters: false,
    },
    pc: op && context?.pc,
    cell: told?.cell,
    writes: told?.writes ?? false,
    changes,
  };
}

/** The translation that an event in user mode uses; undefined where there is none yet. */
function accessDetail(before: MachineState, cpu: number, vpn: number | undefined): string | undefined {
  return vpn === undefined ? undefined : translationUsed(before, cpu, vpn);
}

/**
 * A step matters when it is an event outside the kernel's code, when it changes an entry, a TLB, a frame or an interrupt, and when it
 * touches a word that another CPU of this run touches too, one of them writing. Of an entry one CPU's write is enough.
 */
function withWhatMatters(events: readonly Event[]): TraceStep[] {
  return events.map((event) => {
    const { step, cell, changes } = event;
    const isShared = (word: Cell, writes: boolean): boolean =>
      events.some(
        (other) =>
          other.cell !== undefined &&
          sameCell(other.cell, word) &&
          (other.writes || writes) &&
          (other.step.cpu !== step.cpu || word.kind === "pte"),
      );
    const told = changes.filter((change) => change.cell === undefined || isShared(change.cell, true));
    const matters =
      step.file === null ||
      told.length > 0 ||
      step.begins.length + step.windows.length > 0 ||
      (cell !== undefined && isShared(cell, event.writes));
    const detail = [step.detail, ...told.map(({ text }) => text)].filter((text) => text !== "").join("; ");
    return { ...step, detail, matters };
  });
}

/** Marks the last step that ran at each of the two sites that the oracle names, and the event that breaks the invariant. */
function marked(
  play: Case,
  steps: readonly TraceStep[],
  events: readonly Event[],
  { invariant }: Found,
  player: ReferencePlayer,
): TraceStep[] {
  const [violation] = player.machine.violations();
  const lastAt = (site: number | undefined): number =>
    site === undefined
      ? -1
      : events.findLastIndex(({ pc }) => pc !== undefined && play.program.ops[pc]!.site === site);
  const [made, broken] = [lastAt(violation?.made), lastAt(violation?.broken)];
  const end = invariant === "progress" && violation === undefined ? -1 : steps.length - 1;
  return steps.map((step, at) => {
    const marks: TraceStep["marks"] = [
      ...(at === made ? (["made"] as const) : []),
      ...(at === broken ? (["broken"] as const) : []),
      ...(at === end ? (["violation"] as const) : []),
    ];
    return marks.length === 0 ? step : { ...step, marks, matters: true };
  });
}
