import type { PriceName, Quantity, TimeUnit } from "./preset.js";
import { assumed } from "./sources.js";

type Prices = Readonly<Record<PriceName, Quantity<TimeUnit>>>;

/**
 * Prices of another machine, for one on which nobody measured them: the same values, each an assumption now.
 *
 * `from` names the other machine, `why` says what makes it the nearest one.
 */
export function borrowed<N extends PriceName>(
  prices: Prices,
  names: readonly N[],
  from: string,
  why: string,
): Record<N, Quantity<TimeUnit>> {
  const entries = names.map((name) => {
    const { value, unit } = prices[name];
    return [name, { value, unit, ...assumed(`as ${from}, ${why}; nobody published it for this machine`) }];
  });
  return Object.fromEntries(entries) as Record<N, Quantity<TimeUnit>>;
}

/** What a CPU does to its own translations. */
export const flushPrices = ["invlpg", "flushPcid", "flushAll", "cr3Flush", "cr3NoFlush"] as const;
