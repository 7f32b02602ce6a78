/** A scheme of somebody else's: what it puts in the place of the kernel's own routines and programs, and what it adds. */

import type { AnyRecord, ProgramSource, Replacement } from "../dsl/index.js";
import type { KernelOptions, Tunables } from "./options.js";

export interface Scheme {
  /** Routines that stand in for the kernel's, wherever these are called; made by instead(). */
  readonly routines?: readonly Replacement[];
  /** Programs; one with the name of an entry of the kernel takes its place. */
  readonly programs?: (opt: KernelOptions) => readonly ProgramSource[];
  /** State that the scheme adds, per mm, per CPU, per frame, ... */
  readonly records?: readonly AnyRecord[];
  readonly tunables?: Partial<Tunables>;
}

/** The kernel's entries with those of the scheme in their places, and the scheme's other programs behind them. */
export function withPrograms(
  entries: readonly ProgramSource[],
  scheme: Scheme | undefined,
  opt: KernelOptions,
): ProgramSource[] {
  const own = scheme?.programs?.(opt) ?? [];
  const others = own.filter(({ name }) => !entries.some((entry) => entry.name === name));
  return [...entries.map((entry) => own.find(({ name }) => name === entry.name) ?? entry), ...others];
}
