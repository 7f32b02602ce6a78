/** Access streams: exact properties where a stream has some, and chi-square tests where it draws. Seeds are literals. */
import fc from "fast-check";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";
import { describe, expect, test } from "vitest";
import { Random, randomsOf } from "../src/workload/random.js";
import { openStream, type StreamSpec } from "../src/workload/stream.js";
import { StreamTables } from "../src/workload/stream-tables.js";

function drawn(spec: StreamSpec, elements: number, count: number, seed = 1, chunk = 1000): number[] {
  const stream = openStream(spec, elements, randomsOf(seed)(), new StreamTables(seed));
  const all = new Float64Array(count);
  for (let done = 0; done < count; done += chunk) {
    const part = all.subarray(done, done + chunk);
    stream.fill(part, part.length);
  }
  return [...all];
}

function countsOf(numbers: readonly number[], bins: number): number[] {
  const counts = new Array<number>(bins).fill(0);
  for (const number of numbers) counts[number]!++;
  return counts;
}

/**
 * Whether counts are what the shares say. Chi-square has mean `df` and variance 2 df; five deviations above the mean is
 * passed by a right stream but once in millions of seeds, and these are fixed.
 */
function expectDistribution(counts: readonly number[], shares: readonly number[]): void {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const statistic = counts.reduce((sum, count, bin) => {
    const expected = total * shares[bin]!;
    return sum + (count - expected) ** 2 / expected;
  }, 0);
  const df = counts.length - 1;
  expect(statistic).toBeLessThan(df + 5 * Math.sqrt(2 * df));
  // Far too even is no randomness either.
  expect(statistic).toBeGreaterThan(df - 5 * Math.sqrt(2 * df));
}

const kinds: readonly StreamSpec[] = [
  { kind: "sequential" },
  { kind: "strided", stride: 3 },
  { kind: "uniform" },
  { kind: "zipf", s: 0.99 },
  { kind: "chase" },
  { kind: "hot-cold", hot: 0.1, often: 0.9 },
  { kind: "phases", every: 7, window: 5, within: { kind: "uniform" } },
];

describe.each(kinds.map((spec) => [spec.kind, spec] as const))("%s", (_, spec) => {
  test("stays within its elements, however it is cut into fillings, and depends on the seed alone", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.nat(),
        fc.integer({ min: 1, max: 50 }),
        (n, seed, chunk) => {
          const whole = drawn(spec, n, 200, seed, 200);
          expect(whole.every((element) => Number.isInteger(element) && element >= 0 && element < n)).toBe(
            true,
          );
          expect(drawn(spec, n, 200, seed, chunk)).toEqual(whole);
        },
      ),
      { numRuns: 50, seed: 4 },
    );
  });

  test("another seed gives other elements, if it draws at all", () => {
    const isDrawn = spec.kind !== "sequential" && spec.kind !== "strided";
    expect(drawn(spec, 250, 100, 1).join() !== drawn(spec, 250, 100, 2).join()).toBe(isDrawn);
  });
});

describe("exact streams", () => {
  test("sequential goes from the first element to the last, and again", () => {
    expect(drawn({ kind: "sequential" }, 3, 7)).toEqual([0, 1, 2, 0, 1, 2, 0]);
  });

  test("strided takes every n-th element, and begins again behind the last", () => {
    expect(drawn({ kind: "strided", stride: 4 }, 10, 7)).toEqual([0, 4, 8, 0, 4, 8, 0]);
    expect(drawn({ kind: "strided", stride: 99 }, 10, 3)).toEqual([0, 0, 0]);
  });

  test("chase visits every element once a round, in the same order each round", () => {
    for (const elements of [1, 2, 3, 64, 1000]) {
      const rounds = drawn({ kind: "chase" }, elements, 3 * elements);
      const first = rounds.slice(0, elements);
      expect(new Set(first).size).toBe(elements);
      expect(rounds.slice(elements, 2 * elements)).toEqual(first);
      expect(rounds.slice(2 * elements)).toEqual(first);
    }
  });

  test("chase has no order: a successor is anywhere", () => {
    const walk = drawn({ kind: "chase" }, 20_000, 20_000);
    const bins = walk
      .slice(1)
      .map((element, index) => Math.floor(((element - walk[index]! + 20_000) % 20_000) / 1000));
    expectDistribution(countsOf(bins, 20), new Array<number>(20).fill(1 / 20));
  });
});

