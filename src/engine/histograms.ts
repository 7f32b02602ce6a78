/** Latency samples of the engine, collected into one histogram per operation. */
import { build, type Histogram } from "hdr-histogram-js";
import type { LatencyRow } from "./result.js";
import type { World } from "./world.js";

interface Series {
  readonly histogram: Histogram;
  /** How often each latency came since the last flush(): a histogram takes 100 ns to find a bucket, and most latencies come again. */
  readonly counts: Map<number, number>;
  /** Exact, beside the histogram's three digits. */
  sum: number;
  max: number;
  count: number;
}

/** Highest latency that a histogram can hold, in cycles: a day at 4 GHz. */
const CYCLES_MAX = 2 ** 48;

/** Different latencies of one operation that are kept before they go into its histogram. */
const COUNTS_MOST = 1 << 14;

function flush({ histogram, counts }: Series): void {
  for (const [cycles, count] of counts) histogram.recordValueWithCount(Math.max(1, cycles), count);
  counts.clear();
}

/** Collects {entry, cpu, cycles} samples; entry numbers are indexes into Program.entries. */
export class LatencyCollector {
  readonly #series = new Map<number, Series>();
  readonly #world: World;
  readonly #watch: ((name: string, cpu: number, cycles: number) => void) | undefined;

  /** `watch` is told of each sample too, by the name of its row. */
  constructor(world: World, watch?: (name: string, cpu: number, cycles: number) => void) {
    this.#world = world;
    this.#watch = watch;
  }

  /** Takes all samples out of the engine's buffer. Throws when it overflowed, which would falsify the percentiles. */
  collect(): void {
    const { u32 } = this.#world;
    const base = this.#world.value("samples") / 4;
    const count = u32[base]!;
    if (u32[base + 1] !== 0) throw new RangeError("latency samples were lost");
    for (let i = 0; i < count; i++) {
      const at = base + 16 + i * 4;
      const cycles = u32[at + 2]! + u32[at + 3]! * 2 ** 32;
      this.#record(u32[at]!, cycles);
      this.#watch?.(this.#nameOf(u32[at]!), u32[at + 1]!, cycles);
    }
    u32[base] = 0;
  }

  #nameOf(entry: number): string {
    const { program, value } = this.#world;
    if (entry === value("SAMPLE_FLUSH")) return "flush";
    return program.entries[entry]?.name ?? "shootdown";
  }

  #record(entry: number, cycles: number): void {
    let series = this.#series.get(entry);
    if (series === undefined) {
      const histogram = build({
        lowestDiscernibleValue: 1,
        highestTrackableValue: CYCLES_MAX,
        numberOfSignificantValueDigits: 3,
      });
      series = { histogram, counts: new Map(), sum: 0, max: 0, count: 0 };
      this.#series.set(entry, series);
    }
    series.counts.set(cycles, (series.counts.get(cycles) ?? 0) + 1);
    if (series.counts.size >= COUNTS_MOST) flush(series);
    series.sum += cycles;
    series.count++;
    series.max = Math.max(series.max, cycles);
  }

  /** How often an operation ended. */
  count(entry: number): number {
    return this.#series.get(entry)?.count ?? 0;
  }

  /** Percentiles in cycles; undefined when the operation never happened. */
  row(entry: number): LatencyRow | undefined {
    const series = this.#series.get(entry);
    if (series === undefined) return undefined;
    flush(series);
    const at = (percent: number): number =>
      Math.min(series.max, series.histogram.getValueAtPercentile(percent));
    return {
      count: series.count,
      mean: Math.round((series.sum / series.count) * 1000) / 1000,
      p50: at(50),
      p90: at(90),
      p99: at(99),
      p999: at(99.9),
      max: series.max,
    };
  }
}
