/** The inline path of a program while it is assembled: which routines surround a step, and which labels are taken. */

import { AssembleError } from "./errors.js";
import type { Site } from "./program.js";
import { callSite, mistakeSite } from "./where.js";

/** A routine on the path; `id` tells a recursion from a namesake. */
interface Frame {
  readonly id: object;
  readonly routine: string;
  /** The routine's name in a path: "flush_tlb_mm#2" for its second call in one place. */
  readonly name: string;
  readonly calls: Map<string, number>;
  readonly labels: Set<string>;
}

export class InlinePath {
  readonly #frames: Frame[];

  constructor(program: string) {
    this.#frames = [frame(this, program, program)];
  }

  /** "munmap.zap_pte_range": outermost first. */
  get text(): string {
    return this.#frames.map(({ name }) => name).join(".");
  }

  enter(id: object, routine: string): void {
    if (this.#frames.some((outer) => outer.id === id)) {
      this.fail(
        `routine "${routine}" calls itself`,
        "routines are inlined and cannot recurse: use k.while or a JS loop",
      );
    }
    const { calls } = this.#frames.at(-1)!;
    const call = (calls.get(routine) ?? 0) + 1;
    calls.set(routine, call);
    // A second call in one place needs a path of its own, so that its labels can repeat.
    this.#frames.push(frame(id, routine, call === 1 ? routine : `${routine}#${call}`));
  }

  leave(): void {
    this.#frames.pop();
  }

  /** A label for a step that the language adds by itself: "lock ptl", then "lock ptl#2". */
  automaticLabel(label: string): string {
    const { labels } = this.#frames.at(-1)!;
    let unique = label;
    for (let n = 2; labels.has(unique); n++) unique = `${label}#${n}`;
    return unique;
  }

  /** Throws: AssembleError when the label is empty or taken. */
  claim(label: string): void {
    const { labels } = this.#frames.at(-1)!;
    if (label === "") this.fail("a step has no label", "name the step after the C function or the variable");
    if (labels.has(label)) {
      this.fail(`label "${label}" is used twice in one routine`, "give each step a label of its own", label);
    }
    labels.add(label);
  }

  /** The site of a label here, by default at the author's line. */
  site(label: string, at = callSite()): Site {
    return {
      routine: this.#frames.at(-1)!.routine,
      path: `${this.text}.${label}`,
      label,
      get file() {
        return at.file;
      },
      get line() {
        return at.line;
      },
    };
  }

  /** Report a mistake at the author's line. */
  fail(rule: string, remedy: string, label = ""): never {
    throw new AssembleError({ routine: this.text, label, rule, remedy }, mistakeSite());
  }
}

function frame(id: object, routine: string, name: string): Frame {
  return { id, routine, name, calls: new Map(), labels: new Set() };
}
