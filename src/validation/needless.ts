/** V8: mprotect of one page, with and without telling other CPUs of a right that they gain. */
import { median, protectAndBack } from "./measure.js";
import type { Experiment, Row } from "./row.js";

/** N. Amit, 18 July 2022: cycles of an mprotect on a Haswell, alone and with one busy CPU besides; before and with relaxed flushes. */
const published = {
  READ: { before: [2499, 4655], relaxed: [2495, 4363] },
  RW: { before: [2529, 4675], relaxed: [2496, 2615] },
} as const;
const machine = "haswell";
const source = "A22R";

/** Cycles of the calls that take the right away, and of those that give it back: they take turns. */
async function calls(needFlush: string, others: number): Promise<{ READ: number; RW: number }> {
  const busy = others === 0 ? [] : [1];
  const all = (await protectAndBack({ machine, busy, set: { "need-flush": needFlush } })).get("mprotect");
  const every = (start: number): number => median(all?.filter((_, index) => index % 2 === start));
  return { READ: every(0), RW: every(1) };
}

async function needless(): Promise<readonly Row[]> {
  const rows: Row[] = [];
  const shared = { id: "V8", kind: "predicted", machine, source } as const;
  const before = [await calls("x86-upstream", 0), await calls("x86-upstream", 1)] as const;
  const relaxed = [await calls("relaxed-raise", 0), await calls("relaxed-raise", 1)] as const;
  for (const to of ["READ", "RW"] as const) {
    const numbers = published[to];
    for (const others of [0, 1] as const) {
      rows.push({
        ...{ ...shared, what: `relaxed / before, to ${to}, ${others} other CPUs`, unit: "ratio" },
        ...{ published: numbers.relaxed[others] / numbers.before[others], tolerance: 0.1 },
        simulated: relaxed[others][to] / before[others][to],
      });
    }
    rows.push(
      {
        ...{ ...shared, what: `1 other CPU / none, to ${to}`, unit: "ratio", tolerance: 0.1 },
        ...{ published: numbers.before[1] / numbers.before[0], simulated: before[1][to] / before[0][to] },
      },
      {
        ...{ ...shared, what: `mprotect to ${to}, alone`, unit: "cycles" },
        ...{ published: numbers.before[0], simulated: before[0][to] },
      },
    );
  }
  return rows;
}

export const needlessExperiments: readonly Experiment[] = [
  { id: "V8", about: "mprotect of one page that gives a right back, others not told", rows: needless },
];
