import { basename } from "node:path";
import { FETCH, LOAD, MODIFY, pageBytes, STORE, type TraceSummary } from "../workload/feed.js";
import { CALL, type EventBlock, type TraceReader } from "./event.js";

const code = 1;
const data = 2;
const written = 4;
/** What an access of each kind says about its page, by kind. */
const marks = new Uint8Array(4);
marks[LOAD] = data;
marks[STORE] = data | written;
marks[FETCH] = code;
marks[MODIFY] = data | written;

const cacheSize = 4096;

/** Counts what a recording holds, block by block. */
export class Tally {
  /** Rows of each kind. */
  readonly #kinds = new Float64Array(CALL + 1);
  #forks = 0;
  /** Marks of every page seen. */
  readonly #pages = new Map<number, number>();
  /** Pages and marks seen lately, so that most accesses cost one comparison. */
  readonly #seen = new Float64Array(cacheSize).fill(-1);

  add(block: EventBlock): void {
    const { kind: kinds, address: addresses, size: sizes, length } = block;
    const counts = this.#kinds;
    const seen = this.#seen;
    for (let row = 0; row < length; row++) {
      const kind = kinds[row]!;
      counts[kind]!++;
      if (kind === CALL) continue;
      const mark = marks[kind]!;
      const address = addresses[row]!;
      const end = address + sizes[row]!;
      const page = Math.floor(address / pageBytes);
      const key = page * 8 + mark;
      if (seen[key & (cacheSize - 1)] === key && end <= (page + 1) * pageBytes) continue;
      seen[key & (cacheSize - 1)] = key;
      for (let each = page; each * pageBytes < end; each++) this.#mark(each, mark);
    }
    for (const call of block.calls) if (call.name === "fork" && call.isUnseen !== true) this.#forks++;
  }

  summary(reader: TraceReader): TraceSummary {
    const { unit, lines, calls, failed, joined, threads, skipped, others, sources } = reader.counts;
    const damage = sources.flatMap((source) => source.damage ?? []);
    const [load, store, fetch, modify] = [LOAD, STORE, FETCH, MODIFY].map((kind) => this.#kinds[kind]!);
    return {
      ...{ file: reader.name ?? basename(reader.file), format: reader.format, unit, lines },
      accesses: { fetch: fetch!, load: load!, store: store!, modify: modify! },
      calls: sorted(calls),
      ...{ failed, joined, threads, forks: this.#forks, pages: this.#pages.size },
      ...{
        codePages: this.#marked(code),
        dataPages: this.#marked(data),
        writtenPages: this.#marked(written),
        others: sorted(others),
        skipped,
      },
      ...(damage.length > 0 && { damage }),
    };
  }

  #mark(page: number, mark: number): void {
    this.#pages.set(page, (this.#pages.get(page) ?? 0) | mark);
  }

  #marked(mark: number): number {
    let count = 0;
    for (const marks of this.#pages.values()) if ((marks & mark) !== 0) count++;
    return count;
  }
}

/** Largest first. */
function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a));
}

/** The summaries of several recordings as one. */
export function addedUp(summaries: readonly TraceSummary[]): TraceSummary | undefined {
  const [first] = summaries;
  if (first === undefined || summaries.length === 1) return first;
  const total = (of: (summary: TraceSummary) => number): number =>
    summaries.reduce((sum, each) => sum + of(each), 0);
  const byName = (
    of: (summary: TraceSummary) => Readonly<Record<string, number>>,
  ): Record<string, number> => {
    const sums: Record<string, number> = {};
    for (const each of summaries) {
      for (const [name, count] of Object.entries(of(each))) sums[name] = (sums[name] ?? 0) + count;
    }
    return sums;
  };
  const damage = summaries.flatMap((summary) => summary.damage ?? []);
  return {
    file: summaries.map(({ file }) => file).join(", "),
    format: [...new Set(summaries.map(({ format }) => format))].join(", "),
    unit: summaries.every(({ unit }) => unit === "record") ? "record" : "line",
    lines: total(({ lines }) => lines),
    accesses: {
      fetch: total(({ accesses }) => accesses.fetch),
      load: total(({ accesses }) => accesses.load),
      store: total(({ accesses }) => accesses.store),
      modify: total(({ accesses }) => accesses.modify),
    },
    calls: byName(({ calls }) => calls),
    failed: total(({ failed }) => failed),
    joined: total(({ joined }) => joined),
    threads: total(({ threads }) => threads),
    forks: total(({ forks }) => forks),
    pages: total(({ pages }) => pages),
    codePages: total(({ codePages }) => codePages),
    dataPages: total(({ dataPages }) => dataPages),
    writtenPages: total(({ writtenPages }) => writtenPages),
    others: byName(({ others }) => others),
    skipped: total(({ skipped }) => skipped),
    ...(damage.length > 0 && { damage }),
  };
}
