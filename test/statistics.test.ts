import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { describe, expect, test } from "vitest";
import { count, digits, seconds, share, times } from "../src/report/format.js";
import { pairedRatio, tPoint } from "../src/report/statistics.js";

describe("statistics", () => {
  /** The probability of |T| <= t, by integrating the density of Student's t (the substitution t = sqrt(n) tan u). */
  function coverage(t: number, degrees: number): number {
    const steps = 20_000;
    const integral = (to: number): number => {
      let sum = 0;
      for (let step = 0; step <= steps; step++) {
        const weight = step === 0 || step === steps ? 1 : step % 2 === 1 ? 4 : 2;
        sum += weight * Math.cos((to * step) / steps) ** (degrees - 1);
      }
      return (sum * to) / steps / 3;
    };
    return integral(Math.atan(t / Math.sqrt(degrees))) / integral(Math.PI / 2);
  }

  test("the points of Student's t hold 95 % of the density", () => {
    for (const degrees of [...Array(40).keys()].map((index) => index + 1)) {
      expect(coverage(tPoint(degrees), degrees), `${degrees} degrees`).toBeCloseTo(0.95, 6);
    }
    for (const degrees of [60, 120, 999]) expect(coverage(tPoint(degrees), degrees)).toBeCloseTo(0.95, 6);
  });

  test("a ratio is that of the sums, and its interval that of the ratio estimator", () => {
    // By hand: R = 30/15 = 2; residuals -1, 0, 1; se = sqrt(2 / 2 / 3) / 5; t(2) = 4.302653.
    const interval = pairedRatio([4, 5, 6], [7, 10, 13])!;
    expect(interval.ratio).toBe(2);
    expect(interval.high - 2).toBeCloseTo((4.302653 * Math.sqrt(1 / 3)) / 5, 9);
    expect(2 - interval.low).toBeCloseTo((4.302653 * Math.sqrt(1 / 3)) / 5, 9);
  });

  test("one pair, and pairs that agree, have an interval of no width", () => {
    expect(pairedRatio([4], [1])).toEqual({ ratio: 0.25, low: 0.25, high: 0.25 });
    expect(pairedRatio([4, 8], [1, 2])).toEqual({ ratio: 0.25, low: 0.25, high: 0.25 });
  });

  test("an interval does not fall below 0, and a baseline of 0 has no ratio", () => {
    expect(pairedRatio([10, 10], [0, 1])!.low).toBe(0);
    expect(pairedRatio([10, 10], [0, 0])).toEqual({ ratio: 0, low: 0, high: 0 });
    expect(pairedRatio([0, 0], [1, 1])).toBeUndefined();
    expect(() => pairedRatio([1], [1, 2])).toThrow(RangeError);
  });

  test("the interval of five seeds holds the true ratio about 95 times in a hundred", () => {
    // 2000 draws: the standard error of the share is 0.5 %, so that 92 to 97.5 % misses with probability below 1e-5.
    const random = xoroshiro128plus(7);
    const uniform = (): number => (random.next() >>> 0) / 2 ** 32;
    const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
    let held = 0;
    for (let trial = 0; trial < 2000; trial++) {
      const base = Array.from({ length: 5 }, () => 100 + 10 * normal());
      const values = base.map((value) => 0.5 * value + 3 * normal());
      const { low, high } = pairedRatio(base, values)!;
      if (low <= 0.5 && high >= 0.5) held++;
    }
    expect(held / 2000).toBeGreaterThan(0.92);
    expect(held / 2000).toBeLessThan(0.975);
  });
});

describe("numbers for people", () => {
  test.each([
    [0, "0"],
    [999, "999"],
    [1000, "1,000"],
    [1234567, "1,234,567"],
    [12.5, "12.5"],
    [1234.5, "1,235"],
  ])("count %s is %s", (value, text) => expect(count(value)).toBe(text));

  test.each([
    [0, "0 s"],
    [12.345, "12.3 s"],
    [0.9999, "1.00 s"],
    [0.0123, "12.3 ms"],
    [4.2e-6, "4.20 us"],
    [48e-9, "48.0 ns"],
    [1500, "1,500 s"],
  ])("%s seconds are %s", (value, text) => expect(seconds(value)).toBe(text));

  test.each([
    [1, "1.00x"],
    [0.8031, "0.803x"],
    [0.99951, "1.00x"],
    [12.34, "12.3x"],
    [99.96, "100x"],
    [0.0001, "<0.001x"],
    [0, "0x"],
    [123456.7, "123,457x"],
  ])("a ratio of %s is %s", (value, text) => expect(times(value)).toBe(text));

  test("a share is a percentage with one decimal, and never 0 when there is some", () => {
    expect([0, 0.00001, 0.123, 1].map(share)).toEqual(["0%", "<0.1%", "12.3%", "100.0%"]);
    expect(digits(9.996)).toBe("10.0");
  });
});