describe("drawn streams have their distribution", () => {
  test("uniform", () => {
    expectDistribution(
      countsOf(drawn({ kind: "uniform" }, 100, 200_000), 100),
      new Array<number>(100).fill(0.01),
    );
  });

  test("uniform over more elements than 32 bits count", () => {
    const elements = drawn({ kind: "uniform" }, 2 ** 35, 40_000);
    expectDistribution(
      countsOf(
        elements.map((element) => Math.floor(element / 2 ** 31)),
        16,
      ),
      new Array<number>(16).fill(1 / 16),
    );
  });

  test.each([0, 0.5, 0.99, 1.5])("zipf with s = %d", (s) => {
    const weights = Array.from({ length: 50 }, (_, rank) => (rank + 1) ** -s);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const shares = weights.map((weight) => weight / total);
    const counts = countsOf(drawn({ kind: "zipf", s }, 50, 200_000), 50);
    // Elements are a permutation of ranks: 31 is round(50 * 0.618...), and shares no divisor with 50.
    expectDistribution(
      Array.from({ length: 50 }, (_, rank) => counts[(rank * 31) % 50]!),
      shares,
    );
  });

  test("zipf leaves no element out, whatever their number", () => {
    for (const elements of [1, 2, 3, 30, 36, 97]) {
      expect(new Set(drawn({ kind: "zipf", s: 0.5 }, elements, 20_000)).size).toBe(elements);
    }
  });

  test("hot-cold: both parts by their share, and evenly within", () => {
    const shares = Array.from({ length: 50 }, (_, element) => (element < 10 ? 0.9 / 10 : 0.1 / 40));
    const counts = countsOf(drawn({ kind: "hot-cold", hot: 0.2, often: 0.9 }, 50, 200_000), 50);
    expectDistribution(counts, shares);
  });

  test("phases: a window for so many accesses, then another one, anywhere", () => {
    const spec: StreamSpec = { kind: "phases", every: 100, window: 8, within: { kind: "sequential" } };
    const elements = drawn(spec, 1007, 100 * 5000);
    const places: number[] = [];
    for (let phase = 0; phase < 5000; phase++) {
      const part = elements.slice(phase * 100, phase * 100 + 100);
      const place = Math.min(...part);
      expect(Math.max(...part)).toBe(place + 7);
      places.push(place);
    }
    expectDistribution(
      countsOf(
        places.map((place) => Math.floor(place / 100)),
        10,
      ),
      new Array<number>(10).fill(0.1),
    );
  });
});

test("threads of one seed draw apart from each other", () => {
  const next = randomsOf(7);
  const tables = new StreamTables(7);
  const threads = Array.from({ length: 50 }, () => {
    const into = new Float64Array(20);
    openStream({ kind: "uniform" }, 1e9, next(), tables).fill(into, 20);
    return into.join();
  });
  expect(new Set(threads).size).toBe(50);
});

test("numbers are those of pure-rand", () => {
  for (const state of [
    [1, 2, 3, 4],
    [-1, ~77, 77, 0],
  ]) {
    const [own, theirs] = [new Random(state), xoroshiro128plusFromState(state)];
    for (const end of [1, 2, 3, 7, 256, 1000, 2 ** 31 + 1, 2 ** 32 - 1, 2 ** 32, 2 ** 40])
      for (let draw = 0; draw < 200; draw++) expect(own.below(end)).toBe(uniformInt(theirs, 0, end - 1));
    expect(own.getState()).toEqual(theirs.getState().map((word) => word | 0));
  }
});
