/** The calibration of an interrupt, and V4: what a flush costs with 0, 1 and 3 other CPUs, serial and improved. */
import { madviseAndTouch, median, nanoseconds } from "./measure.js";
import type { Experiment, Row } from "./row.js";

/**
 * N. Amit, 31 May 2019: nanoseconds of MADV_DONTNEED of one page and a touch on a Haswell. Busy CPUs besides; the kernel of then; with
 * concurrent flushes and early acknowledgement.
 */
const published = [
  [0, 661, 663],
  [1, 1436, 923],
  [3, 1571, 1070],
] as const;
const machine = "haswell";
const source = "A19R2";

async function roundNs(shootdown: string, others: number): Promise<number> {
  const busy = Array.from({ length: others }, (_, index) => index + 1);
  const latencies = await madviseAndTouch({ machine, busy, set: { shootdown } });
  return nanoseconds(machine, median(latencies.get("madvise")) + median(latencies.get("page_fault")));
}

async function times(shootdown: string): Promise<readonly number[]> {
  const all: number[] = [];
  for (const [others] of published) all.push(await roundNs(shootdown, others));
  return all;
}

async function serial(): Promise<readonly Row[]> {
  const simulated = await times("serial-ipi");
  return published.map(
    ([others, ns], i): Row => ({
      ...{
        id: "A19R2",
        kind: "fitted",
        what: `madvise and touch, ${others} other CPUs`,
        machine,
        unit: "ns",
      },
      ...{ published: ns, simulated: simulated[i]!, tolerance: 0.05, source },
    }),
  );
}

async function improved(): Promise<readonly Row[]> {
  const [before, after] = [await times("serial-ipi"), await times("early-ack")];
  const slope = ([, one, three]: readonly number[]): number => (three! - one!) / 2;
  const saved = before[1]! - after[1]! - (before[0]! - after[0]!);
  const rows = published.map(
    ([others, base, next], i): Row => ({
      ...{
        id: "V4",
        kind: "predicted",
        what: `improved / serial, ${others} other CPUs`,
        machine,
        unit: "ratio",
      },
      ...{ published: next / base, simulated: after[i]! / before[i]!, tolerance: 0.1, source },
    }),
  );
  const shared = { id: "V4", kind: "predicted", machine, unit: "ns", source } as const;
  return [
    ...rows,
    { ...shared, what: "a further CPU, improved", published: 73.5, simulated: slope(after), tolerance: 0.25 },
    { ...shared, what: "what the improvement saves, 1 other CPU", published: 515, simulated: saved },
  ];
}

export const targetExperiments: readonly Experiment[] = [
  { id: "A19R2", about: "what interrupts and kernel entries were fitted on", rows: serial },
  { id: "V4", about: "flushing at the same time as the others, who acknowledge first", rows: improved },
];
