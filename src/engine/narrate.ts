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
  /** The word is an entry of a page table of the last level. */
  readonly isLeaf: boolean;
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
    const { event, after } = oneEvent(play, player, before, choice, at);
    before = after;
    events.push(event);
  }
  const waiting = waitsIn(play, player);
  const waits = waiting.map(({ wait }) => wait);
  const steps = withWhatMatters(
    events,
    waiting.flatMap(({ cell }) => cell ?? []),
  );
  const found = foundIn(play, player, waits);
  return {
    threads,
    steps: found === undefined ? steps : marked(play, steps, events, player),
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
): { readonly event: Event; readonly after: MachineState } {
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
  const event: Event = {
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
    isLeaf: told?.cell?.kind === "pte" && before.tables[told.cell.record - 1]?.level === 0,
    changes,
  };
  return { event, after };
}

/** The translation that an event in user mode uses; undefined where there is none yet. */
function accessDetail(before: MachineState, cpu: number, vpn: number | undefined): string | undefined {
  return vpn === undefined ? undefined : translationUsed(before, cpu, vpn);
}

/**
 * A step matters when it is an event outside the kernel's code, when it changes an entry, a TLB, a frame or an interrupt, when it touches a
 * word that another CPU of this run touches too, one of them writing, and when it touches one that somebody waits for at the end. Of a
 * last-level entry one CPU's write is enough.
 */
function withWhatMatters(events: readonly Event[], waitedFor: readonly Cell[]): TraceStep[] {
  return events.map((event) => {
    const { step, cell, changes, isLeaf } = event;
    const isShared = (word: Cell, writes: boolean): boolean =>
      waitedFor.some((other) => sameCell(other, word)) ||
      events.some(
        (other) =>
          other.cell !== undefined &&
          sameCell(other.cell, word) &&
          (other.writes || writes) &&
          (other.step.cpu !== step.cpu || isLeaf),
      );
    const told = changes.filter((change) => change.cell === undefined || isShared(change.cell, true));
    const matters =
      step.file === null ||
      told.some(({ isMinor }) => !isMinor) ||
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
  player: ReferencePlayer,
): TraceStep[] {
  const [violation] = player.machine.violations();
  const [made, broken] = [lastAt(play, events, violation?.made), lastAt(play, events, violation?.broken)];
  const end = violation === undefined ? -1 : steps.length - 1;
  return steps.map((step, at) => {
    const marks: TraceStep["marks"] = [
      ...(at === made ? (["made"] as const) : []),
      ...(at === broken ? (["broken"] as const) : []),
      ...(at === end ? (["violation"] as const) : []),
    ];
    return marks.length === 0 ? step : { ...step, marks, matters: true };
  });
}

/** The last event at a site. What only the oracle sees, such as a promise, happens with the last step that stands before it. */
function lastAt({ program: { ops } }: Case, events: readonly Event[], site: number | undefined): number {
  if (site === undefined || site < 0) return -1;
  const at = events.findLastIndex(({ pc }) => pc !== undefined && ops[pc]!.site === site);
  if (at >= 0) return at;
  const ghost = ops.findIndex((op) => op.site === site);
  return events.findLastIndex(({ pc, step }, index) => {
    const next = events
      .slice(index + 1)
      .find((other) => other.step.cpu === step.cpu && other.pc !== undefined);
    return pc !== undefined && pc < ghost && (next === undefined || next.pc! > ghost);
  });
}
