/** Two-sided 95 % points of Student's t for 1 to 30 degrees of freedom. */
// biome-ignore format: ten to a line
const studentT = [
  12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157, 2.228139,
  2.200985, 2.178813, 2.160369, 2.144787, 2.13145, 2.119905, 2.109816, 2.100922, 2.093024, 2.085963,
  2.079614, 2.073873, 2.068658, 2.063899, 2.059539, 2.055529, 2.051831, 2.048407, 2.04523, 2.042272,
];

export interface Interval {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
}

export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * How many times as large `values` are as `base`, pair by pair of the same seed: the ratio of the sums, and the 95 %
 * confidence interval of the classical ratio estimator (Cochran, Sampling Techniques, chapter 6) with Student's t.
 *
 * A zero among `values` is nothing special here, as it is for an interval on logarithms; and with only +, -, *, / and
 * square roots the result is the same on every machine. One pair gives an interval of no width.
 *
 * Returns undefined when `base` sums to 0. Throws: RangeError when the lists differ in length.
 */
export function pairedRatio(base: readonly number[], values: readonly number[]): Interval | undefined {
  if (base.length !== values.length) throw new RangeError(`${base.length} pairs of ${values.length}`);
  const baseMean = mean(base);
  if (baseMean === 0) return undefined;
  const ratio = mean(values) / baseMean;
  const pairs = base.length;
  if (pairs === 1) return { ratio, low: ratio, high: ratio };
  let squares = 0;
  for (const [pair, value] of values.entries()) squares += (value - ratio * base[pair]!) ** 2;
  const standardError = Math.sqrt(squares / (pairs - 1) / pairs) / baseMean;
  const half = tPoint(pairs - 1) * standardError;
  return { ratio, low: Math.max(0, ratio - half), high: ratio + half };
}

/** The two-sided 95 % point of Student's t; past 30 degrees of freedom Abramowitz and Stegun 26.7.5. */
export function tPoint(degrees: number): number {
  const exact = studentT[degrees - 1];
  if (exact !== undefined) return exact;
  const x = 1.959963984540054;
  const x2 = x * x;
  const first = (x * (x2 + 1)) / 4;
  const second = (x * ((5 * x2 + 16) * x2 + 3)) / 96;
  const third = (x * (((3 * x2 + 19) * x2 + 17) * x2 - 15)) / 384;
  return x + first / degrees + second / degrees ** 2 + third / degrees ** 3;
}
