import type { Workload } from "./feed.js";
import { type Parameter, parameterValues } from "./parameters.js";
import type { Plan } from "./plan.js";
import { PlanWorkload } from "./plan-workload.js";

/** A workload that comes with the program. */
export interface Builtin {
  readonly name: string;
  /** One line for lists. */
  readonly about: string;
  /** A paragraph: what real programs it stands for, and what it shows. */
  readonly standsFor: string;
  readonly parameters: readonly Parameter[];
  /**
   * The workload with these parameters, on a machine of so many CPUs with a clock of so many GHz.
   *
   * Throws: UsageError for a parameter that is not its own, or a value out of range.
   */
  readonly open: (given: Readonly<Record<string, string>>, cpus: number, ghz?: number) => Workload;
}

type Declared<P extends Parameter> = Omit<Builtin, "open" | "parameters"> & {
  readonly parameters: readonly P[];
  readonly plan: (values: Readonly<Record<P["name"], number>>, cpus: number) => Omit<Plan, "name">;
};

/** A built-in workload is a plan that depends on some numbers. */
export function builtin<const P extends Parameter>({ plan, ...declared }: Declared<P>): Builtin {
  const { name, parameters } = declared;
  return {
    ...declared,
    open: (given, cpus, ghz = 1) => {
      const values = parameterValues(name, parameters, given, cpus) as Readonly<Record<P["name"], number>>;
      return new PlanWorkload({ name, ...plan(values, cpus) }, cpus, ghz);
    },
  };
}
