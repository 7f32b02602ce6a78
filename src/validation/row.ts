/** One published number beside the simulated one. */
export interface Row {
  /** Of the experiment; several rows share one. */
  readonly id: string;
  /** fitted: the constants were chosen so that it comes out. predicted: they were not, so agreement says something. */
  readonly kind: "fitted" | "predicted";
  /** What is measured: the setting, then the quantity. */
  readonly what: string;
  readonly machine: string;
  readonly unit: "cycles" | "ns" | "ratio" | "R²";
  readonly published: number;
  readonly simulated: number;
  /** Relative error that is allowed; undefined where the number is only shown. */
  readonly tolerance?: number;
  /** Who published it: a key of the table of sources. */
  readonly source: string;
}

/** simulated / published - 1. */
export function errorOf({ published, simulated }: Row): number {
  return simulated / published - 1;
}

/** Whether the row is as near as it has to be; undefined where nothing is asked of it. */
export function isWithin(row: Row): boolean | undefined {
  return row.tolerance === undefined ? undefined : Math.abs(errorOf(row)) <= row.tolerance;
}

/** The experiments of this version, in the order of tables. */
export interface Experiment {
  readonly id: string;
  /** One line: what was done on the real machine. */
  readonly about: string;
  readonly rows: () => Promise<readonly Row[]>;
}
