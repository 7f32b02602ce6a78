/** Numbers for people. Every function gives the same text on every machine: no locale is asked. */

/** 1234567 is "1,234,567"; a mean that is not whole keeps one decimal below 100. */
export function count(value: number): string {
  if (value < 100 && !Number.isInteger(value)) return value.toFixed(1);
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Three significant digits with the unit that fits: "12.3 ms". */
export function seconds(value: number): string {
  if (value === 0) return "0 s";
  const units = [
    ["s", 1],
    ["ms", 1e-3],
    ["us", 1e-6],
  ] as const;
  for (const [unit, size] of units) {
    if (value >= 0.9995 * size) return `${digits(value / size)} ${unit}`;
  }
  return `${digits(value / 1e-9)} ns`;
}

/** Cycles as a duration, where `cyclesPerSecond` of them pass. */
export function cyclesAsTime(cycles: number, cyclesPerSecond: number): string {
  return seconds(cycles / cyclesPerSecond);
}

/** "0.803x". */
export function times(ratio: number): string {
  return `${digits(ratio)}x`;
}

/** A share of one: "12.3%". */
export function share(part: number): string {
  const percent = part * 100;
  if (percent === 0) return "0%";
  return percent < 0.05 ? "<0.1%" : `${percent.toFixed(1)}%`;
}

/** Three significant digits, never an exponent: 0.0321, 1.20, 12.3, 123, 12,346. */
export function digits(value: number): string {
  if (value >= 999.5) return count(Math.round(value));
  if (value === 0) return "0";
  if (value < 0.0005) return "<0.001";
  const decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : value >= 0.9995 ? 2 : 3;
  return value.toFixed(decimals);
}

/** "1 run", "2 runs". */
export function plural(number: number, noun: string): string {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}
