/** Latency samples of the engine, collected into one histogram per operation. */
import { build, type Histogram } from "hdr-histogram-js";
import type { LatencyRow } from "./result.js";
import type { World } from "./world.js";

interface Series {
  readonly histogram: Histogram;
  /** Exact, beside the histogram's three digits. */
  sum: number;
  max: number;
  count: number;
}

/** Highest latency that a histogram can hold, in cycles: a day at 4 GHz. */
const CYCLES_MAX = 2 ** 48;

/** Collects {entry, cpu, cycles} samples; entry numbers are indexes into Program.entries. */
export class LatencyCollector {
  readonly #series = new Map<number, Series>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Takes all samples out of the engine's buffer. Throws when it overflowed, which would falsify the percentiles. */
  collect(): void {
    const { u32 } = this.#world;
    const base = this.#world.value("samples") / 4;
    const count = u32[base]!;
    if (u32[base + 1] !== 0) throw new RangeError("latency samples were lost");
    for (let i = 0; i < count; i++) {
      const at = base + 16 + i * 4;
      this.#record(u32[at]!, u32[at + 2]! + u32[at + 3]! * 2 ** 32);
    }
    u32[base] = 0;
  }

  #record(entry: number, cycles: number): void {
    let series = this.#series.get(entry);
    if (series === undefined) {
      const histogram = build({
        lowestDiscernibleValue: 1,
        highestTrackableValue: CYCLES_MAX,
        numberOfSignificantValueDigits: 3,
      });
      series = { histogram, sum: 0, max: 0, count: 0 };
      this.#series.set(entry, series);
    }
    series.histogram.recordValue(Math.max(1, cycles));
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
