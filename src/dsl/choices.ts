/** What a scheduler that chooses every event chooses from, and how a list of such choices is written and read. */

import { UsageError } from "../errors.js";

/** One event; which of them a state allows, the schedulers say. */
export type Choice =
  /** The CPU goes on: a step of its running program, or else its thread's next access. */
  | { readonly do: "step"; readonly cpu: number }
  /** The CPU takes its pending interrupt. */
  | { readonly do: "interrupt"; readonly cpu: number }
  /** The index-th oldest buffered store of the CPU becomes visible. */
  | { readonly do: "drain"; readonly cpu: number; readonly index: number }
  /** Case.liberties[index] is taken. */
  | { readonly do: "liberty"; readonly index: number }
  /** What CPU `index` has broadcast takes effect at this CPU. */
  | { readonly do: "broadcast"; readonly cpu: number; readonly index: number };

/** Shape: "s0*12 i1 w0.0 l2". A run of equal choices is one word. */
export function formatChoices(choices: readonly Choice[]): string {
  const words: string[] = [];
  for (let at = 0; at < choices.length; ) {
    const word = choiceText(choices[at]!);
    let times = 1;
    while (at + times < choices.length && choiceText(choices[at + times]!) === word) times++;
    words.push(times === 1 ? word : `${word}*${times}`);
    at += times;
  }
  return words.join(" ");
}

/** Shape: "s0", "i0", "w0.1", "l3", "b0.1". */
export function choiceText(choice: Choice): string {
  switch (choice.do) {
    case "step":
      return `s${choice.cpu}`;
    case "interrupt":
      return `i${choice.cpu}`;
    case "drain":
      return `w${choice.cpu}.${choice.index}`;
    case "liberty":
      return `l${choice.index}`;
    case "broadcast":
      return `b${choice.cpu}.${choice.index}`;
  }
}

/** A run longer than this is a slip of the keyboard. */
const LONGEST_RUN = 1_000_000;
const WORD = /^(?:([sil])(\d+)|([wb])(\d+)\.(\d+))(?:\*([1-9]\d*))?$/;

/** Reads what formatChoices() writes. Throws: UsageError with the word that is no choice. */
export function parseChoices(text: string): Choice[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== "")
    .flatMap((word) => {
      const match = WORD.exec(word);
      const times = Number(match?.[6] ?? 1);
      if (match === null || times > LONGEST_RUN) {
        throw new UsageError(
          `'${word}' is no choice; choices are s0, i0, w0.1, l0, b0.1, with *12 behind one that is repeated`,
        );
      }
      return new Array<Choice>(times).fill(choiceOf(match));
    });
}

function choiceOf([, plain, number, indexed, cpu, index]: RegExpExecArray): Choice {
  if (indexed !== undefined) {
    return { do: indexed === "w" ? "drain" : "broadcast", cpu: Number(cpu), index: Number(index) };
  }
  if (plain === "l") return { do: "liberty", index: Number(number) };
  return { do: plain === "s" ? "step" : "interrupt", cpu: Number(number) };
}

/** A run of a scenario's variant that can be played again. */
export interface Replay {
  readonly scenario: string;
  readonly variant: string;
  readonly choices: readonly Choice[];
}

/** Shape: "B5-range/unordered@s0*12 i1 s1*3". */
export function formatReplay({ scenario, variant, choices }: Replay): string {
  return `${scenario}/${variant}@${formatChoices(choices)}`;
}

/** Throws: UsageError for a text that names no scenario and variant, or has a word that is no choice. */
export function parseReplay(text: string): Replay {
  const match = /^([^/@\s]+)\/([^/@\s]+)@(.*)$/s.exec(text.trim());
  if (match === null)
    throw new UsageError(`'${text}' is no replay; its shape is 'SCENARIO/VARIANT@s0*12 i1'`);
  const [, scenario, variant, choices] = match as unknown as [string, string, string, string];
  return { scenario, variant, choices: parseChoices(choices) };
}
