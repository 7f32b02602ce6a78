/** V1 and V2: what one CPU's flush of n pages costs. */
import { median, protectAndBack } from "./measure.js";
import type { Experiment, Row } from "./row.js";

/** D. Hansen, 5 December 2017: average cycles of a flush while a 4-core Skylake compiles a kernel. Pages, INVLPG alone, with INVPCID. */
const published = [
  [1, 692, 1094],
  [2, 883, 1503],
  [3, 1146, 2016],
  [4, 1276, 2719],
  [9, 3061, 6329],
  [20, 4327, 11_654],
  [27, 5622, 15_043],
  [33, 7069, 18_481],
  [64, 13_092, 35_670],
  [129, 25_663, 70_550],
] as const;
const fittedPages: ReadonlySet<number> = new Set([1, 129]);
/** The measured point is far off the line through its neighbours. */
const noise = 9;
const ceiling = { tlb_single_page_flush_ceiling: 1000 };
const source = "H17";

async function flushOf(machine: string, pages: number): Promise<number> {
  return median((await protectAndBack({ machine, pages, tunables: ceiling })).get("flush"));
}

async function curve(machine: string): Promise<ReadonlyMap<number, number>> {
  const costs = new Map<number, number>();
  for (const [pages] of published) costs.set(pages, await flushOf(machine, pages));
  return costs;
}

async function flushSizes(): Promise<readonly Row[]> {
  const machine = "skylake-sp";
  const costs = await curve(machine);
  const points = published.map(([pages, cycles]): Row => {
    const isFitted = fittedPages.has(pages);
    return {
      ...{ id: "V1", kind: isFitted ? "fitted" : "predicted", what: `flush of ${pages} pages`, machine },
      ...{ unit: "cycles", published: cycles, simulated: costs.get(pages)!, source },
      ...(pages !== noise && { tolerance: 0.1 }),
    };
  });
  const ratio = { published: 7069 / 692, simulated: costs.get(33)! / costs.get(1)!, tolerance: 0.1 };
  const line = { published: 1, simulated: rSquared([...costs]), tolerance: 0.01 };
  return [
    ...points,
    { id: "V1", kind: "predicted", what: "33 pages / 1 page", machine, unit: "ratio", ...ratio, source },
    { id: "V1", kind: "predicted", what: "a straight line", machine, unit: "R²", ...line, source },
  ];
}

async function isolatedFlushSizes(): Promise<readonly Row[]> {
  const machine = "skylake-sp-pti";
  const [plain, isolated] = [await curve("skylake-sp"), await curve(machine)];
  return published.map(
    ([pages, alone, both]): Row => ({
      ...{
        id: "V2",
        kind: "predicted",
        what: `with / without INVPCID, ${pages} pages`,
        machine,
        unit: "ratio",
      },
      ...{ published: both / alone, simulated: isolated.get(pages)! / plain.get(pages)!, source },
      ...(pages !== noise && { tolerance: pages >= 20 ? 0.1 : 0.2 }),
    }),
  );
}

/** How near the points are to the best straight line: 1 is on it. */
function rSquared(points: readonly (readonly [number, number])[]): number {
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const [x, y] = [mean(points.map(([pages]) => pages)), mean(points.map(([, cycles]) => cycles))];
  const sum = (of: (dx: number, dy: number) => number): number =>
    points.reduce((total, [pages, cycles]) => total + of(pages - x, cycles - y), 0);
  return sum((dx, dy) => dx * dy) ** 2 / (sum((dx) => dx * dx) * sum((_, dy) => dy * dy));
}

export const flushSizeExperiments: readonly Experiment[] = [
  { id: "V1", about: "one CPU flushes n pages, one by one", rows: flushSizes },
  { id: "V2", about: "the same with page-table isolation", rows: isolatedFlushSizes },
];
