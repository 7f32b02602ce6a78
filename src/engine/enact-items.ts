/** What the real kernel flushed and what the simulated one flushes, call by call. */
import { FULL } from "./enact-counters.js";
import type { RecordedFlushes } from "./result.js";

/** A flush that the recording tells of, in pages, FULL for everything. */
interface RecordedFlush {
  readonly pages: number;
  /** What other CPUs were asked for; else what the calling CPU did itself. */
  readonly isAsked: boolean;
}

/** A flush that a simulated call asks for, and what the calling CPU does itself, if it still has anything to do. */
interface PredictedFlush {
  readonly asked: number;
  done: number | undefined;
}

/** A call or a fault of the recording. */
export class Item {
  readonly name: string;
  readonly line: number;
  readonly recorded: RecordedFlush[] = [];
  readonly predicted: PredictedFlush[] = [];
  /** Other CPUs were asked, and the calling CPU has not told of its own part yet. */
  #isOpen = false;

  constructor(name: string, line: number) {
    this.name = name;
    this.line = line;
  }

  /** The kernel tells of a flush twice if there are other CPUs to ask. */
  recordedFlush(pages: number, isAsked: boolean): void {
    if (isAsked || !this.#isOpen) this.recorded.push({ pages, isAsked });
    this.#isOpen = isAsked;
  }

  predictedFlush(pages: number, isAsked: boolean): void {
    const last = this.predicted.at(-1);
    if (isAsked) this.predicted.push({ asked: pages, done: undefined });
    else if (last !== undefined) last.done = pages;
  }

  /** Pages of each flush, predicted ones of what the recording tells. */
  get pages(): { recorded: number[]; predicted: number[] } {
    const recorded = this.recorded.map(({ pages }) => pages);
    const predicted = this.predicted.map(({ asked, done = asked }, at) =>
      this.recorded[at]?.isAsked === false ? done : asked,
    );
    return { recorded, predicted };
  }
}

type Row = RecordedFlushes["rows"][number];
type Kind = "none" | "ranged" | "full";

/** Disagreements that are kept in words. */
const examplesMost = 20;

export class ItemTally {
  readonly #rows = new Map<string, { -readonly [K in keyof Row]: Row[K] }>();
  readonly examples: RecordedFlushes["disagreements"] = [];

  add({ name, line, pages: { recorded, predicted } }: Item): void {
    let row = this.#rows.get(name);
    if (row === undefined) {
      const none = { none: 0, ranged: 0, full: 0 };
      row = { name, count: 0, recorded: { ...none }, predicted: { ...none }, agreeing: 0 };
      this.#rows.set(name, row);
    }
    row.count++;
    row.recorded[kindOf(recorded)]++;
    row.predicted[kindOf(predicted)]++;
    const agrees =
      recorded.length === predicted.length && recorded.every((pages, at) => pages === predicted[at]);
    if (agrees) row.agreeing++;
    else if (this.examples.length < examplesMost)
      this.examples.push({ line, name, recorded: words(recorded), predicted: words(predicted) });
  }

  get rows(): Row[] {
    return [...this.#rows.values()];
  }
}

function kindOf(flushes: readonly number[]): Kind {
  if (flushes.length === 0) return "none";
  return flushes.includes(FULL) ? "full" : "ranged";
}

/** "none", "29 pages", "1 page, everything". */
function words(flushes: readonly number[]): string {
  const each = (pages: number): string =>
    pages === FULL ? "everything" : pages === 1 ? "1 page" : `${pages} pages`;
  return flushes.length === 0 ? "none" : flushes.map(each).join(", ");
}
