/* One random order of events of a case, on the twin. */
import type { Invariant } from "../src/dsl/case.js";
import type { Choice } from "../src/dsl/choices.js";
import type { ReferencePlayer } from "../src/reference/explore.js";
import type { Random } from "./generate-mechanism.js";

export interface RandomRun {
  readonly choices: readonly Choice[];
  /** What the last choice broke, or `progress` when nothing could move. */
  readonly broken: Invariant | undefined;
}

/** Liberties need not end, so a run does after this many of them in a row, when all threads have done their part. */
const LIBERTIES_AT_END = 6;

/** Plays from a copy of `start`: any enabled choice, one as likely as another. */
export function randomRun(start: ReferencePlayer, below: Random): RandomRun {
  let player = start.copy();
  const choices: Choice[] = [];
  const all = start.choices();
  for (let idle = 0; idle < LIBERTIES_AT_END; ) {
    let taken: Choice | undefined;
    const left = [...all];
    while (taken === undefined && left.length > 0) {
      const [choice] = left.splice(below(left.length), 1);
      const before = choice!.do === "liberty" ? player.copy() : undefined;
      if (player.apply(choice!)) taken = choice;
      // A refused touch may have changed what it was tried on.
      else if (before !== undefined) player = before;
    }
    if (taken === undefined) return { choices, broken: player.isFinished ? undefined : "progress" };
    choices.push(taken);
    const [violation] = player.machine.violations();
    if (violation !== undefined) return { choices, broken: violation.invariant };
    idle = taken.do === "liberty" && player.isFinished ? idle + 1 : 0;
  }
  return { choices, broken: undefined };
}
