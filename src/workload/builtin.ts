import type { Workload } from "./feed.js";
import type { Parameter } from "./parameters.js";

/** A workload that comes with the program. */
export interface Builtin {
  readonly name: string;
  /** One line for lists. */
  readonly about: string;
  /** A paragraph: what real programs it stands for, and what it shows. */
  readonly standsFor: string;
  readonly parameters: readonly Parameter[];
  /** Throws: UsageError for a parameter that is not its own, or a value out of range. */
  readonly open: (given: Readonly<Record<string, string>>, cpus: number) => Workload;
}
