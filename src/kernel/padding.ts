/** Where cache lines end in a record: the engine prices a line, not a word. A line is 8 words. */

import { array, u64 } from "../dsl/index.js";

/** Words that keep what stands behind them off a cache line, as Linux's alignment attributes do. */
export function padding(words: number) {
  return array(words, u64);
}
