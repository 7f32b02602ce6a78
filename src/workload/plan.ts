import type { AccessKind } from "./feed.js";
import type { StreamSpec } from "./stream.js";

/**
 * What threads do, as data: built-in workloads and those of YAML files are the same thing, written differently.
 *
 * A plan says nothing about records, addresses or task numbers; plan-layout.ts gives those out, and plan-thread.ts
 * carries the steps out.
 */
export interface Plan {
  readonly name: string;
  readonly regions: Readonly<Record<string, Region>>;
  readonly groups: readonly ThreadGroup[];
  /** How many processes run the threads of a process name; 1 for those that are not mentioned. */
  readonly copies?: Readonly<Record<string, number>>;
  /** Most pages in use at once; all that the regions have, unless said. */
  readonly pages?: number;
}

/**
 * A piece of address space. Each process, or each thread, has one of its own.
 *
 * It is mapped before anything else happens, unless a step maps it or moves its end. Every thread has a region `stack`
 * besides, of 4 pages.
 */
export interface Region {
  readonly pages: number;
  readonly of: "process" | "thread";
  /** PROT_ bits. */
  readonly rights: number;
  /** MAP_SHARED: stores reach the file, or the others who map the same. */
  readonly shared: boolean;
  /** Regions of one file name map the same pages. Undefined: anonymous memory. */
  readonly file?: string;
  /** The name stands for so many files of this size; each `mmap` step takes the one that the stream says. */
  readonly files?: { readonly count: number; readonly stream: StreamSpec };
  /** Each thread has a part of the file of its own, of the region's size, one behind the other. */
  readonly sliced?: boolean;
  /** A userfaultfd watches it for writes. */
  readonly watched?: boolean;
  /** Private memory that asks for pages of this size; it gets them where the slot `thp` is not `never`. */
  readonly huge?: HugeSize;
}

/** Sizes of large pages, and 4 KiB pages in one. */
export const hugePages = { "2M": 512, "1G": 262_144 } as const;
export type HugeSize = keyof typeof hugePages;

export const stackName = "stack";
export const stackPages = 4;

/** Threads that do the same. */
export interface ThreadGroup {
  readonly name: string;
  readonly count: number;
  /** Groups of one process name share an address space. Undefined: kernel threads, which have none. */
  readonly process: string | undefined;
  /** Forked threads exist when a `fork` step makes them, in a copy of the address space of who forks. */
  readonly start: "beginning" | "fork";
  /** Thread i runs on CPU `cpu` + i, modulo the number of CPUs; undefined: wherever its number falls. */
  readonly cpu?: number;
  readonly steps: readonly Step[];
}

/** A time in cycles, or one that depends on how fast the machine's clock is. */
export type Duration = { readonly cycles: number } | { readonly ns: number };

/** Steps that name a region (`at`) also take a part that is at hand. */
export type Step =
  /** `count` accesses, one to each element unless said, to elements of `grain` bytes. */
  | {
      readonly do: "access";
      readonly at: string;
      readonly stream: StreamSpec;
      readonly grain: number;
      readonly count?: number;
      /** What the accesses are, but for a share of them, 0 to 1, that are stores. */
      readonly kind: AccessKind;
      readonly stores: number;
    }
  /** User work: `time`, up to a share of `spread` more or less. */
  | { readonly do: "compute"; readonly time: Duration; readonly spread: number }
  | { readonly do: "mmap"; readonly at: string }
  /** The pages move to the place of the region `to`, and become as many as that has. */
  | { readonly do: "mremap"; readonly at: string; readonly to: string }
  /** A kernel entry; its arguments are first page and end of `at`, if there is one, and `args`. */
  | { readonly do: "call"; readonly entry: string; readonly at?: string; readonly args: readonly number[] }
  /** The region ends behind so many of its pages from now on. */
  | { readonly do: "brk"; readonly at: string; readonly pages: number }
  /** A thread of the group begins, in a process of its own. */
  | { readonly do: "fork"; readonly group: string }
  /** Waits until all threads that this one has forked are done. */
  | { readonly do: "join" }
  /** Waits until every thread of the process that comes by this name has come. */
  | { readonly do: "barrier"; readonly name: string }
  | { readonly do: "repeat"; readonly times: number; readonly steps: readonly Step[] }
  /** The steps, with this probability, 0 to 1. */
  | { readonly do: "sometimes"; readonly share: number; readonly steps: readonly Step[] }
  /** The steps for `count` parts of `of` of so many pages, for all of them unless said; the stream says for which. */
  | {
      readonly do: "part";
      readonly name: string;
      readonly of: string;
      readonly pages: number;
      readonly stream: StreamSpec;
      readonly count?: number;
      readonly steps: readonly Step[];
    };

/** The steps within a step; none for most. */
export function innerSteps(step: Step): readonly Step[] {
  return "steps" in step ? step.steps : [];
}

/** All steps of a program, those within others too. */
export function allSteps(steps: readonly Step[]): Step[] {
  return steps.flatMap((step) => [step, ...allSteps(innerSteps(step))]);
}
