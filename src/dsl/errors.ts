/** A mechanism's author broke a rule of the language. */

import { mistakeSite, type SourceLine } from "./where.js";

export interface BrokenRule {
  /** Inline path of the routine, "" when no routine was being assembled. */
  readonly routine: string;
  /** Label of the step, "" when the mistake is not in a step. */
  readonly label: string;
  readonly rule: string;
  readonly remedy: string;
}

/** Thrown while a program is assembled; the message is one line: file:line: path: rule; remedy. */
export class AssembleError extends Error implements BrokenRule, SourceLine {
  override readonly name = "AssembleError";
  readonly routine: string;
  readonly label: string;
  readonly file: string;
  readonly line: number;
  readonly rule: string;
  readonly remedy: string;

  constructor(broken: BrokenRule, at: SourceLine) {
    const path = [broken.routine, broken.label].filter((part) => part !== "").join(".");
    const where = path === "" ? "" : ` ${path}:`;
    super(`${at.file}:${at.line}:${where} ${broken.rule}; ${broken.remedy}`);
    this.routine = broken.routine;
    this.label = broken.label;
    this.file = at.file;
    this.line = at.line;
    this.rule = broken.rule;
    this.remedy = broken.remedy;
  }

  /** The same mistake, found while `routine` was being assembled. */
  within(routine: string): AssembleError {
    return new AssembleError({ routine, label: this.label, rule: this.rule, remedy: this.remedy }, this);
  }
}

/** Report a mistake at the line that called into the language. The assembler adds the routine. */
export function fail(rule: string, remedy: string, label = ""): never {
  throw new AssembleError({ routine: "", label, rule, remedy }, mistakeSite());
}
