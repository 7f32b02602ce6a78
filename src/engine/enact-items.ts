/** What the real kernel flushed and what the simulated one flushes, call by call. */
import { FULL } from "./enact-counters.js";
import type { RecordedFlushes } from "./result.js";

/** A call or a fault of the recording. Flushes are numbers of pages, FULL for everything. */
export interface Item {
  readonly name: string;
  readonly line: number;
  readonly recorded: number[];
  readonly predicted: number[];
}

type Row = RecordedFlushes["rows"][number];
type Kind = "none" | "ranged" | "full";

/** Disagreements that are kept in words. */
const examplesMost = 20;

export class ItemTally {
  readonly #rows = new Map<string, { -readonly [K in keyof Row]: Row[K] }>();
  readonly examples: RecordedFlushes["disagreements"] = [];

  add(item: Item): void {
    const { name, line, recorded, predicted } = item;
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
